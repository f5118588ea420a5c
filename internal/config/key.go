package config

import (
	"errors"
	"strings"
)

// Key is the declaration of one setting.
type Key struct {
	Name    string   // path name: section.key, as in config.yaml and flags
	Redis   []string // CONFIG parameter names; the first is the current one, others are aliases
	Default string   // in the form of config.yaml
	Mutable bool     // CONFIG SET may change it while the node runs
	Shared  bool     // in a cluster, CONFIG SET changes it on all nodes (shared.go); Mutable, too
	Secret  bool     // the value is never shown, except to CONFIG GET
	Private bool     // CONFIG does not know it at all
	// Commanded: a command of its own changes it (Live.Replace), CONFIG SET does not.
	Commanded bool
	// What says what the setting does and its unit; Raise and Lower what the
	// node does differently with a larger and a smaller value. For words and
	// switches Raise and Lower are empty and What names each word's effect.
	What, Raise, Lower string

	value func(*Config) value
}

// keys is every setting, in the order of config.yaml.
var keys = join(serverKeys, tlsKeys, tracingKeys, trackingKeys, dataKeys, storeKeys, persistenceKeys, clusterKeys, replicationKeys, metricsKeys, logKeys)

var byName = func() map[string]*Key {
	m := make(map[string]*Key, len(keys))
	for _, k := range keys {
		m[k.Name] = k
	}
	return m
}()

func join(groups ...[]*Key) []*Key {
	var all []*Key
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// Keys returns every setting in the order of config.yaml. The slice is the
// caller's, the declarations are shared and must not be written.
func Keys() []*Key { return append([]*Key(nil), keys...) }

// Lookup returns the setting of that path name, or nil.
func Lookup(name string) *Key { return byName[name] }

// Section is the part of the name before the dot; "" for top-level keys.
func (k *Key) Section() string {
	if section, _, ok := strings.Cut(k.Name, "."); ok {
		return section
	}
	return ""
}

// Leaf is the part of the name after the dot.
func (k *Key) Leaf() string {
	if _, leaf, ok := strings.Cut(k.Name, "."); ok {
		return leaf
	}
	return k.Name
}

// Env is the environment variable that sets the key.
func (k *Key) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// EnvPrefix starts the name of every environment variable that is a setting.
const EnvPrefix = "RESPKV_"

// Kind names the type of the value: integer, memory size, word...
func (k *Key) Kind() string { return k.value(new(Config)).kind() }

// Allowed describes the values the key accepts.
func (k *Key) Allowed() string { return k.value(new(Config)).allowed() }

// Separator is what stands between the entries of a list in text; "" where the
// value is no list.
func (k *Key) Separator() string {
	switch k.value(new(Config)).(type) {
	case list:
		return " "
	case lines:
		return "\n"
	}
	return ""
}

// IsBool tells whether the value is true or false.
func (k *Key) IsBool() bool { _, ok := k.value(new(Config)).(boolean); return ok }

// isQuoted tells whether config.yaml holds the value as a quoted string even
// where it looks like a number.
func (k *Key) isQuoted() bool {
	switch k.value(new(Config)).(type) {
	case octal, textValue, hostname, keyspaceEvents, percentiles, protocols, ciphers:
		return true
	}
	return false
}

// Text is the key's value in c, in the form of config.yaml; secrets too.
func (k *Key) Text(c *Config) string { return k.value(c).text() }

// Set parses text, in the form of config.yaml, flags and variables, into c.
// The error is a *ValueError without Source.
func (k *Key) Set(c *Config, text string) error {
	err := k.value(c).set(text)
	if err == nil {
		return nil
	}
	e := &ValueError{Key: k.Name, Value: k.mask(text), Allowed: k.Allowed()}
	var refused *refusal
	if errors.As(err, &refused) {
		e.Reason = refused.why
	}
	return e
}

// shown is the value for messages: masked where it is a secret.
func (k *Key) shown(c *Config) string { return k.mask(k.Text(c)) }

func (k *Key) mask(text string) string {
	if k.Secret && text != "" {
		return "********"
	}
	return text
}

func joinErrors(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
