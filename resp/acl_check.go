package resp

import (
	"time"

	"respkv/internal/acl"
)

// permitted says whether the client's user may run the command of c, and refuses
// it if not.
func (d *Dispatcher) permitted(c *Ctx) bool {
	if c.entry.in.notInMulti && !c.entry.in.unqueued && c.Client.Has(FlagMulti) {
		return true // refused for that
	}
	denial := c.user.Check(c.Cmd, c.Args)
	if denial.OK() {
		return true
	}
	d.logCommand(c, c.aclContext(), denial)
	c.reject(c.entry, errDenied(c, denial))
	return false
}

// stillPermitted is permitted for a command that EXEC is about to run: its user
// may have been changed since it was queued.
func (d *Dispatcher) stillPermitted(c *Ctx) bool {
	denial := c.user.Check(c.Cmd, c.Args)
	if denial.OK() {
		return true
	}
	d.logCommand(c, aclMulti, denial)
	c.W.Error(errDeniedInExec(denial.Reason))
	return false
}

// mayReadAllKeys says whether the user may run the command of c although it reads
// keys that its arguments don't name.
func (c *Ctx) mayReadAllKeys() bool { return c.user == nil || c.user.CheckAllKeys(c.Cmd, c.Args) }

// The contexts of ACL LOG.
const (
	aclTopLevel = "toplevel"
	aclMulti    = "multi"
	aclScript   = "lua"
)

func (c *Ctx) aclContext() string {
	if c.inExec || c.Client.Has(FlagMulti) {
		return aclMulti
	}
	return aclTopLevel
}

// logCommand notes that the command of c was denied.
func (d *Dispatcher) logCommand(c *Ctx, context string, denial acl.Denial) {
	object := c.Cmd.Name
	if denial.Reason != acl.DeniedCommand {
		object = string(c.Args[denial.Arg])
	}
	d.logDenied(c, acl.Event{Reason: denial.Reason, Context: context, Object: object, User: c.Client.User()})
}

func (d *Dispatcher) logDenied(c *Ctx, e acl.Event) {
	c.Client.noteInput()
	now := time.Now()
	d.users.log.Add(e, now.UnixMilli(), string(c.Client.AppendInfo(nil, now)), d.config.Config().Server.ACLLogMaxLen)
}
