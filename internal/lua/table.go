package lua

import (
	"fmt"
	"sort"

	lua "github.com/yuin/gopher-lua"
)

func (vm *VM) openTable() {
	vm.library("table", map[string]lua.LGFunction{
		"concat":   vm.tableConcat,
		"foreach":  vm.tableForeach,
		"foreachi": vm.tableForeachi,
		"getn":     vm.tableGetn,
		"insert":   vm.tableInsert,
		"maxn":     vm.tableMaxn,
		"remove":   vm.tableRemove,
		"setn":     vm.tableSetn,
		"sort":     vm.tableSort,
	})
}

func (vm *VM) tableConcat(L *lua.LState) int {
	separator := ""
	if !isNone(L, 2) {
		separator = checkString(L, 2)
	}
	t := vm.behind(checkTable(L, 1))
	first := int(int32(optInteger(L, 3, 1)))
	last := length(t)
	if !isNone(L, 4) {
		last = checkInt(L, 4)
	}
	var buf []byte
	for i := first; i <= last; i++ {
		v := element(t, i)
		if !isString(v) {
			fail(L, "invalid value (%s) at index %d in table for 'concat'", typeName(v), i)
		}
		if s, ok := v.(lua.LString); ok {
			buf = vm.grow(buf, len(s)+len(separator))
		}
		buf = appendString(buf, v)
		if i != last {
			buf = append(buf, separator...)
		}
		vm.work(1)
	}
	L.Push(lua.LString(ownedString(buf)))
	return 1
}

func (vm *VM) tableForeach(L *lua.LState) int {
	t := vm.behind(checkTable(L, 1))
	fn := checkFunction(L, 2)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if vm.visit(L, fn, k, v) {
			return 1
		}
	}
	return 0
}

func (vm *VM) tableForeachi(L *lua.LState) int {
	t := vm.behind(checkTable(L, 1))
	fn := checkFunction(L, 2)
	for i, n := 1, length(t); i <= n; i++ {
		if vm.visit(L, fn, lua.LNumber(i), element(t, i)) {
			return 1
		}
	}
	return 0
}

// visit calls fn(k, v), and leaves its result on the stack if it has one.
func (vm *VM) visit(L *lua.LState, fn *lua.LFunction, k, v lua.LValue) bool {
	vm.work(1)
	L.Push(fn)
	L.Push(k)
	L.Push(v)
	L.Call(2, 1)
	if L.Get(-1) != lua.LNil {
		return true
	}
	L.Pop(1)
	return false
}

func (vm *VM) tableGetn(L *lua.LState) int {
	L.Push(lua.LNumber(length(vm.behind(checkTable(L, 1)))))
	return 1
}

func (vm *VM) tableSetn(L *lua.LState) int {
	checkTable(L, 1)
	fail(L, "'setn' is obsolete")
	return 0
}

func (vm *VM) tableMaxn(L *lua.LState) int {
	most := 0.0
	each(vm.behind(checkTable(L, 1)), func(k, _ lua.LValue) bool {
		if n, ok := k.(lua.LNumber); ok {
			most = max(most, float64(n))
		}
		vm.work(1)
		return true
	})
	L.Push(lua.LNumber(most))
	return 1
}

func (vm *VM) tableInsert(L *lua.LState) int {
	t := checkTable(L, 1)
	end := length(vm.behind(t)) + 1
	switch L.GetTop() {
	case 2:
		vm.changeable(L, t)
		setElement(t, end, L.Get(2))
	case 3:
		at := checkInt(L, 2)
		vm.changeable(L, t)
		if at > end {
			end = at
		}
		for i := end; i > at; i-- {
			setElement(t, i, element(t, i-1))
			vm.work(1)
		}
		if at < 1 {
			t.RawSet(lua.LNumber(at), L.Get(3))
		} else {
			setElement(t, at, L.Get(3))
		}
	default:
		fail(L, "wrong number of arguments to 'insert'")
	}
	return 0
}

func (vm *VM) tableRemove(L *lua.LState) int {
	t := checkTable(L, 1)
	end := length(vm.behind(t))
	at := int(int32(optInteger(L, 2, int64(end))))
	if at < 1 || at > end {
		return 0
	}
	vm.changeable(L, t)
	L.Push(element(t, at))
	for i := at; i < end; i++ {
		setElement(t, i, element(t, i+1))
		vm.work(1)
	}
	// gopher-lua shortens the array when it drops the last element.
	if end == t.MaxN() && end < maxArray {
		t.Remove(end)
	} else {
		setElement(t, end, lua.LNil)
	}
	return 1
}

func (vm *VM) tableSort(L *lua.LState) int {
	t := checkTable(L, 1)
	n := length(vm.behind(t))
	s := sorter{vm: vm, L: L}
	if !isNone(L, 2) {
		s.less = checkFunction(L, 2)
	}
	vm.changeable(L, t)
	vm.alloc(16 * n)
	s.values = make([]lua.LValue, n)
	for i := range s.values {
		s.values[i] = element(t, i+1)
	}
	// What was sorted so far is put back even if the comparison raises an error.
	defer func() {
		for i, v := range s.values {
			setElement(t, i+1, v)
		}
	}()
	sort.Sort(&s)
	return 0
}

type sorter struct {
	vm     *VM
	L      *lua.LState
	less   *lua.LFunction
	values []lua.LValue
}

func (s *sorter) Len() int      { return len(s.values) }
func (s *sorter) Swap(i, j int) { s.values[i], s.values[j] = s.values[j], s.values[i] }

func (s *sorter) Less(i, j int) bool {
	s.vm.work(1)
	a, b := s.values[i], s.values[j]
	if s.less == nil {
		return s.vm.lessThan(s.L, a, b)
	}
	s.L.Push(s.less)
	s.L.Push(a)
	s.L.Push(b)
	s.L.Call(2, 1)
	less := lua.LVAsBool(s.L.Get(-1))
	s.L.Pop(1)
	return less
}

func (vm *VM) lessThan(L *lua.LState, a, b lua.LValue) bool {
	switch x := a.(type) {
	case lua.LNumber:
		if y, ok := b.(lua.LNumber); ok {
			return x < y
		}
	case lua.LString:
		if y, ok := b.(lua.LString); ok {
			return x < y
		}
	case *lua.LTable:
		if _, ok := b.(*lua.LTable); ok && L.GetMetaField(a, "__lt") != lua.LNil {
			return L.LessThan(a, b)
		}
	}
	// The sort is a C function: the message has no place.
	p, q := typeName(a), typeName(b)
	message := fmt.Sprintf("attempt to compare %s with %s", p, q)
	if p == q {
		message = fmt.Sprintf("attempt to compare two %s values", p)
	}
	throw(L, lua.LString(message))
	return false
}
