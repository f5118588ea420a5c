package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Live is the configuration of a running node: CONFIG GET, SET and REWRITE
// work on it. All methods are safe for concurrent use.
type Live struct {
	current atomic.Pointer[Config]
	start   *Config
	file    string // the file that the node was started with; "" none

	mu        sync.Mutex // one Set or Rewrite at a time; guards observers
	observers []observer
}

type observer struct {
	names  []string // path names; empty: every key
	change func(old, new *Config) error
}

// NewLive makes start the running configuration.
func NewLive(start *Config) *Live {
	l := new(Live)
	if start.File != "" {
		l.file = absolute(start.File) // the node may change its directory
	}
	l.start = start
	l.current.Store(start)
	return l
}

// Config returns the configuration as it is now. It costs one atomic load and
// never changes afterwards: call it anew to see changes.
func (l *Live) Config() *Config { return l.current.Load() }

// File is the absolute path of the configuration file, "" if there is none.
func (l *Live) File() string { return l.file }

// Observe has change called after one of the named keys (path names; none
// named: any key) got another value. Calls come one at a time, in the order of
// registration, on the goroutine that called Set; change must not call Set,
// Rewrite or Observe. When change returns an error, Set takes everything back:
// observers that already accepted are called again with the old and the new
// value exchanged (their error is ignored then), and the client sees the error.
func (l *Live) Observe(change func(old, new *Config) error, names ...string) {
	for _, name := range names {
		if Lookup(name) == nil {
			panic("config: Observe of unknown key " + name)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.observers = append(l.observers, observer{names, change})
}

// Pair is a parameter and its value, in the form of CONFIG GET.
type Pair struct{ Name, Value string }

// parameters are what CONFIG calls the key: Redis's name, or the path name where
// Redis has no such parameter.
func (k *Key) parameters() []string {
	if len(k.Redis) > 0 {
		return k.Redis
	}
	return []string{k.Name}
}

var byParameter = func() map[string]*Key {
	m := make(map[string]*Key)
	for _, k := range keys {
		if k.Private {
			continue
		}
		for _, name := range k.parameters() {
			m[name] = k
		}
	}
	return m
}()

// Get returns the parameters that any of the patterns selects, each once.
// match is Redis's glob, not minding case. A pattern without glob characters
// is a name, and comes back spelt as it was asked for, as in Redis.
func (l *Live) Get(patterns []string, match func(pattern, name string) bool) []Pair {
	c := l.Config()
	var pairs []Pair
	seen := make(map[string]bool)
	add := func(shown, name, value string) {
		if !seen[name] {
			seen[name] = true
			pairs = append(pairs, Pair{shown, value})
		}
	}
	for _, pattern := range patterns {
		isGlob := strings.ContainsAny(pattern, "*?[")
		selects := func(name string) (shown string, ok bool) {
			if isGlob {
				return name, match(pattern, name)
			}
			return pattern, strings.EqualFold(pattern, name)
		}
		for _, k := range keys {
			if k.Private {
				continue
			}
			for _, name := range k.parameters() {
				if shown, ok := selects(name); ok {
					add(shown, name, k.value(c).redis())
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(fixed)) {
			if shown, ok := selects(name); ok {
				add(shown, name, fixed[name].Value)
			}
		}
	}
	return pairs
}

// SetError is a refused CONFIG SET. Error gives Redis's text, without the
// leading "ERR ".
type SetError struct {
	Name    string // parameter as the client spelt it
	Unknown bool   // there is no such parameter
	Reason  string
}

// Error implements error.
func (e *SetError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("Unknown option or number of arguments for CONFIG SET - '%s'", e.Name)
	}
	return fmt.Sprintf("CONFIG SET failed (possibly related to argument '%s') - %s", e.Name, e.Reason)
}

// Set changes the given parameters, all or none. The error is a *SetError.
func (l *Live) Set(pairs []Pair) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, err := resolve(pairs)
	if err != nil {
		return err
	}
	old := l.Config()
	next, err := changedBy(old, pairs, changed)
	if err != nil {
		return err
	}
	return l.publish(old, next, pairs, changed)
}

// changedBy is a copy of old with the parameters changed, and validated.
func changedBy(old *Config, pairs []Pair, changed []*Key) (*Config, error) {
	next := old.Clone()
	for i, k := range changed {
		if k == nil {
			continue // a fixed parameter, set to the value it has
		}
		if err := k.value(next).setRedis(pairs[i].Value); err != nil {
			return nil, &SetError{Name: strings.ToLower(pairs[i].Name), Reason: err.Error()}
		}
	}
	if err := next.Validate(); err != nil {
		return nil, blame(err, pairs, changed)
	}
	return next, nil
}

// Replace sets a private or commanded key to what is true at run time, for Rewrite to write.
// Observers don't hear of it.
func (l *Live) Replace(name, text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := Lookup(name)
	if k == nil || !k.Private && !k.Commanded {
		return fmt.Errorf("config: %s is not changed by a command", name)
	}
	next := l.Config().Clone()
	if err := k.Set(next, text); err != nil {
		return err
	}
	l.current.Store(next)
	return nil
}

// resolve finds the keys of the parameters and refuses what no value could
// make right, before any value is looked at, as Redis does. A fixed parameter
// that is set to the value it has resolves to nil.
func resolve(pairs []Pair) ([]*Key, error) {
	resolved := make([]*Key, len(pairs))
	for i, p := range pairs {
		name := strings.ToLower(p.Name)
		k := byParameter[name]
		if f, isFixed := fixed[name]; isFixed {
			if !f.accepts(p.Value) {
				return nil, &SetError{Name: p.Name, Reason: f.refusal()}
			}
			continue
		}
		switch {
		case k == nil:
			return nil, &SetError{Name: p.Name, Unknown: true}
		case !k.Mutable && slices.Contains(protected, name):
			return nil, &SetError{Name: p.Name, Reason: "can't set protected config"}
		case !k.Mutable:
			return nil, &SetError{Name: p.Name, Reason: "can't set immutable config"}
		case slices.Contains(resolved[:i], k):
			return nil, &SetError{Name: p.Name, Reason: "duplicate parameter"}
		}
		resolved[i] = k
	}
	return resolved, nil
}

// blame names the parameter of the call that a violation across keys is about.
func blame(err error, pairs []Pair, changed []*Key) error {
	e := &SetError{Name: pairs[0].Name, Reason: err.Error()}
	var violation *ValueError
	if errors.As(err, &violation) {
		for i, k := range changed {
			if k != nil && k.Name == violation.Key {
				e.Name = pairs[i].Name
			}
		}
	}
	return e
}

// publish makes next the current configuration and tells the observers. The
// new values are visible before the observers run, so that a goroutine an
// observer wakes finds them.
func (l *Live) publish(old, next *Config, pairs []Pair, changed []*Key) error {
	differs := func(name string) bool {
		k := Lookup(name)
		return k.Text(old) != k.Text(next)
	}
	var told []observer
	l.current.Store(next)
	for _, o := range l.observers {
		concerned := slices.ContainsFunc(o.names, differs)
		if len(o.names) == 0 {
			concerned = slices.ContainsFunc(changed, func(k *Key) bool { return k != nil && differs(k.Name) })
		}
		if !concerned {
			continue
		}
		if err := o.change(old, next); err != nil {
			l.current.Store(old)
			for _, t := range slices.Backward(told) {
				_ = t.change(next, old) // it held these values a moment ago
			}
			return observerError(err, o, pairs, changed)
		}
		told = append(told, o)
	}
	return nil
}

func observerError(err error, o observer, pairs []Pair, changed []*Key) error {
	e := &SetError{Name: pairs[0].Name, Reason: err.Error()}
	for i, k := range changed {
		if k != nil && slices.Contains(o.names, k.Name) {
			e.Name = pairs[i].Name
		}
	}
	return e
}
