package resp

import (
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"setbit":   setBit,
		"getbit":   getBit,
		"bitcount": bitCount,
		"bitpos":   bitPos,
		"bitop":    bitOp,
	})
}

// wrote notes what a command did to the string at k, n times if it counts, and
// tells of it as event. fresh: see Fresh.
func (c *Ctx) wrote(k store.Key, change store.StringChange, n int, fresh bool, event string) {
	switch change {
	case store.Rewritten:
		// No change in Redis's eyes: those who watch the key are not told.
		c.touched = true
		c.Dirty(1)
		c.NotifyNew(fresh, k)
	case store.Changed:
		c.Dirty(n)
		c.NotifyNew(fresh, k)
		if event != "" {
			c.Notify(NotifyString, event, k.Name)
		}
	}
}

// bitOffset reads the offset of a bit. bits > 0: "#3" is 3 times that many. Not
// ok: it replied with the error.
func (c *Ctx) bitOffset(arg []byte, bits int64) (offset int64, ok bool) {
	counted := bits > 0 && len(arg) > 0 && arg[0] == '#'
	if counted {
		arg = arg[1:]
	}
	offset, ok = parseLong(arg)
	if counted {
		offset *= bits // may wrap, as in Redis
	}
	if !ok || offset < 0 || !c.Replaying() && offset>>3 >= c.d.config.Config().Server.ProtoMaxBulkLen {
		c.W.Error(errBitOffset)
		return 0, false
	}
	return offset, true
}

func setBit(c *Ctx) {
	offset, ok := c.bitOffset(c.Args[2], 0)
	if !ok {
		return
	}
	bit, ok := parseLong(c.Args[3])
	if !ok || bit&^1 != 0 {
		c.W.Error(errBitValue)
		return
	}
	k := c.Key(1)
	fresh := c.Fresh(k)
	was, change, err := c.Tx.SetBit(k, offset, bit == 1)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.wrote(k, change, 1, fresh, "setbit")
	c.replyBit(was)
}

func (c *Ctx) replyBit(on bool) {
	if on {
		c.W.Int(1)
	} else {
		c.W.Int(0)
	}
}

func getBit(c *Ctx) {
	offset, ok := c.bitOffset(c.Args[2], 0)
	if !ok {
		return
	}
	if value, _, ok := c.readString(c.Key(1)); ok {
		c.replyBit(store.Bit(value, offset))
	}
}

// bitRange turns start and end, in bytes or bits, negative ones counting from
// the end of the value, into the bits that they include. It is empty if first is
// after last.
func bitRange(value []byte, start, end int64, inBits bool) (first, last int64) {
	total := int64(len(value))
	if inBits {
		total *= 8
	}
	if start < 0 {
		start = max(start+total, 0)
	}
	if end < 0 {
		end = max(end+total, 0)
	}
	end = min(end, total-1)
	switch {
	case start > end:
		return 0, -1
	case inBits:
		return start, end
	default:
		return start * 8, end*8 + 7
	}
}

// bitUnit reads BYTE or BIT. Not ok: it replied with the error.
func (c *Ctx) bitUnit(i int) (inBits, ok bool) {
	switch {
	case isWord(c.Args[i], "bit"):
		return true, true
	case isWord(c.Args[i], "byte"):
		return false, true
	}
	c.W.Error(errSyntax)
	return false, false
}

// bitCount looks at the key before the range, as Redis does.
func bitCount(c *Ctx) {
	value, found, ok := c.readString(c.Key(1))
	if !ok {
		return
	}
	if !found {
		c.W.Int(0)
		return
	}
	start, end, inBits := int64(0), int64(-1), false
	switch len(c.Args) {
	case 2:
	case 4, 5:
		if start, ok = c.intArg(2); !ok {
			return
		}
		if end, ok = c.intArg(3); !ok {
			return
		}
		if start < 0 && end < 0 && start > end {
			c.W.Int(0)
			return
		}
		if len(c.Args) == 5 {
			if inBits, ok = c.bitUnit(4); !ok {
				return
			}
		}
	default:
		c.W.Error(errSyntax)
		return
	}
	first, last := bitRange(value, start, end, inBits)
	if first > last {
		c.W.Int(0)
		return
	}
	n, st := int64(0), c.pauses()
	for ; first <= last; first += bitPart {
		n += store.CountBits(value, first, min(last, first+bitPart-1))
		if !st.count(bitPart / 8 / bitBytes) {
			break
		}
	}
	c.W.Int(n)
}

const (
	// bitPart is how many bits are looked at between two looks at the time.
	bitPart = 8 << 18
	// bitBytes is how many bytes looked at count as an element.
	bitBytes = 512
)

func bitPos(c *Ctx) {
	bit, ok := c.intArg(2)
	if !ok {
		return
	}
	if bit != 0 && bit != 1 {
		c.W.Error(errBitPosBit)
		return
	}
	value, found, ok := c.readString(c.Key(1))
	if !ok {
		return
	}
	if !found { // zeros without end
		c.W.Int(-bit)
		return
	}
	start, end, inBits := int64(0), int64(-1), false
	if len(c.Args) > 6 {
		c.W.Error(errSyntax)
		return
	}
	if len(c.Args) > 3 {
		if start, ok = c.intArg(3); !ok {
			return
		}
	}
	if len(c.Args) == 6 {
		if inBits, ok = c.bitUnit(5); !ok {
			return
		}
	}
	if len(c.Args) > 4 {
		if end, ok = c.intArg(4); !ok {
			return
		}
	}
	first, last := bitRange(value, start, end, inBits)
	if first > last {
		c.W.Int(-1)
		return
	}
	at, st := int64(-1), c.pauses()
	for from := first; at < 0 && from <= last; from += bitPart {
		at = store.FindBit(value, bit == 1, from, min(last, from+bitPart-1))
		if !st.count(bitPart / 8 / bitBytes) {
			break
		}
	}
	if at < 0 && bit == 0 && len(c.Args) < 5 {
		at = last + 1 // zeros follow, unless the end was given
	}
	c.W.Int(at)
}

func bitOp(c *Ctx) {
	op, ok := bitOperation(c.Args[1])
	if !ok {
		c.W.Error(errSyntax)
		return
	}
	if op == store.BitNot && len(c.Args) != 4 {
		c.W.Error(errBitOpNot)
		return
	}
	total, sources := 0, make([][]byte, 0, 16) // on the stack, mostly
	for i := 3; i < len(c.Args); i++ {
		value, _, ok := c.readString(c.Key(i))
		if !ok {
			return
		}
		sources = append(sources, value)
		total += len(value)
	}
	if c.postpone(total / pauseBytes) {
		return
	}
	result, err := c.Tx.BitOp(op, sources)
	if err != nil {
		c.StoreError(err)
		return
	}
	k, length := c.Key(2), result.Len()
	fresh := c.Fresh(k)
	deleted, err := result.Store(k)
	switch {
	case err != nil:
		c.StoreError(err)
		return
	case deleted:
		c.Dirty(1)
		c.Notify(NotifyGeneric, "del", k.Name)
	case length > 0:
		c.wrote(k, store.Changed, 1, fresh, "set")
	}
	c.W.Int(int64(length))
}

func bitOperation(word []byte) (op store.BitOperation, ok bool) {
	switch {
	case isWord(word, "and"):
		return store.BitAnd, true
	case isWord(word, "or"):
		return store.BitOr, true
	case isWord(word, "xor"):
		return store.BitXor, true
	case isWord(word, "not"):
		return store.BitNot, true
	}
	return 0, false
}
