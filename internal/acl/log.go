package acl

import (
	"slices"
	"strings"
	"sync"
)

// Event is something that was denied.
type Event struct {
	Reason  Reason
	Context string // toplevel, multi, lua
	// Object is the command, key or channel; the command as sent where the
	// password was wrong.
	Object string
	User   string
}

// LogEntry is an event of ACL LOG, with those like it that came soon after.
type LogEntry struct {
	Event
	Count  int64
	At     int64  // of the last one, in Unix milliseconds
	Client string // who caused the last one: its line of CLIENT LIST
}

const (
	// groupMillis is how far apart events may be to be one entry.
	groupMillis = 60_000
	// groupAmong is how many entries are looked at for one like a new event.
	groupAmong = 10
	// maxObject bounds what is kept of an object: clients choose how long it is.
	maxObject = 4096
)

// Log keeps the latest denials. The zero value is empty. Safe for concurrent use.
type Log struct {
	mu      sync.Mutex  // guards entries; a leaf
	entries []*LogEntry // newest first
}

// Add notes an event at now, in Unix milliseconds, and keeps the latest keep
// entries.
func (l *Log) Add(e Event, now int64, client string, keep int) {
	e.Object = strings.Clone(e.Object[:min(len(e.Object), maxObject)])
	e.User = strings.Clone(e.User[:min(len(e.User), maxObject)])
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := &LogEntry{Event: e}
	for i, old := range l.entries[:min(len(l.entries), groupAmong)] {
		if old.Event == e && max(now-old.At, old.At-now) <= groupMillis {
			entry = old
			l.entries = slices.Delete(l.entries, i, i+1)
			break
		}
	}
	// A copy: whoever asked for the log may be reading the old one.
	next := *entry
	next.Count, next.At, next.Client = entry.Count+1, now, client
	l.entries = slices.Insert(l.entries, 0, &next)
	l.trim(keep)
}

func (l *Log) trim(keep int) {
	if len(l.entries) > keep {
		clear(l.entries[keep:])
		l.entries = l.entries[:keep]
	}
}

// Latest returns at most n entries, newest first.
func (l *Log) Latest(n int) []*LogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries[:min(n, len(l.entries))])
}

// Reset forgets all entries.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}
