package resp

import (
	"container/list"
	"fmt"
	"sync"
	"time"
)

// slowLog holds the latest commands that took long. Safe for concurrent use.
type slowLog struct {
	mu      sync.Mutex // guards below; a leaf
	entries list.List  // of *slowEntry, newest first
	next    int64      // ID
}

// slowEntry is one command of the slow log. It does not change.
type slowEntry struct {
	id     int64
	at     time.Time
	took   time.Duration
	args   []string
	addr   string
	client string // name
}

const (
	slowlogArgs   = 32  // arguments kept of a command
	slowlogArgLen = 128 // bytes kept of an argument
	slowlogShown  = 10  // entries that SLOWLOG GET shows by itself
)

// add puts an entry in front and drops the oldest beyond max.
func (l *slowLog) add(e *slowEntry, max int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.id = l.next
	l.next++
	l.entries.PushFront(e)
	for l.entries.Len() > max {
		l.entries.Remove(l.entries.Back())
	}
}

// newest returns up to n entries, newest first.
func (l *slowLog) newest(n int) []*slowEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := make([]*slowEntry, 0, min(n, l.entries.Len()))
	for e := l.entries.Front(); e != nil && len(entries) < n; e = e.Next() {
		entries = append(entries, e.Value.(*slowEntry))
	}
	return entries
}

func (l *slowLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries.Len()
}

// reset drops all entries; their IDs are not used again.
func (l *slowLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries.Init()
}

// slowlogArguments is what the slow log keeps of a command: copies without
// secrets, cut as Redis does.
func slowlogArguments(e *entry, args [][]byte) []string {
	kept := make([]string, 0, min(len(args), slowlogArgs))
	args = e.redacted(args)
	for i, arg := range args {
		switch {
		case i == slowlogArgs-1 && len(args) > slowlogArgs:
			return append(kept, fmt.Sprintf("... (%d more arguments)", len(args)-i))
		case len(arg) > slowlogArgLen:
			kept = append(kept, fmt.Sprintf("%s... (%d more bytes)", arg[:slowlogArgLen], len(arg)-slowlogArgLen))
		default:
			kept = append(kept, string(arg))
		}
	}
	return kept
}

func init() {
	handle(map[string]Handler{
		"slowlog|get":   slowlogGet,
		"slowlog|len":   func(c *Ctx) { c.W.Int(int64(c.d.slowlog.len())) },
		"slowlog|reset": func(c *Ctx) { c.d.slowlog.reset(); c.W.OK() },
		"slowlog|help":  containerHelp,
	})
}

func slowlogGet(c *Ctx) {
	count := int64(slowlogShown)
	if len(c.Args) > 3 {
		c.W.Error(errSubcommandArgs("SLOWLOG", c.Args[1]))
		return
	}
	if len(c.Args) == 3 {
		var ok bool
		if count, ok = parseLong(c.Args[2]); !ok || count < -1 {
			c.W.Error(errSlowlogCount)
			return
		}
		if count == -1 {
			count = int64(c.d.slowlog.len())
		}
	}
	entries := c.d.slowlog.newest(int(count))
	c.W.Array(len(entries))
	for _, e := range entries {
		c.W.Array(6)
		c.W.Int(e.id)
		c.W.Int(e.at.Unix())
		c.W.Int(e.took.Microseconds())
		c.W.Array(len(e.args))
		for _, arg := range e.args {
			c.W.BulkString(arg)
		}
		c.W.BulkString(e.addr)
		c.W.BulkString(e.client)
	}
}
