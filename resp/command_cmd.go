package resp

import "respkv/internal/glob"

func init() {
	handle(map[string]Handler{
		"command":                 commandAll,
		"command|count":           func(c *Ctx) { c.d.table.ReplyCount(c.W) },
		"command|info":            func(c *Ctx) { c.d.table.ReplyInfo(c.W, c.Args[2:]) },
		"command|docs":            func(c *Ctx) { c.d.table.ReplyDocs(c.W, c.Args[2:]) },
		"command|list":            commandList,
		"command|getkeys":         func(c *Ctx) { c.d.table.ReplyGetKeys(c.W, c.Args[2:]) },
		"command|getkeysandflags": func(c *Ctx) { c.d.table.ReplyGetKeysAndFlags(c.W, c.Args[2:]) },
		"command|help":            containerHelp,
	})
}

// commandAll is COMMAND alone. It also gets what follows COMMAND when that is
// no sub-command.
func commandAll(c *Ctx) {
	if len(c.Args) > 1 {
		c.W.Error(errUnknownSubcommand(c.Cmd.Name, c.Args[1]))
		return
	}
	c.d.table.ReplyAll(c.W)
}

func commandList(c *Ctx) {
	c.d.table.ReplyList(c.W, c.Args[2:], glob.MatchFold)
}
