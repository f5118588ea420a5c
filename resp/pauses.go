package resp

import (
	"respkv/resp/proto"
	"respkv/store"
)

// pauseEvery is how many elements or comparisons come between two calls of Tx.Pause.
const pauseEvery = 256

// pauses are those of a handler that looks at many elements itself. In a run without
// pauses a handler that has come to as many as make a command take some, and has
// done nothing yet but reply, is stopped, to be called again with pauses: so it need
// not know before how many it will look at.
type pauses struct {
	c       *Ctx
	n       int  // elements so far
	due     int  // where the next pause is
	at      int  // length of the reply up to which bytes were counted
	stopped bool // what it looks at has changed, or it is put off: the result is not wanted
}

func (c *Ctx) pauses() pauses { return pauses{c: c, due: pauseEvery, at: c.W.Len()} }

// next is called for each element and comparison. False: the result is not wanted.
func (s *pauses) next() bool { return s.count(1) }

// replied is next for an element that was written to the reply.
func (s *pauses) replied() bool {
	n := s.c.W.Len()
	more := 1 + (n-s.at)/pauseBytes
	s.at = n
	return s.count(more)
}

// pauseBytes is how many bytes copied count as an element.
const pauseBytes = 256

// count is next for n elements.
func (s *pauses) count(n int) bool {
	if s.n += n; s.n < s.due {
		return !s.stopped
	}
	return s.take()
}

func (s *pauses) take() bool {
	s.due = s.n + pauseEvery
	switch {
	case s.stopped:
	case s.c.Tx.Pause != nil:
		s.stopped = !s.c.Tx.Pause()
	default:
		s.stopped = s.c.postpone(s.n)
	}
	return !s.stopped
}

// elementsOf is how many elements an operation on sets has to look at.
func (c *Ctx) elementsOf(op store.SetOp, keys []store.Key) (n int) {
	for i, k := range keys {
		switch more := c.Tx.Elements(k); {
		case op != store.Intersection:
			n += more
		case i == 0 || more < n:
			n = more // those of the smallest are looked up in the others
		}
	}
	return n
}

// replyPart is how much of a large string is copied between two looks at the time.
const replyPart = 64 << 10

// replyLarge replies with a string, or a part of one, in steps if it is large. False: what
// it is of is not to be looked at any more, and nothing else done.
func (c *Ctx) replyLarge(value []byte) bool {
	if len(value) < replyPart {
		c.W.Bulk(value)
		return true
	}
	if c.postpone(len(value) / pauseBytes) {
		return false
	}
	if c.Tx.Pause == nil {
		c.W.Bulk(value)
		return true
	}
	c.W.BulkHeader(len(value))
	st := c.pauses()
	c.ahead = len(value)
	for len(value) > 0 {
		part := value[:min(len(value), replyPart)]
		c.W.Raw(part)
		value = value[len(part):]
		c.ahead = min(c.ahead, len(value))
		if !st.replied() {
			return false
		}
	}
	c.ahead = 0
	c.W.EndBulk()
	return true
}

// deferHeader is Writer.Defer, as a command wants it that replies in steps.
func (c *Ctx) deferHeader() proto.Deferred {
	if c.Tx.Pause != nil {
		return c.W.DeferRoom()
	}
	return c.W.Defer()
}
