package resp

import (
	"respkv/cluster"
	"respkv/internal/glob"
	"respkv/internal/lua"
	"respkv/resp/proto"
)

func init() {
	handle(map[string]Handler{
		"function|delete":  functionDelete,
		"function|dump":    functionDump,
		"function|flush":   functionFlush,
		"function|help":    containerHelp,
		"function|kill":    func(c *Ctx) { c.killScript(true) },
		"function|list":    functionList,
		"function|load":    functionLoad,
		"function|restore": functionRestore,
		"function|stats":   functionStats,
	})
}

const (
	errFunctionFlush   = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"
	errFunctionCode    = "ERR Function code is missing"
	errRestorePolicy   = "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
	errLibraryArgument = "ERR library name argument was not given"
)

// sharedFunction is the kind of shared values that libraries are: names are those
// of the libraries, values their sources.
const sharedFunction = "function"

// changeLibraries makes changes of the libraries, in a cluster on all nodes, and
// replies.
func (c *Ctx) changeLibraries(changes []lua.Change, applied func(w *proto.Writer)) {
	d := c.d
	if d.shared != nil && d.routing.Map().Formed() && len(changes) > 0 {
		values := make([]cluster.ValueChange, len(changes))
		for i, change := range changes {
			values[i] = cluster.ValueChange{Kind: sharedFunction, Name: change.Name}
			if change.Code != "" {
				values[i].Value = []byte(change.Code)
			}
		}
		c.share(values, func(w *proto.Writer) {
			for _, change := range changes {
				d.echoes.made(change.Name)
			}
			applied(w)
		})
		return
	}
	for _, change := range changes {
		if err := d.engine.Apply(change); err != nil {
			c.W.Error(errOf(err))
			return
		}
	}
	d.stats.dirty.Add(int64(len(changes)))
	c.feed(c.Tx.DB, c.Args...)
	applied(c.W)
}

// observeFunctions makes the libraries of the cluster those of this node.
func (d *Dispatcher) observeFunctions() {
	if d.shared == nil {
		return
	}
	d.shared.Observe(sharedFunction, func(name string, value []byte) {
		was := ""
		if library := d.engine.Libraries().Library(name); library != nil {
			was = library.Code
		}
		d.echoes.observed(name, was, string(value))
		if err := d.engine.Apply(lua.Change{Name: name, Code: string(value)}); err != nil {
			d.log.Error("a function library of the cluster can't be loaded here", "library", name, "error", err)
		}
	})
}

// dumpFunctions gives the sources of all libraries, for a file.
func (d *Dispatcher) dumpFunctions() (codes [][]byte) {
	for _, library := range d.engine.Libraries().All() {
		codes = append(codes, []byte(library.Code))
	}
	return codes
}

// loadFunctions loads a library from a file, in place of one of its name.
func (d *Dispatcher) loadFunctions(code []byte) error { return d.takeFunctions(code, true) }

// addFunctions loads a library from a file, unless there is one of its name.
func (d *Dispatcher) addFunctions(code []byte) error { return d.takeFunctions(code, false) }

func (d *Dispatcher) takeFunctions(code []byte, replace bool) error {
	_, changes, err := d.engine.PlanLoad(string(code), replace)
	if err != nil {
		return err
	}
	for _, change := range changes {
		if err := d.engine.Apply(change); err != nil {
			return err
		}
	}
	return nil
}

func replyOK(w *proto.Writer) { w.OK() }

func functionLoad(c *Ctx) {
	replace := false
	last := len(c.Args) - 1
	for _, option := range c.Args[2:last] {
		if !isWord(option, "replace") {
			c.W.Error("ERR Unknown option given: " + cut(option, len(option)))
			return
		}
		replace = true
	}
	code := string(c.Args[last])
	if !replace {
		if name, ok := c.d.echoes.takeLoad(code); ok {
			c.W.BulkString(name)
			return
		}
	}
	name, changes, err := c.d.engine.PlanLoad(code, replace)
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	c.changeLibraries(changes, func(w *proto.Writer) { w.BulkString(name) })
}

func functionDelete(c *Ctx) {
	changes, err := c.d.engine.PlanDelete(string(c.Args[2]))
	if err != nil && c.d.echoes.takeDelete(string(c.Args[2])) {
		c.W.OK()
		return
	}
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	c.changeLibraries(changes, replyOK)
}

func functionFlush(c *Ctx) {
	switch {
	case len(c.Args) > 3:
		c.W.Error(errSubcommandArgs("FUNCTION", c.Args[1]))
		return
	case len(c.Args) == 3 && !isWord(c.Args[2], "sync") && !isWord(c.Args[2], "async"):
		c.W.Error(errFunctionFlush)
		return
	}
	c.changeLibraries(c.d.engine.PlanFlush(), replyOK)
}

func functionDump(c *Ctx) { c.W.Bulk(c.d.engine.Libraries().Dump()) }

func functionRestore(c *Ctx) {
	policy := lua.RestoreAppend
	switch {
	case len(c.Args) > 4:
		c.W.Error(errSubcommandArgs("FUNCTION", c.Args[1]))
		return
	case len(c.Args) == 3 || isWord(c.Args[3], "append"):
	case isWord(c.Args[3], "replace"):
		policy = lua.RestoreReplace
	case isWord(c.Args[3], "flush"):
		policy = lua.RestoreFlush
	default:
		c.W.Error(errRestorePolicy)
		return
	}
	codes, err := lua.ParseDump(c.Args[2])
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	if policy == lua.RestoreAppend {
		codes = c.d.echoes.notLoaded(codes)
	}
	changes, err := c.d.engine.PlanRestore(codes, policy)
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	c.changeLibraries(changes, replyOK)
}

func functionList(c *Ctx) {
	var pattern []byte
	withCode := false
	for i := 2; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case !withCode && isWord(arg, "withcode"):
			withCode = true
		case pattern == nil && isWord(arg, "libraryname"):
			if i++; i == len(c.Args) {
				c.W.Error(errLibraryArgument)
				return
			}
			pattern = append([]byte{}, c.Args[i]...)
		default:
			c.W.Error("ERR Unknown argument " + cut(arg, len(arg)))
			return
		}
	}
	var found []*lua.Library
	for _, library := range c.d.engine.Libraries().All() {
		if pattern == nil || glob.MatchFold(pattern, []byte(library.Name)) {
			found = append(found, library)
		}
	}
	c.W.Array(len(found))
	for _, library := range found {
		replyLibrary(c.W, library, withCode)
	}
}

func replyLibrary(w *proto.Writer, library *lua.Library, withCode bool) {
	fields := 3
	if withCode {
		fields++
	}
	w.Map(fields)
	w.BulkString("library_name")
	w.BulkString(library.Name)
	w.BulkString("engine")
	w.BulkString("LUA")
	w.BulkString("functions")
	w.Array(len(library.Functions))
	for _, f := range library.Functions {
		w.Map(3)
		w.BulkString("name")
		w.BulkString(f.Name)
		w.BulkString("description")
		if f.Described {
			w.BulkString(f.Description)
		} else {
			w.Null()
		}
		w.BulkString("flags")
		var names []string
		for _, flag := range lua.FlagNames {
			if f.Flags&flag.Flag != 0 {
				names = append(names, flag.Name)
			}
		}
		w.Set(len(names))
		for _, name := range names {
			w.Simple(name)
		}
	}
	if withCode {
		w.BulkString("library_code")
		w.BulkString(library.Code)
	}
}

// functionStats tells of the function that runs too long, if there is one: others
// are gone before anybody could look.
func functionStats(c *Ctx) {
	c.awaitScripts()
	g := &c.d.scripts
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.busy) > 0 && !g.busy[0].engine.Function {
		c.W.Error(g.busy[0].signal.busyText())
		return
	}
	c.W.Map(2)
	c.W.BulkString("running_script")
	if len(g.busy) == 0 {
		c.W.Null()
	} else {
		run := g.busy[0]
		c.W.Map(3)
		c.W.BulkString("name")
		c.W.BulkString(run.engine.Name)
		c.W.BulkString("command")
		c.W.Array(len(run.args))
		for _, arg := range run.args {
			c.W.Bulk(arg)
		}
		c.W.BulkString("duration_ms")
		c.W.Int(run.milliseconds())
	}
	libraries, functions := c.d.engine.Libraries().Count()
	c.W.BulkString("engines")
	c.W.Map(1)
	c.W.BulkString("LUA")
	c.W.Map(2)
	c.W.BulkString("libraries_count")
	c.W.Int(int64(libraries))
	c.W.BulkString("functions_count")
	c.W.Int(int64(functions))
}
