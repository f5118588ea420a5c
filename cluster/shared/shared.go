// Package shared is what the nodes of a cluster share beside the slot map:
// small named values, in kinds, as pure data. They change only by Apply of an
// entry of the raft log, which is deterministic.
//
// Kinds are told apart by who uses them: settings, ACL users, functions. What a
// value means is its user's matter.
package shared

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits. All values are in the memory of every node, in each snapshot of the
// log, and cross the network when a node joins.
const (
	MaxKind    = 32       // bytes of a kind
	MaxName    = 512      // bytes of a name
	MaxValue   = 1 << 20  // bytes of one value
	MaxEntry   = 2 << 20  // bytes of all names and values that change together
	MaxChanges = 10_000   // values that change together
	MaxValues  = 10_000   // values there are
	MaxTotal   = 16 << 20 // bytes of all names and values there are
)

// maxRecent is how many entries are remembered to tell one that comes again: it
// is proposed anew while its first answer is waited for, some seconds at most.
const maxRecent = 1024

// ErrLimit says that a change is over one of the limits.
var ErrLimit = errors.New("over the limit of what a cluster shares")

// Change is the new value of one name. A nil Value deletes it.
type Change struct {
	Kind, Name string
	Value      []byte
}

// Entry changes values, all or none. ID tells an entry that is in the log twice,
// because it was proposed again: the second one changes nothing.
type Entry struct {
	ID      uint64
	Changes []Change
}

// Validate checks an entry against the limits that hold for any state. Its
// errors wrap ErrLimit.
func (e *Entry) Validate() error {
	if len(e.Changes) == 0 || len(e.Changes) > MaxChanges {
		return fmt.Errorf("%w: %d changes at a time, allowed 1 to %d", ErrLimit, len(e.Changes), MaxChanges)
	}
	size := 0
	for _, c := range e.Changes {
		switch {
		case c.Kind == "" || len(c.Kind) > MaxKind:
			return fmt.Errorf("%w: a kind of %d bytes, allowed 1 to %d", ErrLimit, len(c.Kind), MaxKind)
		case c.Name == "" || len(c.Name) > MaxName:
			return fmt.Errorf("%w: a name of %d bytes, allowed 1 to %d", ErrLimit, len(c.Name), MaxName)
		case len(c.Value) > MaxValue:
			return fmt.Errorf("%w: a value of %d bytes, allowed %d", ErrLimit, len(c.Value), MaxValue)
		}
		size += len(c.Name) + len(c.Value)
	}
	if size > MaxEntry {
		return fmt.Errorf("%w: %d bytes at a time, allowed %d", ErrLimit, size, MaxEntry)
	}
	return nil
}

// value is one that is there. Immutable.
type value struct {
	kind, name string
	data       []byte // never nil
	version    uint64 // of the state in which it came
}

func (v *value) size() int { return len(v.name) + len(v.data) }

func (v *value) change() Change { return Change{v.kind, v.name, v.data} }

// compare orders values by kind, then name.
func compare(v *value, c Change) int {
	if n := strings.Compare(v.kind, c.Kind); n != 0 {
		return n
	}
	return strings.Compare(v.name, c.Name)
}

// State is one version of the values. It is immutable: Apply returns a new one,
// which shares what did not change.
type State struct {
	version uint64
	values  []*value // in order of kind and name
	total   int      // bytes of all names and values
	recent  []uint64 // IDs of the last entries, oldest first
}

// New is the state before the first entry.
func New() *State { return new(State) }

// Version counts the entries that took effect.
func (s *State) Version() uint64 { return s.version }

// Get returns a value; nil: there is none. It is the state's: do not change it.
func (s *State) Get(kind, name string) []byte {
	if i, found := s.find(Change{Kind: kind, Name: name}); found {
		return s.values[i].data
	}
	return nil
}

func (s *State) find(c Change) (int, bool) { return slices.BinarySearchFunc(s.values, c, compare) }

// Result says what an entry did.
type Result struct {
	// Refused is why nothing changed. Empty when the entry took effect, now or
	// as an earlier entry with its ID.
	Refused string
	// Version of the state that has the entry.
	Version uint64
	// Changes are what observers are to be told: those of the entry, none when
	// it had taken effect before.
	Changes []Change
}

// Apply returns the state after entry e. It keeps s as it is.
func (s *State) Apply(e *Entry) (*State, Result) {
	if slices.Contains(s.recent, e.ID) {
		return s, Result{Version: s.version}
	}
	next := &State{version: s.version + 1, values: slices.Clone(s.values), total: s.total}
	for _, c := range e.Changes {
		next.set(c)
	}
	if len(next.values) > MaxValues {
		return s, Result{Version: s.version, Refused: fmt.Sprintf("%v: %d values, allowed %d", ErrLimit, len(next.values), MaxValues)}
	}
	if next.total > MaxTotal {
		return s, Result{Version: s.version, Refused: fmt.Sprintf("%v: %d bytes in all, allowed %d", ErrLimit, next.total, MaxTotal)}
	}
	next.recent = append(slices.Clone(s.recent[max(0, len(s.recent)-maxRecent+1):]), e.ID)
	return next, Result{Version: next.version, Changes: e.Changes}
}

// set makes one change in a state that is being built.
func (s *State) set(c Change) {
	i, found := s.find(c)
	if found {
		s.total -= s.values[i].size()
	}
	switch {
	case c.Value == nil:
		if found {
			s.values = slices.Delete(s.values, i, i+1)
		}
		return
	case !found:
		s.values = slices.Insert(s.values, i, nil)
	}
	s.values[i] = &value{kind: c.Kind, name: c.Name, data: c.Value, version: s.version}
	s.total += s.values[i].size()
}

// Since returns the changes that lead from old to s: deletions first, then
// values in the order in which they came. With New as old that is everything.
func (s *State) Since(old *State) []Change {
	var out []Change
	for _, v := range old.values {
		if _, found := s.find(v.change()); !found {
			out = append(out, Change{Kind: v.kind, Name: v.name})
		}
	}
	var came []*value
	for _, v := range s.values {
		if i, found := old.find(v.change()); !found || old.values[i].version != v.version {
			came = append(came, v)
		}
	}
	slices.SortStableFunc(came, func(a, b *value) int {
		switch {
		case a.version < b.version:
			return -1
		case a.version > b.version:
			return 1
		}
		return 0
	})
	for _, v := range came {
		out = append(out, v.change())
	}
	return out
}
