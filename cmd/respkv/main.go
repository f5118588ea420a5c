// Command respkv runs a node, a cluster of nodes on one machine for
// development, and the operations on running nodes.
//
// Exit codes: 0 done, or a node that stopped as it was asked to; 1 failed while
// starting or running; 2 a mistake in the command line or the configuration;
// 130 ended by a second signal, before the hand-over was done.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// version is set by the linker to what git describe says.
var version = "unreleased"

// usageError is a mistake of the caller, not of the program.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errInterrupted ends the process although its work was not done.
var errInterrupted = errors.New("interrupted by a second signal")

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	root := newRoot()
	root.SetArgs(joinSwitches(args))
	err := root.Execute()
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "respkv:", err)
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "respkv: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(os.Stderr, "respkv: %v\n", err)
		return exitFailed
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "respkv",
		Short: "A cache that speaks Redis's protocol and is a cluster by itself",
		Long: `A cache that speaks Redis's protocol and is a cluster by itself.

Without a command it runs one standalone node on 127.0.0.1:6379.
"respkv dev" runs a whole cluster on this machine.`,
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.SetVersionTemplate("respkv {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	s := addSettings(root)
	root.RunE = func(*cobra.Command, []string) error { return serve(s) }
	root.AddCommand(newServe(), newDev(), newLeave(), newConfig(), newVersion())
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s: unknown argument %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "respkv", version)
			return err
		},
	}
}
