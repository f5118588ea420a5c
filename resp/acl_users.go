package resp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"respkv/cluster"
	"respkv/internal/acl"
)

// userRegistry is the users of this server, and what was denied to them.
type userRegistry struct {
	*acl.Users
	commands *acl.Commands
	log      acl.Log
	changing sync.Mutex // held from reading a user until it is changed
}

// userChange is a user by name and what it is to be: the rules of acl's Rules,
// nil to delete it.
type userChange struct {
	name  string
	rules []byte
}

// aclOptions are what rules given by clients and files depend on.
func (d *Dispatcher) aclOptions() acl.Options {
	return acl.Options{AllChannels: d.config.Config().Server.ACLPubSubDefault == "allchannels"}
}

// loadUsers makes the users that the configuration tells of.
func (d *Dispatcher) loadUsers() error {
	cfg := &d.config.Config().Server
	d.users.commands = acl.NewCommands(d.known)
	d.users.Users = acl.NewUsers(d.users.commands, acl.NewDefaultUser(cfg.RequirePass))
	var defined []acl.Definition
	seen := make(map[string]bool)
	for _, line := range cfg.Users {
		def, err := d.users.commands.ParseDefinition(line, d.aclOptions())
		switch {
		case err != nil:
			return fmt.Errorf("server.users: %w", err)
		case seen[def.Name]:
			return fmt.Errorf("server.users: user '%s' is there twice", def.Name)
		}
		seen[def.Name] = true
		defined = append(defined, def)
	}
	if cfg.ACLFile != "" {
		var err error
		if defined, err = d.readUsers(cfg.ACLFile); err != nil {
			return fmt.Errorf("server.aclfile: %w", err)
		}
	}
	for _, def := range defined {
		if _, err := d.users.Set(def.Name, []byte(d.users.commands.Rules(def.User))); err != nil {
			return err
		}
	}
	return nil
}

// readUsers reads an ACL file. The default user is among what it returns.
func (d *Dispatcher) readUsers(path string) ([]acl.Definition, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		var reason *fs.PathError
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return nil, fmt.Errorf("Error loading ACLs, opening file '%s': %w", path, err)
	}
	defined, err := d.users.commands.ParseFile(path, string(text), d.aclOptions())
	if err != nil {
		return nil, err
	}
	for _, def := range defined {
		if def.Name == acl.DefaultName {
			return defined, nil
		}
	}
	// A file that forgets the default user must not open the server to everyone.
	return append(defined, acl.Definition{Name: acl.DefaultName, User: acl.NewDefaultUser(d.config.Config().Server.RequirePass)}), nil
}

// writeUsers writes the users to a file in one step: a crash leaves the old or the
// new one.
func (d *Dispatcher) writeUsers(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.WriteString(d.users.FormatFile()); err != nil {
		return err
	}
	if info, statErr := os.Stat(path); statErr == nil {
		if err = f.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// noteUsers tells the configuration of the users, for CONFIG REWRITE: those of a
// server that has no other place for them.
func (d *Dispatcher) noteUsers() {
	cfg := &d.config.Config().Server
	if cfg.ACLFile != "" || d.shared != nil {
		return
	}
	lines := d.users.Lines()
	if plain := acl.DefaultName + " " + d.users.commands.Describe(acl.NewDefaultUser(cfg.RequirePass)); len(lines) == 1 && lines[0] == plain {
		lines = nil
	}
	text := ""
	for _, line := range lines {
		text += line + "\n"
	}
	if err := d.config.Replace("server.users", text); err != nil {
		d.log.Warn("the users can't be written to the configuration file", "error", err)
	}
}

// sharedUsers is the kind of users among what the nodes of a cluster share.
const sharedUsers = "acl"

// observeUsers makes the users of the cluster hold on this node. Those that it was
// started with stay beside them.
func (d *Dispatcher) observeUsers() {
	if d.shared == nil {
		return
	}
	d.shared.Observe(sharedUsers, func(name string, rules []byte) {
		if err := d.setUser(userChange{name, rules}, nil); err != nil {
			d.log.Error("a user of the cluster cannot hold on this node", "user", name, "error", err)
		}
	})
}

// sharesUsers says whether changes of users are for the whole cluster. Before
// there is one they are this node's.
func (d *Dispatcher) sharesUsers() bool { return d.shared != nil && d.routing.Map().Formed() }

// passwordChange is what requirepass does to the default user of the cluster. It
// belongs to the change of the setting: a node that learns both later can't tell
// which was last.
func (d *Dispatcher) passwordChange(password string) cluster.ValueChange {
	next := d.users.Default().User().WithPassword(password)
	return cluster.ValueChange{Kind: sharedUsers, Name: acl.DefaultName, Value: []byte(d.users.commands.Rules(next))}
}

// setUser makes one change of the users take effect here: it is the only way in
// which they change while clients are served. self is the client on whose
// goroutine the caller runs, or nil.
func (d *Dispatcher) setUser(u userChange, self *Client) error {
	change, err := d.users.Set(u.name, u.rules)
	if err != nil || change.Account == nil || change.Before == nil || d.server == nil {
		return err
	}
	switch {
	case change.After == nil:
		d.server.Clients().Kill(func(c *Client) bool { return c.user.Load() == change.Account }, self)
	case change.Before.LosesChannels(change.After):
		d.server.Clients().Kill(func(c *Client) bool {
			return c.user.Load() == change.Account && c.Has(FlagPubSub) && !maySubscribe(c, change.After)
		}, self)
	}
	return nil
}

// maySubscribe says whether the user has access to all that the client is
// subscribed to.
func maySubscribe(client *Client, user *acl.User) bool {
	session, ok := client.Session.(*session)
	if !ok {
		return true
	}
	s := &session.subs
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pattern := range s.patterns {
		if !user.MaySubscribe(pattern, true) {
			return false
		}
	}
	for _, channels := range []map[string]struct{}{s.channels, s.shards} {
		for channel := range channels {
			if !user.MaySubscribe(channel, false) {
				return false
			}
		}
	}
	return true
}

// keepAllowed closes the client after it subscribed, if its permissions changed
// meanwhile and no longer cover that: who changed them may have looked at its
// subscriptions before there was this one.
func (c *Ctx) keepAllowed() {
	if now := c.Client.user.Load().User(); now != c.user && !maySubscribe(c.Client, now) {
		c.Client.Close()
	}
}

// NoPassword says whether everybody is let in as the default user, which is what
// protected mode is about.
func (d *Dispatcher) NoPassword() bool { return d.users.Default().User().NoPassword }

// openToAll says that clients need not log in.
func (d *Dispatcher) openToAll() bool {
	u := d.users.Default().User()
	return u.NoPassword && u.Enabled
}

// asDefaultUser makes the client what it is when it has just connected.
func (d *Dispatcher) asDefaultUser(client *Client) {
	client.SetUser(d.users.Default(), d.openToAll())
}

// letIn authenticates a client that has not, when the password it did not give
// has been taken away since (CONFIG SET requirepass "").
func (d *Dispatcher) letIn(client *Client) bool {
	if !d.openToAll() {
		return false
	}
	client.SetUser(d.users.Default(), true)
	return true
}

// login makes the client that user, or replies with the error.
func (c *Ctx) login(name, password []byte) bool {
	account := c.d.users.Find(name)
	var user *acl.User
	if account != nil {
		user = account.User()
	}
	if !user.Accepts(password) {
		c.d.logDenied(c, acl.Event{Reason: acl.DeniedAuth, Context: c.aclContext(), Object: string(c.Args[0]), User: string(name)})
		c.W.Error(errWrongPass)
		return false
	}
	c.Client.SetUser(account, true)
	return true
}
