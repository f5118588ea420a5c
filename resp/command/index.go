package command

import "encoding/binary"

// maxNameLen is the longest name that a nameIndex holds: three words.
const maxNameLen = 24

// foldedName is a name of 1 to 24 bytes in lower case as machine words, so that
// hashing and comparing take a few instructions. First and last word overlap
// when the length is no multiple of eight; together with the length they still
// determine every byte.
type foldedName struct {
	first, middle, last uint64
	length              uint64
}

// fold lowers the ASCII letters of a name. ok is false when the length is out
// of range, so that no command can have that name.
func fold(name []byte) (f foldedName, ok bool) {
	n := len(name)
	f.length = uint64(n)
	switch {
	case n >= 8:
		if n > maxNameLen {
			return f, false
		}
		f.first = lower(binary.LittleEndian.Uint64(name))
		f.last = lower(binary.LittleEndian.Uint64(name[n-8:]))
		if n > 16 {
			f.middle = lower(binary.LittleEndian.Uint64(name[8:]))
		}
	case n >= 4:
		lo := uint64(binary.LittleEndian.Uint32(name))
		hi := uint64(binary.LittleEndian.Uint32(name[n-4:]))
		f.first = lower(lo | hi<<32)
	case n > 0:
		f.first = lower(uint64(name[0]) | uint64(name[n/2])<<8 | uint64(name[n-1])<<16)
	default:
		return f, false
	}
	return f, true
}

// lower sets the case bit of each of the eight bytes that is an upper-case
// ASCII letter and leaves all other bytes as they are. For a byte below 0x80,
// adding 0x80-'A' (0x7f-'Z') carries into its top bit when it is at least 'A'
// (more than 'Z').
func lower(w uint64) uint64 {
	const each = 0x0101010101010101
	low := w &^ (0x80 * each)
	upper := (low + (0x80-'A')*each) ^ (low + (0x7f-'Z')*each)
	upper &= ^w & (0x80 * each)
	return w | upper>>2
}

func (f *foldedName) hash() uint64 {
	h := f.first*0x9e3779b97f4a7c15 ^ f.last*0xc2b2ae3d27d4eb4f ^ f.middle*0x165667b19e3779f9
	h += f.length * 0x27d4eb2f165667c5
	return h ^ h>>32
}

// nameIndex finds commands by name: an open-addressed table, at most a quarter
// full, so that a lookup mostly touches one slot. The zero value is empty.
type nameIndex struct {
	slots []nameSlot // length is a power of two
}

type nameSlot struct {
	name foldedName
	cmd  *Command // nil: free
}

// newNameIndex indexes the commands by BaseName. It panics on a name that is
// empty, too long or taken: the table is declared wrongly.
func newNameIndex(cmds []*Command) nameIndex {
	if len(cmds) == 0 {
		return nameIndex{}
	}
	size := 8
	for size < 4*len(cmds) {
		size *= 2
	}
	x := nameIndex{slots: make([]nameSlot, size)}
	for _, c := range cmds {
		f, ok := fold([]byte(c.BaseName()))
		if !ok {
			panic("command: bad name: " + c.Name)
		}
		i := f.hash() & uint64(size-1)
		for x.slots[i].cmd != nil {
			if x.slots[i].name == f {
				panic("command: declared twice: " + c.Name)
			}
			i = (i + 1) & uint64(size-1)
		}
		x.slots[i] = nameSlot{f, c}
	}
	return x
}

func (x *nameIndex) find(name []byte) *Command {
	f, ok := fold(name)
	if !ok || len(x.slots) == 0 {
		return nil
	}
	mask := uint64(len(x.slots) - 1)
	for i := f.hash() & mask; ; i = (i + 1) & mask {
		s := &x.slots[i]
		if s.cmd == nil {
			return nil
		}
		if s.name == f {
			return s.cmd
		}
	}
}

// equalFold compares two words, ignoring the case of ASCII letters only.
func equalFold(word []byte, other string) bool {
	if len(word) != len(other) {
		return false
	}
	for i, b := range word {
		if b != other[i] && lowerByte(b) != lowerByte(other[i]) {
			return false
		}
	}
	return true
}

func lowerByte(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}
