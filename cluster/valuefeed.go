package cluster

import (
	"context"
	"slices"
	"sync"

	"respkv/cluster/shared"
)

// valueFeed tells observers of shared values, in the order of the log. The log
// pushes, on raft's goroutine; deliver calls the observers on another one, so
// that they may take their time.
type valueFeed struct {
	mu       sync.Mutex // guards all below but observers; a leaf
	queue    []told
	told     *shared.State // what the observers know
	former   *shared.State // what they know of a cluster that this process has left; nil: nothing
	advanced chan struct{} // closed when told changes

	// observing is held while observers run: one change at a time, and an
	// observer that is new hears of everything once. Before mu.
	observing sync.Mutex
	observers []valueObserver
}

// told is a change and the state after it.
type told struct {
	state   *shared.State
	changes []shared.Change
}

type valueObserver struct {
	kind string
	fn   func(name string, value []byte)
}

// newValueFeed is a feed whose observers know the values of former.
func newValueFeed(former *shared.State) *valueFeed {
	return &valueFeed{told: shared.New(), former: former, advanced: make(chan struct{})}
}

// push queues a state and what has changed in it. What is left of a former cluster
// goes with the first one: settings and users hold until there are others.
func (f *valueFeed) push(s *shared.State, changes []shared.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.former != nil {
		nothing := shared.New()
		now := s.Since(nothing)
		changes = nil
		for _, c := range f.former.Since(nothing) {
			if !slices.ContainsFunc(now, func(n shared.Change) bool { return n.Kind == c.Kind && n.Name == c.Name }) {
				changes = append(changes, shared.Change{Kind: c.Kind, Name: c.Name})
			}
		}
		changes, f.former = append(changes, now...), nil
	}
	f.queue = append(f.queue, told{s, changes})
}

// deliver tells the observers what was pushed.
func (f *valueFeed) deliver() {
	f.observing.Lock()
	defer f.observing.Unlock()
	for {
		next, ok := f.pop()
		if !ok {
			return
		}
		for _, c := range next.changes {
			for _, o := range f.observers {
				if o.kind == c.Kind {
					o.fn(c.Name, c.Value)
				}
			}
		}
		f.mu.Lock()
		f.told = next.state
		close(f.advanced)
		f.advanced = make(chan struct{})
		f.mu.Unlock()
	}
}

func (f *valueFeed) pop() (told, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		f.queue = nil
		return told{}, false
	}
	first := f.queue[0]
	f.queue[0] = told{}
	f.queue = f.queue[1:]
	return first, true
}

// observe tells fn of all values of a kind, then has it told of changes.
func (f *valueFeed) observe(kind string, fn func(name string, value []byte)) {
	f.observing.Lock()
	defer f.observing.Unlock()
	state, _ := f.current()
	for _, c := range state.Since(shared.New()) {
		if c.Kind == kind {
			fn(c.Name, c.Value)
		}
	}
	f.observers = append(f.observers, valueObserver{kind, fn})
}

// known is what the observers know, of this cluster or of the one before.
func (f *valueFeed) known() *shared.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.former != nil {
		return f.former
	}
	return f.told
}

// current is the state that the observers know, and what is closed when there
// is a newer one.
func (f *valueFeed) current() (*shared.State, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told, f.advanced
}

// wait returns once the observers know that version.
func (f *valueFeed) wait(ctx context.Context, version uint64) error {
	for {
		state, advanced := f.current()
		if state.Version() >= version {
			return nil
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
