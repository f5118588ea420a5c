package lua

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"

	"respkv/internal/lua/syntax"
)

// Library is a function library.
type Library struct {
	Name      string
	Code      string
	Functions []*Function // in the order in which they were registered
}

// Function is a function of a library.
type Function struct {
	Name        string
	Description string
	Described   bool
	Flags       Flags
	Library     *Library
	Whole       bool         // see Script.Whole
	Declared    bool         // see Script.Declared
	Conduct     atomic.Int32 // see Script.Conduct
}

// Libraries are all libraries at a moment. They never change.
type Libraries struct {
	byName    names[*Library]
	functions names[*Function] // by name in lower case
}

// Change is a new source of a library, or its end. What a library is follows from
// its source: this is all that nodes tell each other about functions.
type Change struct {
	Name string
	Code string // empty: the library is deleted
}

const loadTimeout = 500 * time.Millisecond

// Errors of changes, in Redis's words.
var (
	errNoLibrary = errors.New("Library not found")
	errBadName   = errors.New("Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
)

// Libraries are the libraries at this moment.
func (e *Engine) Libraries() *Libraries { return e.libraries.Load() }

// All lists the libraries by name.
func (l *Libraries) All() []*Library {
	return slices.SortedFunc(l.byName.values(), func(a, b *Library) int { return strings.Compare(a.Name, b.Name) })
}

// Library finds a library by its name; nil: there is none.
func (l *Libraries) Library(name string) *Library {
	library, _ := l.byName.get(name)
	return library
}

// Function finds a function, whatever the case of its name; nil: there is none.
func (l *Libraries) Function(name string) *Function {
	f, _ := l.functions.get(strings.ToLower(name))
	return f
}

// Count returns the numbers of libraries and of functions.
func (l *Libraries) Count() (libraries, functions int) { return l.byName.count, l.functions.count }

// with returns the libraries with library in the place of that of its name.
func (l *Libraries) with(library *Library) (*Libraries, error) {
	next := l.without(library.Name)
	for _, f := range library.Functions {
		if next.Function(f.Name) != nil {
			return nil, fmt.Errorf("Function %s already exists", f.Name)
		}
	}
	next.byName.set(library.Name, library)
	for _, f := range library.Functions {
		next.functions.set(strings.ToLower(f.Name), f)
	}
	return next, nil
}

func (l *Libraries) without(name string) *Libraries {
	next := *l
	if library := l.Library(name); library != nil {
		next.byName.drop(name)
		for _, f := range library.Functions {
			next.functions.drop(strings.ToLower(f.Name))
		}
	}
	return &next
}

// The Plan methods say what changes make a library, or its end; nothing is
// changed before Apply. The libraries that they look at may change meanwhile:
// then it is Apply that refuses.

// PlanLoad makes a library of a source, in the place of one of its name if replace
// is set.
func (e *Engine) PlanLoad(code string, replace bool) (name string, changes []Change, err error) {
	now := e.Libraries()
	library, err := e.newLibrary(code, func(name string) error {
		if now.Library(name) != nil && !replace {
			return fmt.Errorf("Library '%s' already exists", name)
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	if _, err := now.with(library); err != nil {
		return "", nil, err
	}
	return library.Name, []Change{{library.Name, code}}, nil
}

// PlanDelete deletes a library.
func (e *Engine) PlanDelete(name string) ([]Change, error) {
	if e.Libraries().Library(name) == nil {
		return nil, errNoLibrary
	}
	return []Change{{Name: name}}, nil
}

// PlanFlush deletes all libraries.
func (e *Engine) PlanFlush() (changes []Change) {
	for _, library := range e.Libraries().All() {
		changes = append(changes, Change{Name: library.Name})
	}
	return changes
}

// RestorePolicy says what becomes of the libraries that are there.
type RestorePolicy int

// The policies of FUNCTION RESTORE.
const (
	RestoreAppend  RestorePolicy = iota // a library of the same name is an error
	RestoreReplace                      // it is replaced
	RestoreFlush                        // all are deleted before
)

// PlanRestore adds libraries by their sources: all of them or none.
func (e *Engine) PlanRestore(codes []string, policy RestorePolicy) ([]Change, error) {
	restored := &Libraries{}
	for _, code := range codes {
		library, err := e.newLibrary(code, func(name string) error {
			if restored.Library(name) != nil {
				return fmt.Errorf("Library '%s' already exists", name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if restored, err = restored.with(library); err != nil {
			return nil, err
		}
	}
	now := e.Libraries()
	var changes []Change
	if policy == RestoreFlush {
		for _, library := range now.All() {
			if restored.Library(library.Name) == nil {
				changes = append(changes, Change{Name: library.Name})
			}
		}
		now = &Libraries{}
	}
	for _, library := range restored.All() {
		if now.Library(library.Name) != nil {
			if policy == RestoreAppend {
				return nil, fmt.Errorf("Library %s already exists", library.Name)
			}
			now = now.without(library.Name)
		}
	}
	for _, library := range restored.All() {
		var err error
		if now, err = now.with(library); err != nil {
			return nil, err
		}
		changes = append(changes, Change{library.Name, library.Code})
	}
	return changes, nil
}

// Apply makes one change on this node, where it was decided that it is made. An
// error says that the source can't be loaded here.
func (e *Engine) Apply(c Change) error {
	if c.Code == "" {
		e.swap(func(l *Libraries) (*Libraries, error) { return l.without(c.Name), nil })
		return nil
	}
	library, err := e.newLibrary(c.Code, func(string) error { return nil })
	if err != nil {
		return err
	}
	return e.swap(func(l *Libraries) (*Libraries, error) { return l.with(library) })
}

func (e *Engine) swap(change func(*Libraries) (*Libraries, error)) error {
	for {
		now := e.libraries.Load()
		next, err := change(now)
		if err != nil {
			return err
		}
		if e.libraries.CompareAndSwap(now, next) {
			return nil
		}
	}
}

// libraryHeader reads the first line of a library, and returns the source without
// it.
func libraryHeader(code string) (engine, name, body string, err error) {
	if !strings.HasPrefix(code, "#!") {
		return "", "", "", errors.New("Missing library metadata")
	}
	end := strings.IndexByte(trimZero(code), '\n')
	if end < 0 {
		return "", "", "", errors.New("Invalid library metadata")
	}
	parts, ok := splitArgs(code[:end])
	if !ok || len(parts) == 0 {
		return "", "", "", errors.New("Invalid library metadata")
	}
	named := false
	for _, part := range parts[1:] {
		if len(part) < 5 || !strings.EqualFold(part[:5], "name=") {
			return "", "", "", fmt.Errorf("Invalid metadata value given: %s", part)
		}
		if named {
			return "", "", "", errors.New("Invalid metadata value, name argument was given multiple times")
		}
		name, named = part[5:], true
	}
	if !named {
		return "", "", "", errors.New("Library name was not given")
	}
	return parts[0][2:], name, code[end:], nil
}

func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isDigit(c) && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return name != ""
}

// newLibrary runs a source to see what functions it registers. taken may refuse
// its name.
func (e *Engine) newLibrary(code string, taken func(name string) error) (*Library, error) {
	engine, name, body, err := libraryHeader(code)
	if err != nil {
		return nil, err
	}
	if !validName(name) {
		return nil, errBadName
	}
	if !strings.EqualFold(engine, "lua") {
		return nil, fmt.Errorf("Engine '%s' not found", engine)
	}
	if err := taken(name); err != nil {
		return nil, err
	}
	library := &Library{Name: name, Code: code}
	vm := e.acquire(functionVM)
	defer e.release(functionVM, vm)
	l, err := vm.loadLibrary(library, body)
	if err != nil {
		return nil, err
	}
	if len(l.registered) == 0 {
		return nil, errors.New("No functions registered")
	}
	library.Functions = l.registered
	return library, nil
}

// loading is a library while its source runs; what it registers is noted.
type loading struct {
	library    *Library
	registered []*Function
	callbacks  map[string]*lua.LFunction
}

// loaded is a library of one VM.
type loaded struct {
	library   *Library
	callbacks map[string]*lua.LFunction
}

// loadLibrary runs the source of a library.
func (vm *VM) loadLibrary(library *Library, body string) (*loading, error) {
	tree, proto, err := compile(body, libraryChunk)
	if err != nil {
		return nil, fmt.Errorf("Error compiling function: %w", err)
	}
	whole := vm.engine.looksAtAll(proto)
	run, h := vm.run, vm.hook.limit
	l := &loading{library: library, callbacks: make(map[string]*lua.LFunction)}
	vm.run, vm.loading = nil, l
	vm.openLoading(true)
	defer func() {
		vm.openLoading(false)
		vm.run, vm.loading = run, nil
		vm.hook.begin(h)
	}()
	vm.hook.begin(loadTimeout)
	vm.L.Push(vm.closure(proto))
	if raised, ok := vm.protect(vm.L, 0, 0, vm.caught); !ok {
		text := ""
		switch v := raised.(type) {
		case *lua.LTable:
			text = vm.errorOf(v).Text
		case lua.LString:
			text = "ERR " + string(v)
		}
		if stopped := vm.hook.stopped; stopped != "" {
			text = stopped
		}
		return nil, fmt.Errorf("Error registering functions: %s", text)
	}
	for _, f := range l.registered {
		f.Whole = whole
	}
	declareStays(l.registered, syntax.Chunk(tree), vm.engine.options.Stays)
	return l, nil
}

// openLoading switches between the few globals that there are while a library is
// loaded, and those of its functions.
func (vm *VM) openLoading(on bool) {
	members := vm.globals
	if on {
		members = vm.loadGlobals
	}
	vm.env.Metatable.(*lua.LTable).RawSetString("__index", members)
}

// forgetLibraries forgets what this VM loaded of libraries that are gone. Once they
// have doubled in number, so that it is not all that is done where there are many.
func (vm *VM) forgetLibraries() {
	if len(vm.libraries) < vm.librariesFull {
		return
	}
	current := vm.engine.Libraries()
	maps.DeleteFunc(vm.libraries, func(name string, l *loaded) bool { return current.Library(name) != l.library })
	vm.librariesFull = max(2*len(vm.libraries), leastLibraries)
}

// leastLibraries may be loaded in a VM, or have been, before any is forgotten.
const leastLibraries = 16

// function is the callback of f in this VM, whose library is loaded if it is not
// or has changed.
func (vm *VM) function(f *Function) (*lua.LFunction, error) {
	l := vm.libraries[f.Library.Name]
	if l == nil || l.library != f.Library {
		vm.forgetLibraries()
		_, _, body, err := libraryHeader(f.Library.Code)
		if err != nil {
			return nil, err
		}
		fresh, err := vm.loadLibrary(f.Library, body)
		if err != nil {
			return nil, err
		}
		l = &loaded{f.Library, fresh.callbacks}
		vm.libraries[f.Library.Name] = l
	}
	callback := l.callbacks[f.Name]
	if callback == nil {
		// It registers other functions than before: it looks at the random order of
		// a table, or at the memory.
		return nil, fmt.Errorf("the library %s does not register the function %s any more", f.Library.Name, f.Name)
	}
	return callback, nil
}
