package lua

import (
	"math/bits"
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// Any border is a right answer to # of a table with holes. Scripts count on the one
// that Lua 5.1 gives, though: {1, nil, 3} has three elements, and a list whose first
// ones were taken out may have none. Lua looks for it in the array that the table has
// at that moment: as long as the constructor's list, or a power of two where
// assignments made it grow. gopher-lua's arrays are as long as the highest index that
// was ever set; their capacity tells how they came about.

// table is the beginning of gopher-lua's LTable.
type table struct {
	Metatable lua.LValue
	array     []lua.LValue
}

func init() { same[table](reflect.TypeFor[lua.LTable]()) }

// spreadRoom is the capacity of a table that a constructor fills with all values of a
// call or of "...": none that gopher-lua chooses by itself for one that grows.
const spreadRoom = 33

// border is the # of what lies in the array of t.
func border(t *lua.LTable) int {
	array := (*table)(unsafe.Pointer(t)).array
	n := len(array)
	if n == 0 {
		return 0
	}
	high := n
	if c := cap(array); n != c && c != spreadRoom {
		high = 1 << bits.Len(uint(n-1))
	}
	there := func(i int) bool { return i <= n && array[i-1] != nil && array[i-1] != lua.LNil }
	if there(high) {
		return high
	}
	low := 0
	for high-low > 1 {
		if middle := (low + high) / 2; there(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// markSpread gives tables that constructors fill with all values of a call or of "..."
// their capacity, in all functions of a chunk.
func markSpread(proto *lua.FunctionProto) {
	for pc, inst := range proto.Code {
		if opcode(inst) != lua.OP_SETLIST || argB(inst) != 0 {
			continue
		}
		for from := pc - 1; from >= 0; from-- {
			if made := proto.Code[from]; opcode(made) == lua.OP_NEWTABLE && argA(made) == argA(inst) {
				proto.Code[from] = made&^0x1ff | uint32(max(argB(made), spreadRoom))
				break
			}
		}
	}
	for _, inner := range proto.FunctionPrototypes {
		markSpread(inner)
	}
}
