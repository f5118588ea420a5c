package resp

import "sync"

// libraryEchoes are the changes of the libraries that other nodes have made. In
// Redis Cluster each node has its own libraries, so clients send FUNCTION LOAD,
// DELETE and RESTORE to all primaries. Here the first of them has changed the
// libraries of all, and the others would answer that the library is there
// already, or not there. So each node takes for done, once, what another did.
type libraryEchoes struct {
	mu      sync.Mutex
	loaded  map[string]string // code by name
	deleted map[string]bool
}

// maxEchoes bounds what is remembered of deleted libraries.
const maxEchoes = 1024

// observed notes a change that some node made to the library of that name; was
// is its code before and code its code now, "" if there is none.
func (e *libraryEchoes) observed(name, was, code string) {
	if was == code {
		return // the same change from a second node
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.loaded == nil || len(e.deleted) >= maxEchoes {
		e.deleted = make(map[string]bool)
	}
	if e.loaded == nil {
		e.loaded = make(map[string]string)
	}
	if code == "" {
		delete(e.loaded, name)
		e.deleted[name] = true
		return
	}
	delete(e.deleted, name)
	e.loaded[name] = code
}

// made says that this node itself has changed that library, as the last one.
func (e *libraryEchoes) made(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.loaded, name)
	delete(e.deleted, name)
}

// takeLoad returns the name of the library of that code if another node loaded it.
func (e *libraryEchoes) takeLoad(code string) (name string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, loaded := range e.loaded {
		if loaded == code {
			delete(e.loaded, name)
			return name, true
		}
	}
	return "", false
}

// takeDelete reports whether another node deleted that library.
func (e *libraryEchoes) takeDelete(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	deleted := e.deleted[name]
	delete(e.deleted, name)
	return deleted
}

// notLoaded is codes without those that another node loaded, which are taken.
func (e *libraryEchoes) notLoaded(codes []string) (rest []string) {
	for _, code := range codes {
		if _, ok := e.takeLoad(code); !ok {
			rest = append(rest, code)
		}
	}
	return rest
}
