package resp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"respkv/internal/acl"
	"respkv/internal/config"
)

const noCommand = "-NOPERM this user has no permissions to run the '%s' command\r\n"

// TestUsersOfConnections: what is changed on one connection holds for another at
// its next command, within a pipeline, too.
func TestUsersOfConnections(t *testing.T) {
	n := serveNode(t, servedOptions{})
	admin, c := n.dial(t), n.dial(t)
	admin.check("ACL SETUSER u on >p ~k* +@all", "+OK\r\n")
	c.check("AUTH u wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n")
	c.check("AUTH u p", "+OK\r\n")
	c.check("SET k v", "+OK\r\n")
	admin.check("ACL SETUSER u -set", "+OK\r\n")
	c.check("SET k v", fmt.Sprintf(noCommand, "set"))
	c.send(wireCommand("ACL", "SETUSER", "u", "-get") + wireCommand("GET", "k") + wireCommand("RESET") + wireCommand("GET", "k"))
	for _, want := range []string{"+OK\r\n", fmt.Sprintf(noCommand, "get"), "+RESET\r\n", "$1\r\nv\r\n"} {
		if got := c.wire(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	// A deleted user's commands that are already there do not run.
	c.check("AUTH u p", "+OK\r\n")
	c.send(wireCommand("ACL", "DELUSER", "u") + wireCommand("SET", "k", "w"))
	if got := c.wire(); got != ":1\r\n" {
		t.Errorf("DELUSER: %q", got)
	}
	c.expectEOF()
	admin.check("GET k", "$1\r\nv\r\n")
}

// TestDeletedUserBlocked: clients that wait go as well.
func TestDeletedUserBlocked(t *testing.T) {
	n := serveNode(t, servedOptions{})
	admin, c := n.dial(t), n.dial(t)
	admin.check("ACL SETUSER u on nopass ~* +@all", "+OK\r\n")
	c.check("AUTH u x", "+OK\r\n")
	c.send(wireCommand("BLPOP", "list", "0"))
	eventually(t, "the client waits", func() bool { return n.d.server.blocked.Load() == 1 })
	admin.check("ACL DELUSER u", ":1\r\n")
	c.expectEOF()
	admin.check("RPUSH list x", ":1\r\n")
	admin.check("LLEN list", ":1\r\n")
}

// TestRevokedWhileSubscribing: a subscription that was allowed a moment before the
// channels were taken away does not outlive that.
func TestRevokedWhileSubscribing(t *testing.T) {
	n := serveNode(t, servedOptions{})
	admin := n.dial(t)
	for range 50 {
		admin.check("ACL SETUSER u reset on nopass +@all &c", "+OK\r\n")
		c := n.dial(t)
		c.check("AUTH u x", "+OK\r\n")
		c.send(wireCommand("SUBSCRIBE", "c"))
		admin.check("ACL SETUSER u resetchannels", "+OK\r\n")
		eventually(t, "the subscription is gone", func() bool {
			admin.send(wireCommand("PUBSUB", "NUMSUB", "c"))
			return strings.HasSuffix(admin.wire(), ":0\r\n")
		})
		c.Close()
	}
}

// TestRestrictedUserAllocatesNothing: neither does the default user, which
// TestNoAllocations shows.
func TestRestrictedUserAllocatesNothing(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.expect("ACL SETUSER u on nopass ~{k}* ~n %R~none &* +@all -@dangerous (+flushall)", "+OK\r\n")
	n.expect("AUTH u x", "+OK\r\n")
	n.client.W.Take()
	n.expect("MSET {k}1 v {k}2 v n 1", "+OK\r\n")
	for _, line := range []string{"GET {k}1", "GET none", "SET {k}1 value", "INCR n", "MGET {k}1 {k}2 none", "MSET {k}1 a {k}2 b", "EXISTS {k}1 {k}2"} {
		cmds := [][][]byte{bytesOf(strings.Fields(line))}
		buffer := make([]byte, 0, 1<<20)
		allocs := testing.AllocsPerRun(200, func() {
			n.client.W.Reset(buffer)
			n.d.Batch(n.client, cmds)
		})
		if allocs >= 1 {
			t.Errorf("%s: %v allocations", line, allocs)
		}
	}
}

// TestEffectsAreNobodys: what is replicated is applied whatever the users may do.
func TestEffectsAreNobodys(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.expect("ACL SETUSER default -@all", "+OK\r\n")
	n.expect("GET k", fmt.Sprintf(noCommand, "get"))
	err := n.d.Apply(7629, 0, bytesOf([]string{"SET", "k", "v"}), func() {})
	if err != nil || countSlot(n.store, 7629) != 1 {
		t.Errorf("effect not applied: %v", err)
	}
}

func TestSharedUsers(t *testing.T) {
	shared := &fakeShared{}
	n := serveNode(t, servedOptions{routing: newAdminRouting(t, everySlot), shared: shared})
	c := n.dial(t)
	c.check("ACL SETUSER u on nopass ~a (+get ~b)", "+OK\r\n")
	shared.check(t, "[acl u=on nopass ~a resetchannels -@all (~b resetchannels -@all +get)]")
	c.check("ACL DELUSER nosuch", ":0\r\n")
	shared.check(t, "[]")
	c.check("ACL SETUSER u +nosuch", "-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL\r\n")
	shared.check(t, "[]")

	// What another node did; a rule that this version does not know is left out.
	if err := shared.Propose(t.Context(), sharedUsers, "v", []byte("on nopass -@all +get +fromthefuture")); err != nil {
		t.Fatal(err)
	}
	v := n.dial(t)
	v.check("AUTH v x", "+OK\r\n")
	v.check("PING", fmt.Sprintf(noCommand, "ping"))
	if err := shared.Propose(t.Context(), sharedUsers, "v", nil); err != nil {
		t.Fatal(err)
	}
	v.expectEOF()

	// The password of the default user is a setting and a part of a user.
	c.check("ACL SETUSER default -flushall", "+OK\r\n")
	shared.check(t, "[acl v=on nopass -@all +get +fromthefuture acl v= acl default=on nopass ~* &* +@all -flushall]")
	c.check("CONFIG SET requirepass x", "+OK\r\n")
	shared.check(t, "[config server.requirepass=x acl default=on #"+acl.HashPassword([]byte("x"))+" ~* &* +@all -flushall]")
	n.dial(t).check("PING", "-NOAUTH Authentication required.\r\n")

	c.check("MULTI", "+OK\r\n")
	c.check("ACL SETUSER w", "+QUEUED\r\n")
	c.check("EXEC", "*1\r\n-ERR Command not allowed inside a transaction\r\n")
	shared.fail(fmt.Errorf("no"))
	c.check("ACL SETUSER w", "-ERR no\r\n")
	c.check("ACL GETUSER w", "$-1\r\n")
}

func TestConfiguredUsers(t *testing.T) {
	n := serveNode(t, servedOptions{change: func(c *config.Config) {
		c.Server.RequirePass = "secret"
		c.Server.Users = []string{"alice on >a ~a* +@all", "bob on nopass (+get ~b)"}
	}})
	c := n.dial(t)
	c.check("PING", "-NOAUTH Authentication required.\r\n")
	c.check("AUTH secret", "+OK\r\n")
	c.check("ACL USERS", "*3\r\n$5\r\nalice\r\n$3\r\nbob\r\n$7\r\ndefault\r\n")
	c.check("AUTH alice a", "+OK\r\n")
	c.check("AUTH bob x", "+OK\r\n")
	c.check("GET b", "$-1\r\n")
	c.check("CONFIG GET server.users", fmt.Sprintf(noCommand, "config|get"))
	c.check("AUTH secret", "+OK\r\n")
	for _, name := range []string{"server.users", "server.rename_commands", "*users*"} {
		c.check("CONFIG GET "+name, "*0\r\n")
	}
	c.check("CONFIG SET server.users x", "-ERR Unknown option or number of arguments for CONFIG SET - 'server.users'\r\n")

	for _, bad := range [][]string{{"alice on nosuch"}, {"alice on", "alice off"}, {"alice (+get"}} {
		cfg := config.Default()
		cfg.Server.Users = bad
		if _, err := NewDispatcher(DispatcherOptions{Config: config.NewLive(cfg)}); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestACLFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.acl")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("user alice on nopass ~* &* +@all\nuser bob on nopass +get\n")
	n := serveNode(t, servedOptions{change: func(c *config.Config) {
		c.Server.ACLFile, c.Server.RequirePass = path, "secret"
	}})
	c, bob := n.dial(t), n.dial(t)
	// A file that does not name the default user leaves it its password.
	c.check("PING", "-NOAUTH Authentication required.\r\n")
	c.check("AUTH alice x", "+OK\r\n")
	bob.check("AUTH bob x", "+OK\r\n")
	c.check("ACL SETUSER carol", "+OK\r\n")
	c.check("ACL SAVE", "+OK\r\n")
	saved, err := os.ReadFile(path)
	want := "user alice on nopass ~* &* +@all\nuser bob on nopass resetchannels -@all +get\nuser carol off resetchannels -@all\n" +
		"user default on #" + acl.HashPassword([]byte("secret")) + " ~* &* +@all\n"
	if err != nil || string(saved) != want {
		t.Errorf("saved %q, %v\nwant %q", saved, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	write("user alice on nopass ~a* &* +@all\nuser bob on\nuser bob off\n")
	got := c.call("ACL", "LOAD")
	if want := "-ERR WARNING: Duplicate user 'bob' found on line 3. WARNING: ACL errors detected, no change to the previously active ACL rules was performed\r\n"; got != want {
		t.Errorf("LOAD: %q", got)
	}
	bob.check("PING", fmt.Sprintf(noCommand, "ping"))
	// Who is still there goes on with the new rules, who is not is gone.
	write("user alice on nopass ~a* &* +@all\n")
	c.check("ACL LOAD", "+OK\r\n")
	bob.expectEOF()
	c.check("ACL USERS", "*2\r\n$5\r\nalice\r\n$7\r\ndefault\r\n")
	c.check("GET b", "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := c.call("ACL", "LOAD"); !strings.HasPrefix(got, "-ERR Error loading ACLs, opening file '"+path) {
		t.Errorf("LOAD: %q", got)
	}
}

// TestConfigRewriteUsers: users survive a restart by CONFIG REWRITE.
func TestConfigRewriteUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte("server:\n  # who may\n  users:\n    - alice on nopass +@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() *config.Config {
		settings, err := config.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(settings)
		if err != nil {
			t.Fatal(err)
		}
		cfg.File = path
		return cfg
	}
	n := serveNode(t, servedOptions{change: func(c *config.Config) { *c = *load() }})
	c := n.dial(t)
	c.check("ACL DELUSER alice", ":1\r\n")
	c.check("ACL SETUSER bob on >secret ~\"quoted\"\\ &* +@all (+get ~b)", "+OK\r\n")
	c.check("CONFIG REWRITE", "+OK\r\n")
	hash := acl.HashPassword([]byte("secret"))
	got := strings.Join(load().Server.Users, "\n")
	want := "bob on #" + hash + " ~\"quoted\"\\ &* +@all (~b resetchannels -@all +get)\ndefault on nopass ~* &* +@all"
	if got != want {
		t.Errorf("rewritten %q, want %q", got, want)
	}
	c.check("ACL DELUSER bob", ":1\r\n")
	c.check("CONFIG REWRITE", "+OK\r\n")
	if users := load().Server.Users; len(users) != 0 {
		t.Errorf("users left in the file: %q", users)
	}
}

func TestRenamedCommands(t *testing.T) {
	long := strings.Repeat("x", 40)
	n := serveNode(t, servedOptions{change: func(c *config.Config) {
		c.Server.RenameCommands = []string{"FLUSHALL=", "config=" + long, "SET=store", "APPEND=SET"}
	}})
	c := n.dial(t)
	c.check("FLUSHALL", "-ERR unknown command 'FLUSHALL', with args beginning with: \r\n")
	c.check("CONFIG GET hz", "-ERR unknown command 'CONFIG', with args beginning with: 'GET' 'hz' \r\n")
	c.check(strings.ToUpper(long)+" GET hz", "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n")
	c.check(long+" nosuch", "-ERR unknown subcommand 'nosuch'. Try CONFIG HELP.\r\n")
	c.check("store k v", "+OK\r\n")
	c.check("SET k w", ":2\r\n")
	c.check("store k", "-ERR wrong number of arguments for 'set' command\r\n")
	// Rules have the own names, dry runs those of clients.
	c.check("ACL SETUSER u on nopass ~* +set", "+OK\r\n")
	c.check("ACL DRYRUN u store k v", "+OK\r\n")
	c.check("ACL DRYRUN u set k v", "$56\r\nThis user has no permissions to run the 'append' command\r\n")
	c.check("AUTH u x", "+OK\r\n")
	c.check("store k v", "+OK\r\n")
	c.check("SET k w", fmt.Sprintf(noCommand, "append"))

	for _, bad := range [][]string{{"nosuch=x"}, {"get=set"}, {"get=x", "set=x"}, {"get"}, {"=x"}, {"get=a", "GET=b"}, {"get|x=y"}} {
		cfg := config.Default()
		cfg.Server.RenameCommands = bad
		if _, err := NewDispatcher(DispatcherOptions{Config: config.NewLive(cfg)}); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// TestRenamedCommandsReplicate: other nodes may have other names.
func TestRenamedCommandsReplicate(t *testing.T) {
	log := &effectLog{}
	n := serveNode(t, servedOptions{repl: log, change: func(c *config.Config) {
		c.Server.RenameCommands = []string{"APPEND=extend", "SET="}
	}})
	c := n.dial(t)
	c.check("extend k v", ":1\r\n")
	if got := fmt.Sprint(log.take()); got != "[APPEND k v]" {
		t.Errorf("logged %s", got)
	}
	if err := n.d.Apply(7629, 0, bytesOf([]string{"SET", "k", "w"}), func() {}); err != nil {
		t.Error(err)
	}
	c.check("GET k", "$1\r\nw\r\n")
}
