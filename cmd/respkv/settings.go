package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"respkv/internal/config"
)

// settings gathers the configuration from flags, environment and file.
type settings struct {
	file  string
	flags *pflag.FlagSet
}

// addSettings gives cmd a flag for every setting, and --config.
func addSettings(cmd *cobra.Command) *settings {
	s := &settings{flags: cmd.Flags()}
	s.flags.StringVar(&s.file, "config", "", "configuration `file` (YAML)")
	s.flags.SortFlags = false
	for _, k := range config.Keys() {
		f := s.flags.VarPF(&settingFlag{separator: k.Separator()}, k.Name, "", flagUsage(k))
		if k.IsBool() {
			f.NoOptDefVal = "true"
		}
	}
	return s
}

// joinSwitches makes one argument of a switch and its value where they are two, as all other
// settings and redis.conf have them: "--metrics.pprof no". The flag package takes a switch for
// complete by itself.
func joinSwitches(args []string) []string {
	switches := make(map[string]bool)
	for _, k := range config.Keys() {
		if k.IsBool() {
			switches["--"+k.Name] = true
		}
	}
	joined := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(joined, args[i:]...)
		}
		if switches[arg] && i+1 < len(args) && slices.Contains(switchValues, args[i+1]) {
			i++
			arg += "=" + args[i]
		}
		joined = append(joined, arg)
	}
	return joined
}

var switchValues = []string{"true", "false", "yes", "no"}

func flagUsage(k *config.Key) string {
	usage := strings.ReplaceAll(k.What, "`", "")
	if first, _, ok := strings.Cut(usage, ". "); ok {
		usage = first + "."
	}
	if k.Default != "" {
		usage += " Default " + k.Default + "."
	}
	return usage
}

// settingFlag keeps the text of a flag; internal/config parses it, so that a
// mistake reads the same wherever it was made.
type settingFlag struct {
	text      string
	separator string // of a list: given several times, the values are joined
}

func (f *settingFlag) String() string { return f.text }
func (f *settingFlag) Type() string   { return "value" }
func (f *settingFlag) Set(text string) error {
	if f.separator != "" && f.text != "" {
		text = f.text + f.separator + text
	}
	f.text = text
	return nil
}

// load merges the sources: a flag wins over a variable, a variable over the
// file, the file over the default. Every error is a usageError.
func (s *settings) load(environ []string) (*config.Config, error) {
	v := viper.New()
	v.AllowEmptyEnv(true)
	var errs []error
	if s.file != "" {
		// internal/config reads the file, as it does for CONFIG REWRITE: one
		// reader, one meaning. viper joins it with the other sources.
		inFile, err := config.ReadFile(s.file)
		if err != nil {
			return nil, usageError{fmt.Errorf("reading the configuration: %w", err)}
		}
		values := make(map[string]any)
		for _, setting := range inFile {
			if config.Lookup(setting.Key) == nil {
				errs = append(errs, config.Unknown(setting.Key, setting.Text, s.file))
			}
			values[setting.Key] = setting.Text
		}
		if err := v.MergeConfigMap(values); err != nil {
			return nil, usageError{fmt.Errorf("reading the configuration: %w", err)}
		}
	}
	errs = append(errs, unknownVariables(environ)...)

	inEnvironment := func(name string) bool {
		return slices.ContainsFunc(environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}
	var given []config.Setting
	for _, k := range config.Keys() {
		flag := s.flags.Lookup(k.Name)
		if err := errors.Join(v.BindPFlag(k.Name, flag), v.BindEnv(k.Name, k.Env())); err != nil {
			return nil, err
		}
		if !v.IsSet(k.Name) {
			continue
		}
		source := s.file
		switch {
		case flag.Changed:
			source = "flag --" + k.Name
		case inEnvironment(k.Env()):
			source = "variable " + k.Env()
		}
		given = append(given, config.Setting{Key: k.Name, Text: v.GetString(k.Name), Source: source})
	}
	cfg, err := config.Load(given)
	if errs = append(errs, err); errors.Join(errs...) != nil {
		return nil, usageError{errors.Join(errs...)}
	}
	cfg.File = s.file
	return cfg, nil
}

// unknownVariables finds misspelt settings: variables with our prefix that set
// nothing.
func unknownVariables(environ []string) []error {
	var errs []error
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, config.EnvPrefix) {
			continue
		}
		if !slices.ContainsFunc(config.Keys(), func(k *config.Key) bool { return k.Env() == name }) {
			path := strings.ToLower(strings.TrimPrefix(name, config.EnvPrefix))
			path = strings.Replace(path, "_", ".", 1)
			errs = append(errs, config.Unknown(path, text, "variable "+name))
		}
	}
	return errs
}

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or print the configuration", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}

	check := &cobra.Command{Use: "check", Short: "Report mistakes in flags, environment and file without starting a node", Args: noArguments}
	c := addSettings(check)
	check.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := c.load(os.Environ()); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "The configuration is valid.")
		return err
	}

	printed := &cobra.Command{Use: "print", Short: "Print the configuration a node would start with, as an annotated file", Args: noArguments}
	p := addSettings(printed)
	secrets := printed.Flags().Bool("show-secrets", false, "print passwords instead of asterisks")
	printed.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.load(os.Environ())
		if err != nil {
			return err
		}
		mask := func(string) string { return "********" }
		if *secrets {
			mask = nil
		}
		_, err = cmd.OutOrStdout().Write(config.YAML(cfg, mask))
		return err
	}
	cmd.AddCommand(check, printed)
	return cmd
}
