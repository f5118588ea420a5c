package resp

import (
	"slices"
	"time"

	"respkv/cluster"
	"respkv/internal/acl"
	"respkv/resp/command"
	"respkv/resp/proto"
)

func init() {
	handle(map[string]Handler{
		"acl|cat":     aclCat,
		"acl|deluser": aclDelUser,
		"acl|dryrun":  aclDryRun,
		"acl|genpass": aclGenPass,
		"acl|getuser": aclGetUser,
		"acl|help":    containerHelp,
		"acl|list":    aclList,
		"acl|load":    aclLoad,
		"acl|log":     aclLog,
		"acl|save":    aclSave,
		"acl|setuser": aclSetUser,
		"acl|users":   aclUsers,
		"acl|whoami":  func(c *Ctx) { c.W.BulkString(c.Client.User()) },
	})
}

func aclCat(c *Ctx) {
	names := command.AllCategories()
	switch len(c.Args) {
	case 2:
	case 3:
		var ok bool
		if names, ok = c.d.users.commands.InCategory(c.Args[2]); !ok {
			c.W.Error(errCategory(c.Args[2]))
			return
		}
	default:
		c.W.Error(errSubcommandArgs("ACL", c.Args[1]))
		return
	}
	c.W.Array(len(names))
	for _, name := range names {
		c.W.BulkString(name)
	}
}

func aclUsers(c *Ctx) {
	all := c.d.users.All()
	c.W.Array(len(all))
	for _, a := range all {
		c.W.BulkString(a.Name())
	}
}

func aclList(c *Ctx) {
	lines := c.d.users.Lines()
	c.W.Array(len(lines))
	for _, line := range lines {
		c.W.BulkString("user " + line)
	}
}

func aclGetUser(c *Ctx) {
	account := c.d.users.Find(c.Args[2])
	if account == nil {
		c.W.Null()
		return
	}
	user := account.User()
	c.W.Map(6)
	c.W.BulkString("flags")
	flags := user.Flags()
	c.W.Set(len(flags))
	for _, flag := range flags {
		c.W.BulkString(flag)
	}
	c.W.BulkString("passwords")
	c.W.Array(len(user.Passwords()))
	for _, hash := range user.Passwords() {
		c.W.BulkString(hash)
	}
	permissions := c.d.users.commands.Permissions(user)
	c.writePermissions(permissions[0])
	c.W.BulkString("selectors")
	c.W.Array(len(permissions) - 1)
	for _, p := range permissions[1:] {
		c.W.Map(3)
		c.writePermissions(p)
	}
}

func (c *Ctx) writePermissions(p acl.Permissions) {
	c.W.BulkString("commands")
	c.W.BulkString(p.Commands)
	c.W.BulkString("keys")
	c.W.BulkString(p.Keys)
	c.W.BulkString("channels")
	c.W.BulkString(p.Channels)
}

func aclSetUser(c *Ctx) {
	name := string(c.Args[2])
	if !acl.ValidName(name) {
		c.W.Error(errUserName)
		return
	}
	words := make([]string, len(c.Args)-3)
	for i, arg := range c.Args[3:] {
		words[i] = string(arg)
	}
	rules, err := acl.MergeSelectors(words)
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	if !c.d.sharesUsers() {
		c.d.users.changing.Lock()
		defer c.d.users.changing.Unlock()
	}
	options := c.d.aclOptions()
	user := acl.NewUser(options.AllChannels)
	if account := c.d.users.Find(c.Args[2]); account != nil {
		user = account.User()
	}
	next, err := c.d.users.commands.Apply(user, rules, options)
	if err != nil {
		c.W.Error(errOf(err))
		return
	}
	c.changeUsers([]userChange{{name, []byte(c.d.users.commands.Rules(next))}}, func(w *proto.Writer) { w.OK() })
}

func aclDelUser(c *Ctx) {
	var changes []userChange
	for _, arg := range c.Args[2:] {
		if string(arg) == acl.DefaultName {
			c.W.Error(errDefaultUser)
			return
		}
		name := string(arg)
		known := slices.ContainsFunc(changes, func(u userChange) bool { return u.name == name })
		if !known && c.d.users.Find(arg) != nil {
			changes = append(changes, userChange{name: name})
		}
	}
	deleted := int64(len(changes))
	c.changeUsers(changes, func(w *proto.Writer) { w.Int(deleted) })
}

// changeUsers makes changes of the users, in a cluster on all nodes, and replies.
func (c *Ctx) changeUsers(changes []userChange, reply func(w *proto.Writer)) {
	d := c.d
	if !d.sharesUsers() || len(changes) == 0 {
		for _, u := range changes {
			if err := d.setUser(u, c.Client); err != nil {
				c.W.Error(errOf(err))
				return
			}
		}
		reply(c.W)
		return
	}
	shared := make([]cluster.ValueChange, len(changes))
	for i, u := range changes {
		shared[i] = cluster.ValueChange{Kind: sharedUsers, Name: u.name, Value: u.rules}
	}
	c.share(shared, func(w *proto.Writer) {
		for _, u := range changes {
			if u.rules == nil { // it may have been this node's own
				if err := d.setUser(u, nil); err != nil {
					w.Error(errOf(err))
					return
				}
			}
		}
		reply(w)
	})
}

func aclLoad(c *Ctx) {
	path := c.d.config.Config().Server.ACLFile
	if path == "" {
		c.W.Error(errNoACLFile)
		return
	}
	defined, err := c.d.readUsers(path)
	if err != nil {
		c.W.Error(errOf(err) + errACLUnchanged)
		return
	}
	var changes []userChange
	for _, def := range defined {
		changes = append(changes, userChange{def.Name, []byte(c.d.users.commands.Rules(def.User))})
	}
	for _, a := range c.d.users.All() {
		if !slices.ContainsFunc(defined, func(def acl.Definition) bool { return def.Name == a.Name() }) {
			changes = append(changes, userChange{name: a.Name()})
		}
	}
	c.changeUsers(changes, func(w *proto.Writer) { w.OK() })
}

func aclSave(c *Ctx) {
	path := c.d.config.Config().Server.ACLFile
	if path == "" {
		c.W.Error(errNoACLFile)
		return
	}
	if err := c.d.writeUsers(path); err != nil {
		c.d.log.Warn("ACL SAVE failed", "file", path, "error", err)
		c.W.Error(errACLSave)
		return
	}
	c.W.OK()
}

func aclGenPass(c *Ctx) {
	bits := int64(256)
	switch len(c.Args) {
	case 2:
	case 3:
		var ok bool
		if bits, ok = c.intArg(2); !ok {
			return
		}
		if bits <= 0 || bits > 4096 {
			c.W.Error(errGenPassBits)
			return
		}
	default:
		c.W.Error(errSubcommandArgs("ACL", c.Args[1]))
		return
	}
	c.W.BulkString(acl.GeneratePassword(int(bits)))
}

func aclDryRun(c *Ctx) {
	account := c.d.users.Find(c.Args[2])
	if account == nil {
		c.W.Error(errUserNotFound(c.Args[2]))
		return
	}
	args := c.Args[3:]
	cmd := c.d.table.Lookup(args[0])
	if cmd != nil && cmd.IsContainer() && len(args) > 1 {
		cmd = cmd.Subcommand(args[1])
	}
	if cmd == nil {
		c.W.Error(errCommandNotFound(args[0]))
		return
	}
	if !cmd.ArityOK(len(args)) {
		c.W.Error(errArity(cmd.Name))
		return
	}
	if denial := account.User().Check(cmd, args); !denial.OK() {
		c.W.BulkString(dryRunDenied(cmd.Name, args, denial))
		return
	}
	c.W.OK()
}

func aclLog(c *Ctx) {
	count := int64(10)
	switch {
	case len(c.Args) > 3:
		c.W.Error(errSubcommandArgs("ACL", c.Args[1]))
		return
	case len(c.Args) == 3 && isWord(c.Args[2], "reset"):
		c.d.users.log.Reset()
		c.W.OK()
		return
	case len(c.Args) == 3:
		var ok bool
		if count, ok = c.intArg(2); !ok {
			return
		}
	}
	entries := c.d.users.log.Latest(int(max(0, min(count, 1<<31))))
	now := time.Now().UnixMilli()
	c.W.Array(len(entries))
	for _, e := range entries {
		c.W.Map(7)
		c.W.BulkString("count")
		c.W.Int(e.Count)
		c.W.BulkString("reason")
		c.W.BulkString(e.Reason.String())
		c.W.BulkString("context")
		c.W.BulkString(e.Context)
		c.W.BulkString("object")
		c.W.BulkString(e.Object)
		c.W.BulkString("username")
		c.W.BulkString(e.User)
		c.W.BulkString("age-seconds")
		c.W.Double(float64(now-e.At) / 1000)
		c.W.BulkString("client-info")
		c.W.BulkString(e.Client)
	}
}
