package lua

import (
	"fmt"
	"reflect"
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua does not export what an exact error message and correct closures
// after an error need: the frame that runs, its registers, and the open upvalues.
// This file reads them. What is assumed of their layout is checked when the
// program starts.

// frame is gopher-lua's callFrame.
type frame struct {
	Idx        int
	Fn         *lua.LFunction
	Parent     *frame
	Pc         int // of the next instruction
	Base       int
	LocalBase  int // register 0
	ReturnBase int
	NArgs      int
	NRet       int
	TailCall   int
}

// upvalue is gopher-lua's Upvalue.
type upvalue struct {
	next  *upvalue
	reg   unsafe.Pointer
	index int
}

// registers is the beginning of gopher-lua's registry.
type registers struct {
	array []lua.LValue
	top   int
}

var offsets struct{ reg, currentFrame, uvcache, hasErrorFunc uintptr }

func init() {
	state := reflect.TypeFor[lua.LState]()
	find := func(name string) reflect.StructField {
		f, ok := state.FieldByName(name)
		if !ok {
			panic("lua: gopher-lua's LState has no " + name)
		}
		return f
	}
	cf, uv, reg := find("currentFrame"), find("uvcache"), find("reg")
	same[frame](cf.Type.Elem())
	same[upvalue](uv.Type.Elem())
	same[registers](reg.Type.Elem())
	offsets.reg, offsets.currentFrame, offsets.uvcache = reg.Offset, cf.Offset, uv.Offset
	offsets.hasErrorFunc = find("hasErrorFunc").Offset

	// Beyond this index, elements of a table are hashed. gopher-lua fills an
	// array up to the index that is set: t[50000000] = 1 would take 800 MB.
	lua.MaxArrayIndex = maxArray
}

const maxArray = 1 << 16

// same panics unless T has the first fields of theirs.
func same[T any](theirs reflect.Type) {
	ours := reflect.TypeFor[T]()
	for i := range ours.NumField() {
		a, b := ours.Field(i), theirs.Field(i)
		if a.Name != b.Name || a.Offset != b.Offset || a.Type.Size() != b.Type.Size() {
			panic(fmt.Sprintf("lua: %s.%s is not at the place of gopher-lua's %s.%s", ours, a.Name, theirs, b.Name))
		}
	}
}

func currentFrame(L *lua.LState) *frame {
	return *(**frame)(unsafe.Add(unsafe.Pointer(L), offsets.currentFrame))
}

func registersOf(L *lua.LState) *registers {
	return *(**registers)(unsafe.Add(unsafe.Pointer(L), offsets.reg))
}

// keepUpvalues stops gopher-lua from closing the upvalues of all functions,
// those that go on after the error included, when an error is raised. PCall ends
// it: it is called again after each.
func keepUpvalues(L *lua.LState) {
	*(*bool)(unsafe.Add(unsafe.Pointer(L), offsets.hasErrorFunc)) = true
}

// closeUpvalues closes those of the registers from base on, whose functions an
// error ended.
func closeUpvalues(L *lua.LState, base int) {
	head := (**upvalue)(unsafe.Add(unsafe.Pointer(L), offsets.uvcache))
	for at := head; *at != nil; at = &(*at).next {
		if (*at).index < base {
			continue
		}
		for uv := *at; uv != nil; uv = uv.next {
			v := (*lua.Upvalue)(unsafe.Pointer(uv))
			if v.Close(); v.Value() == nil {
				v.SetValue(lua.LNil) // the registers have been cleared
			}
		}
		*at = nil
		return
	}
}
