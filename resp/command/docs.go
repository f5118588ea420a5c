package command

// writeDocs writes the map that COMMAND DOCS shows for a command. Fields
// without a value are left out.
func (c *Command) writeDocs(w ReplyWriter) {
	fields := 3 // summary, since, group
	for _, present := range []bool{
		c.Complexity != "", len(c.History) > 0, c.DocFlags != 0, c.DeprecatedSince != "",
		c.ReplacedBy != "", len(c.Args) > 0, len(c.Subcommands) > 0,
	} {
		if present {
			fields++
		}
	}
	w.Map(fields)
	writeText(w, "summary", c.Summary)
	writeText(w, "since", c.Since)
	writeText(w, "group", c.Group.String())
	if c.Complexity != "" {
		writeText(w, "complexity", c.Complexity)
	}
	if c.DocFlags != 0 {
		w.BulkString("doc_flags")
		writeNames(w, "", c.DocFlags.Names())
	}
	if c.DeprecatedSince != "" {
		writeText(w, "deprecated_since", c.DeprecatedSince)
	}
	if c.ReplacedBy != "" {
		writeText(w, "replaced_by", c.ReplacedBy)
	}
	if len(c.History) > 0 {
		w.BulkString("history")
		w.Set(len(c.History))
		for _, h := range c.History {
			w.Array(2)
			w.BulkString(h.Since)
			w.BulkString(h.Text)
		}
	}
	if len(c.Args) > 0 {
		w.BulkString("arguments")
		writeArgs(w, c.Args)
	}
	if len(c.Subcommands) > 0 {
		w.BulkString("subcommands")
		w.Map(len(c.Subcommands))
		for _, s := range c.Subcommands {
			w.BulkString(s.Name)
			s.writeDocs(w)
		}
	}
}

func writeArgs(w ReplyWriter, args []Arg) {
	w.Array(len(args))
	for i := range args {
		args[i].write(w)
	}
}

func (a *Arg) write(w ReplyWriter) {
	hasToken := a.Token != "" || a.Type == TypePureToken // a literal word may be empty
	fields := 2                                          // name, type
	for _, present := range []bool{
		a.KeySpec >= 0, hasToken, a.Since != "", a.DeprecatedSince != "", a.Flags != 0, len(a.Args) > 0,
	} {
		if present {
			fields++
		}
	}
	w.Map(fields)
	writeText(w, "name", a.Name)
	writeText(w, "type", a.Type.String())
	if a.KeySpec >= 0 {
		writePair(w, "key_spec_index", a.KeySpec)
	}
	if hasToken {
		writeText(w, "token", a.Token)
	}
	if a.Since != "" {
		writeText(w, "since", a.Since)
	}
	if a.DeprecatedSince != "" {
		writeText(w, "deprecated_since", a.DeprecatedSince)
	}
	if a.Flags != 0 {
		w.BulkString("flags")
		writeNames(w, "", a.Flags.Names())
	}
	if len(a.Args) > 0 {
		w.BulkString("arguments")
		writeArgs(w, a.Args)
	}
}

func writeText(w ReplyWriter, name, text string) {
	w.BulkString(name)
	w.BulkString(text)
}
