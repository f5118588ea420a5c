package resp

import (
	"strconv"

	"respkv/internal/glob"
)

// elementScan are the arguments of HSCAN, SSCAN and ZSCAN.
type elementScan struct {
	cursor   uint64
	count    int
	pattern  []byte // nil: every element
	noValues bool   // HSCAN
}

// parseCursor reads the cursor, which Redis does before it looks the key up. Not
// ok: it replied with the error.
func (s *elementScan) parseCursor(c *Ctx) (ok bool) {
	s.cursor, ok = parseCursor(c.Args[2])
	if !ok {
		c.W.Error(errInvalidCursor)
	}
	return ok
}

// parseOptions reads the rest. Not ok: it replied with the error.
func (s *elementScan) parseOptions(c *Ctx) (ok bool) {
	s.count = 10
	for i := 3; i < len(c.Args); i++ {
		arg := c.Args[i]
		switch {
		case isWord(arg, "novalues") && c.Cmd.Name == "hscan":
			s.noValues = true
			continue
		case isWord(arg, "count") && i+1 < len(c.Args):
			n, ok := c.intArg(i + 1)
			if !ok {
				return false
			}
			if n < 1 {
				c.W.Error(errSyntax)
				return false
			}
			s.count = int(n)
		case isWord(arg, "match") && i+1 < len(c.Args):
			if s.pattern = c.Args[i+1]; len(s.pattern) == 1 && s.pattern[0] == '*' {
				s.pattern = nil
			}
		default:
			c.W.Error(errSyntax)
			return false
		}
		i++
	}
	return true
}

func (s *elementScan) matches(element []byte) bool {
	return s.pattern == nil || glob.Match(s.pattern, element)
}

// replyEmptyScan is the reply for a key that does not exist.
func (c *Ctx) replyEmptyScan() {
	c.W.Array(2)
	c.W.BulkString("0")
	c.W.Array(0)
}

// reply runs scan, which writes elements and returns their number with the
// next cursor.
func (s *elementScan) reply(c *Ctx, scan func() (next uint64, n int)) {
	c.W.Array(2)
	header := c.W.Defer()
	next, n := scan()
	c.W.SetArray(header, n)
	c.W.SetBulk(header, strconv.FormatUint(next, 10))
}

func hscan(c *Ctx) {
	var s elementScan
	if !s.parseCursor(c) {
		return
	}
	h, ok := c.readHash()
	switch {
	case !ok:
		return
	case !h.Exists():
		c.replyEmptyScan()
		return
	case !s.parseOptions(c):
		return
	}
	s.reply(c, func() (next uint64, n int) {
		next = h.Scan(s.cursor, s.count, func(field, value []byte) {
			if !s.matches(field) {
				return
			}
			c.W.Bulk(field)
			n++
			if !s.noValues {
				c.W.Bulk(value)
				n++
			}
		})
		return next, n
	})
}

func sscan(c *Ctx) {
	var s elementScan
	if !s.parseCursor(c) {
		return
	}
	set, ok := c.readSet()
	switch {
	case !ok:
		return
	case !set.Exists():
		c.replyEmptyScan()
		return
	case !s.parseOptions(c):
		return
	}
	s.reply(c, func() (next uint64, n int) {
		next = set.Scan(s.cursor, s.count, func(member []byte) {
			if s.matches(member) {
				c.W.Bulk(member)
				n++
			}
		})
		return next, n
	})
}
