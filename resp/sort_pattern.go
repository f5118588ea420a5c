package resp

import (
	"bytes"

	"respkv/store"
)

// sortPattern is the argument of BY or GET: the name of a key in which '*' stands
// for the element, and, behind "->", the field of a hash. "#" is the element
// itself.
type sortPattern struct {
	self           bool
	prefix, suffix []byte // around '*'
	field          []byte // nil: the key is a string
	star           bool   // without one it names nothing
}

func parseSortPattern(text []byte) (p sortPattern) {
	if string(text) == "#" {
		return sortPattern{self: true}
	}
	p.prefix, p.suffix, p.star = bytes.Cut(text, []byte{'*'})
	if bytes.IndexByte(p.prefix, 0) >= 0 {
		p.star = false // the text ends there for Redis, before the '*'
	}
	if key, field, ok := bytes.Cut(p.suffix, []byte("->")); ok && len(field) > 0 && bytes.IndexByte(key, 0) < 0 && field[0] != 0 {
		p.suffix, p.field = key, field
	}
	return p
}

// fixed says whether the pattern is the same for all elements, so that BY it
// sorts nothing.
func (p *sortPattern) fixed() bool { return !p.star }

// lookup returns what the pattern stands for, valid until the next change of the
// store.
func (p *sortPattern) lookup(c *Ctx, element []byte) (value []byte, found bool) {
	switch {
	case p.self:
		return element, true
	case !p.star:
		return nil, false
	}
	name := make([]byte, 0, len(p.prefix)+len(element)+len(p.suffix))
	k := store.MakeKey(append(append(append(name, p.prefix...), element...), p.suffix...))
	c.Looked(k, c.Tx.Exists(k))
	c.reads(k)
	if p.field == nil {
		value, found, err := c.Tx.Get(k)
		return value, found && err == nil
	}
	h, err := c.Tx.Hash(k)
	if err != nil {
		return nil, false
	}
	return h.Get(p.field)
}
