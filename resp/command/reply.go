package command

// ReplyWriter is what the replies of COMMAND need of a writer of RESP replies.
// Map and Set are arrays where the connection speaks RESP2.
type ReplyWriter interface {
	Array(n int)
	Map(n int)
	Set(n int)
	Bulk(b []byte)
	BulkString(s string)
	Simple(s string)
	Int(n int64)
	Null()
	Error(s string)
}

// Error replies of COMMAND's sub-commands.
const (
	errSyntax       = "ERR syntax error"
	errInvalid      = "ERR Invalid command specified"
	errNoKeyArgs    = "ERR The command has no key arguments"
	errInvalidArity = "ERR Invalid number of arguments specified for command"
	errInvalidArgs  = "ERR Invalid arguments specified for command"
)

// ReplyAll writes the reply of COMMAND: the entries of all commands.
func (t *Table) ReplyAll(w ReplyWriter) {
	w.Array(len(t.commands))
	for _, c := range t.commands {
		c.writeInfo(w)
	}
}

// ReplyCount writes the reply of COMMAND COUNT.
func (t *Table) ReplyCount(w ReplyWriter) { w.Int(int64(len(t.commands))) }

// ReplyInfo writes the reply of COMMAND INFO: the entries of the named
// commands, null for an unknown one; all commands when none is named.
// Sub-commands are named "config|get".
func (t *Table) ReplyInfo(w ReplyWriter, names [][]byte) {
	if len(names) == 0 {
		t.ReplyAll(w)
		return
	}
	w.Array(len(names))
	for _, name := range names {
		if c := t.LookupName(string(name)); c != nil {
			c.writeInfo(w)
		} else {
			w.Null()
		}
	}
}

// ReplyDocs writes the reply of COMMAND DOCS: the documentation of the named
// commands, leaving out unknown ones; of all commands when none is named.
func (t *Table) ReplyDocs(w ReplyWriter, names [][]byte) {
	commands := t.commands
	if len(names) > 0 {
		commands = nil
		for _, name := range names {
			if c := t.LookupName(string(name)); c != nil {
				commands = append(commands, c)
			}
		}
	}
	w.Map(len(commands))
	for _, c := range commands {
		w.BulkString(c.Name)
		c.writeDocs(w)
	}
}

// ReplyList writes the reply of COMMAND LIST: full names, sub-commands
// included. args are the arguments after LIST: none, or FILTERBY MODULE name,
// FILTERBY ACLCAT category or FILTERBY PATTERN glob. match tells whether a
// glob pattern fits a name, in that case as written.
func (t *Table) ReplyList(w ReplyWriter, args [][]byte, match func(pattern, name []byte) bool) {
	keep := func(*Command) bool { return true }
	switch {
	case len(args) == 0:
	case len(args) != 3 || !equalFold(args[0], "filterby"):
		w.Error(errSyntax)
		return
	case equalFold(args[1], "module"): // no command comes from a module
		keep = func(*Command) bool { return false }
	case equalFold(args[1], "aclcat"):
		category, _ := ParseCategory(args[2])
		keep = func(c *Command) bool { return c.Categories&category != 0 }
	case equalFold(args[1], "pattern"):
		keep = func(c *Command) bool { return match(args[2], []byte(c.Name)) }
	default:
		w.Error(errSyntax)
		return
	}
	var names []string
	for _, c := range t.commands {
		if keep(c) {
			names = append(names, c.Name)
		}
		for _, s := range c.Subcommands {
			if keep(s) {
				names = append(names, s.Name)
			}
		}
	}
	w.Array(len(names))
	for _, n := range names {
		w.BulkString(n)
	}
}

// ReplyGetKeys writes the reply of COMMAND GETKEYS for the command given by
// args, its name first.
func (t *Table) ReplyGetKeys(w ReplyWriter, args [][]byte) {
	refs, ok := t.keysOf(w, args)
	if !ok {
		return
	}
	w.Array(len(refs))
	for _, r := range refs {
		w.Bulk(args[r.Pos])
	}
}

// ReplyGetKeysAndFlags writes the reply of COMMAND GETKEYSANDFLAGS for the
// command given by args, its name first.
func (t *Table) ReplyGetKeysAndFlags(w ReplyWriter, args [][]byte) {
	refs, ok := t.keysOf(w, args)
	if !ok {
		return
	}
	w.Array(len(refs))
	for _, r := range refs {
		w.Array(2)
		w.Bulk(args[r.Pos])
		writeNames(w, "", (r.Flags &^ (VariableFlags | Incomplete)).Names())
	}
}

// keysOf finds the keys in args or writes the error reply.
func (t *Table) keysOf(w ReplyWriter, args [][]byte) (refs []KeyRef, ok bool) {
	var c *Command
	if len(args) > 0 {
		c = t.Lookup(args[0])
	}
	if c != nil && c.IsContainer() {
		if len(args) > 1 {
			c = c.Subcommand(args[1])
		} else {
			c = nil
		}
	}
	switch {
	case c == nil:
		w.Error(errInvalid)
	case !c.TakesKeys():
		w.Error(errNoKeyArgs)
	case !c.ArityOK(len(args)):
		w.Error(errInvalidArity)
	default:
		refs, err := c.AppendKeyRefs(nil, args)
		if c.Flags&NoMandatoryKeys == 0 && (err != nil || len(refs) == 0) {
			w.Error(errInvalidArgs)
			return nil, false
		}
		return refs, true
	}
	return nil, false
}

// writeInfo writes the entry that COMMAND and COMMAND INFO show.
func (c *Command) writeInfo(w ReplyWriter) {
	w.Array(10)
	w.BulkString(c.Name)
	w.Int(int64(c.Arity))
	writeNames(w, "", c.Flags.Names())
	w.Int(int64(c.FirstKey))
	w.Int(int64(c.LastKey))
	w.Int(int64(c.KeyStep))
	writeNames(w, "@", c.Categories.Names())
	w.Set(len(c.Tips))
	for _, tip := range c.Tips {
		w.BulkString(tip)
	}
	w.Set(len(c.KeySpecs))
	for i := range c.KeySpecs {
		c.KeySpecs[i].write(w)
	}
	if len(c.Subcommands) == 0 {
		w.Set(0)
		return
	}
	w.Array(len(c.Subcommands))
	for _, s := range c.Subcommands {
		s.writeInfo(w)
	}
}

func (s *KeySpec) write(w ReplyWriter) {
	if s.Notes != "" {
		w.Map(4)
		w.BulkString("notes")
		w.BulkString(s.Notes)
	} else {
		w.Map(3)
	}
	w.BulkString("flags")
	writeNames(w, "", s.Flags.Names())

	w.BulkString("begin_search")
	switch s.Begin {
	case BeginIndex:
		writeSearch(w, "index", 1)
		writePair(w, "index", s.Index)
	case BeginKeyword:
		writeSearch(w, "keyword", 2)
		w.BulkString("keyword")
		w.BulkString(s.Keyword)
		writePair(w, "startfrom", s.StartFrom)
	default:
		writeSearch(w, "unknown", 0)
	}

	w.BulkString("find_keys")
	switch s.Find {
	case FindRange:
		writeSearch(w, "range", 3)
		writePair(w, "lastkey", s.LastKey)
		writePair(w, "keystep", s.KeyStep)
		writePair(w, "limit", s.Limit)
	case FindKeyNum:
		writeSearch(w, "keynum", 3)
		writePair(w, "keynumidx", s.KeyNumIdx)
		writePair(w, "firstkey", s.FirstKey)
		writePair(w, "keystep", s.KeyStep)
	default:
		writeSearch(w, "unknown", 0)
	}
}

// writeSearch opens one half of a key spec, whose fields follow.
func writeSearch(w ReplyWriter, kind string, fields int) {
	w.Map(2)
	w.BulkString("type")
	w.BulkString(kind)
	w.BulkString("spec")
	w.Map(fields)
}

func writePair(w ReplyWriter, name string, value int) {
	w.BulkString(name)
	w.Int(int64(value))
}

// writeNames writes a set of simple strings.
func writeNames(w ReplyWriter, prefix string, names []string) {
	w.Set(len(names))
	for _, n := range names {
		w.Simple(prefix + n)
	}
}
