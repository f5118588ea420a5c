package resp

import (
	"bytes"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"bitfield":    func(c *Ctx) { bitField(c, false) },
		"bitfield_ro": func(c *Ctx) { bitField(c, true) },
	})
}

// bitField is BITFIELD, and BITFIELD_RO if readOnly. All arguments are read
// before anything is done.
func bitField(c *Ctx, readOnly bool) {
	ops, writes, ok := c.bitFieldOps()
	if !ok {
		return
	}
	k := c.Key(1)
	if !writes {
		value, _, ok := c.readString(k)
		if !ok {
			return
		}
		for i := range ops {
			ops[i].Read(value)
		}
	} else {
		if readOnly {
			c.W.Error(errBitFieldReadOnly)
			return
		}
		fresh := c.Fresh(k)
		written, change, err := c.Tx.BitField(k, ops)
		if err != nil {
			c.StoreError(err)
			return
		}
		c.wrote(k, change, written, fresh, "setbit")
	}
	c.W.Array(len(ops))
	for i := range ops {
		if ops[i].Failed {
			c.W.Null()
		} else {
			c.W.Int(ops[i].Result)
		}
	}
}

// bitFieldOps reads the operations; writes says that one of them may change the
// string. Not ok: it replied with the error.
func (c *Ctx) bitFieldOps() (ops []store.BitFieldOp, writes, ok bool) {
	ops = make([]store.BitFieldOp, 0, 4)
	overflow := store.OverflowWrap
	for i := 2; i < len(c.Args); {
		word, rest := c.Args[i], len(c.Args)-i-1
		op := store.BitFieldOp{Overflow: overflow}
		taken := 3
		switch {
		case isWord(word, "get") && rest >= 2:
			op.Kind, taken = store.BitFieldGet, 2
		case isWord(word, "set") && rest >= 3:
			op.Kind = store.BitFieldSet
		case isWord(word, "incrby") && rest >= 3:
			op.Kind = store.BitFieldIncrBy
		case isWord(word, "overflow") && rest >= 1:
			if overflow, ok = overflowWord(c.Args[i+1]); !ok {
				c.W.Error(errBitFieldOverflow)
				return nil, false, false
			}
			i += 2
			continue
		default:
			c.W.Error(errSyntax)
			return nil, false, false
		}
		if op.Signed, op.Bits, ok = bitFieldType(c.Args[i+1]); !ok {
			c.W.Error(errBitFieldType)
			return nil, false, false
		}
		if op.Offset, ok = c.bitOffset(c.Args[i+2], int64(op.Bits)); !ok {
			return nil, false, false
		}
		if op.Kind != store.BitFieldGet {
			writes = true
			if op.Value, ok = c.intArg(i + 3); !ok {
				return nil, false, false
			}
		}
		ops = append(ops, op)
		i += 1 + taken
	}
	return ops, writes, true
}

// bitFieldType reads a type as i8 or u16. As in Redis, where it is a C string, a
// NUL byte ends it.
func bitFieldType(arg []byte) (signed bool, bits uint, ok bool) {
	if end := bytes.IndexByte(arg, 0); end >= 0 {
		arg = arg[:end]
	}
	if len(arg) == 0 || arg[0] != 'i' && arg[0] != 'u' {
		return false, 0, false
	}
	signed = arg[0] == 'i'
	n, ok := parseLong(arg[1:])
	most := int64(63)
	if signed {
		most = 64
	}
	return signed, uint(n), ok && n >= 1 && n <= most
}

func overflowWord(arg []byte) (o store.BitFieldOverflow, ok bool) {
	switch {
	case isWord(arg, "wrap"):
		return store.OverflowWrap, true
	case isWord(arg, "sat"):
		return store.OverflowSat, true
	case isWord(arg, "fail"):
		return store.OverflowFail, true
	}
	return 0, false
}
