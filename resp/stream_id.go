package resp

import (
	"bytes"
	"math"

	"respkv/store"
)

// maxStreamIDArg is the length up to which an argument may be an ID.
const maxStreamIDArg = 127

// parseStreamID reads an ID as Redis does: ms, for which the sequence number is
// missing, or ms-seq, up to a NUL byte.
func parseStreamID(arg []byte, missing uint64) (id store.StreamID, ok bool) {
	if len(arg) > maxStreamIDArg {
		return id, false
	}
	arg, _, _ = bytes.Cut(arg, []byte{0})
	ms, seq, given := bytes.Cut(arg, []byte{'-'})
	if id.Ms, ok = parseUnsigned(ms); !ok {
		return id, false
	}
	if id.Seq = missing; given {
		id.Seq, ok = parseUnsigned(seq)
	}
	return id, ok
}

// parseUnsigned reads what Redis takes for an unsigned number: an integer that is
// not negative, or what C's strtoull reads to its end.
func parseUnsigned(b []byte) (uint64, bool) {
	if n, ok := parseLong(b); ok {
		return uint64(n), n >= 0
	}
	b = bytes.TrimLeft(b, " \t\n\v\f\r")
	negative := len(b) > 0 && b[0] == '-'
	if len(b) > 0 && (negative || b[0] == '+') {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > math.MaxUint64/10 || n*10 > math.MaxUint64-d {
			return 0, false
		}
		n = n*10 + d
	}
	if negative {
		n = -n
	}
	return n, true
}

// streamID is argument i as an ID. Not ok: it replied with the error.
func (c *Ctx) streamID(i int) (id store.StreamID, ok bool) {
	if id, ok = parseStreamID(c.Args[i], 0); !ok {
		c.W.Error(errStreamID)
	}
	return id, ok
}

// streamIDs are the arguments from i on as IDs. Not ok: it replied with the error.
func (c *Ctx) streamIDs(i int) (ids []store.StreamID, ok bool) {
	ids = make([]store.StreamID, 0, len(c.Args)-i)
	for ; i < len(c.Args); i++ {
		id, ok := c.streamID(i)
		if !ok {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// streamBound is argument i as a bound of a range: an ID, "-" or "+", or an ID
// after "(", which is not part of the range. Not ok: it replied with the error.
func (c *Ctx) streamBound(i int, upper bool) (id store.StreamID, ok bool) {
	arg, missing := c.Args[i], uint64(0)
	if upper {
		missing = math.MaxUint64
	}
	open := len(arg) > 1 && arg[0] == '('
	if open {
		arg = arg[1:]
	} else {
		shown, _, _ := bytes.Cut(arg, []byte{0})
		switch string(shown) {
		case "-":
			return store.StreamID{}, true
		case "+":
			return store.MaxStreamID, true
		}
	}
	if id, ok = parseStreamID(arg, missing); !ok {
		c.W.Error(errStreamID)
		return id, false
	}
	switch {
	case open && upper:
		if id, ok = id.Prev(); !ok {
			c.W.Error(errStreamEnd)
		}
	case open:
		if id, ok = id.Next(); !ok {
			c.W.Error(errStreamStart)
		}
	}
	return id, ok
}

// replyStreamID replies with an ID.
func (c *Ctx) replyStreamID(id store.StreamID) {
	var buf [48]byte
	c.W.Bulk(id.AppendText(buf[:0]))
}

// idArg is an ID as an argument of an effect.
func idArg(id store.StreamID) []byte { return id.AppendText(nil) }
