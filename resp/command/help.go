package command

import "strings"

// ReplyHelp writes the reply of a container's HELP sub-command: for each
// sub-command in it the syntax, and the summary on an indented line.
func (c *Command) ReplyHelp(w ReplyWriter) {
	w.Array(1 + 2*len(c.Subcommands))
	w.Simple(strings.ToUpper(c.Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, s := range c.Subcommands {
		w.Simple(s.Syntax())
		w.Simple("    " + s.Summary)
	}
}

// Syntax is the command's last name part and its arguments in the usual
// notation, such as "EXPIRE <key> <seconds> [NX|XX|GT|LT]".
func (c *Command) Syntax() string {
	var b strings.Builder
	b.WriteString(strings.ToUpper(c.BaseName()))
	for i := range c.Args {
		b.WriteByte(' ')
		c.Args[i].syntax(&b)
	}
	return b.String()
}

func (a *Arg) syntax(b *strings.Builder) {
	if a.Flags&Optional != 0 {
		b.WriteByte('[')
		defer b.WriteByte(']')
	}
	a.once(b, true)
	if a.Flags&Multiple != 0 {
		b.WriteString(" [")
		a.once(b, a.Flags&MultipleToken != 0)
		b.WriteString(" ...]")
	}
}

// once writes the argument as it stands once.
func (a *Arg) once(b *strings.Builder, withToken bool) {
	if a.Type == TypePureToken {
		if a.Token == "" {
			b.WriteString(`""`)
		}
		b.WriteString(a.Token)
		return
	}
	if a.Token != "" && withToken {
		b.WriteString(a.Token)
		b.WriteByte(' ')
	}
	separator := byte(' ')
	switch a.Type {
	case TypeOneOf:
		separator = '|'
	case TypeBlock:
	default:
		b.WriteString("<" + a.Name + ">")
		return
	}
	for i := range a.Args {
		if i > 0 {
			b.WriteByte(separator)
		}
		a.Args[i].syntax(b)
	}
}
