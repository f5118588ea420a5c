package resp

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/acl"
	"respkv/internal/throttle"
	"respkv/resp/command"
	"respkv/resp/proto"
)

// A standalone node may be the replica of a primary that speaks Redis's own protocol: a
// redis-server, or another standalone node.
//
//	       REPLICAOF host port                  a snapshot is loaded, or
//	       or replication.primary               the stream goes on where it ended
//	none -----------------------> connecting ------------------------------------> connected
//	  ^                            ^  |                                               |
//	  |                            |  | after a second                                |
//	  |                            +--+-------------- the link ends ------------------+
//	  +---- REPLICAOF NO ONE
//
// Once it has what the primary has, the connection is served like that of a client, one
// that may do everything and gets no replies: what it sends is the stream of effects.
// Nobody else's writes are taken meanwhile, nothing expires or is evicted by itself, and
// the stream is handed on to replicas of this node byte by byte: one stream, one name, one
// count of bytes for the whole chain, so that each of them may take another's place.
//
// Nodes of a cluster have nothing of all this: see package replication.
type following struct {
	on      atomic.Bool // this node is a replica
	stale   atomic.Bool // on, and it does not hear of writes
	loading atomic.Bool // a snapshot is being loaded: the keyspace is incomplete

	// applying is held from before commands of the primary run until they are counted and
	// handed on, and when a snapshot for a replica begins: it must not have what its
	// position does not count. Before all other locks.
	applying sync.Mutex

	// link is the connection whose commands are the stream; nil: there is none.
	link atomic.Pointer[upstream]

	mu      sync.Mutex // guards below; under locks of shards, before replicaFeed.mu
	attempt *attempt   // nil: this node follows nobody
	loaded  bool       // the node began with a file that tells its place in the stream
	known   bool       // the keyspace is what the stream made of it up to its end
	db      int        // selected at that end
	closed  bool

	failures throttle.Lines // of commands of the primary

	own ownKeys
}

// attempt is the work of following one primary; following.mu guards it unless it says
// otherwise.
type attempt struct {
	host       string
	port       int
	cancel     context.CancelFunc // does not change
	done       chan struct{}      // closed when the work has ended
	configured bool               // at the start of the node, not by a command; does not change
	// takesOver: the primary is a replica of this node that is to become one (FAILOVER).
	takesOver bool // until it has; only the attempt's goroutine

	state string    // as ROLE shows it
	lost  time.Time // since when it has not been connected

	total, received atomic.Int64 // bytes of the snapshot under way; total 0: not known
	heard           atomic.Int64 // Unix milliseconds, of a byte of the snapshot
}

// upstream is the connection to the primary once it is served as a client.
type upstream struct {
	client *Client
	held   []byte        // of the stream, not counted yet; owned by who holds applying
	ends   []int         // where each command of a batch ends in held; the same
	ended  chan struct{} // closed when the connection is gone
}

// States of an attempt.
const (
	followConnect    = "connect"
	followConnecting = "connecting"
	followHandshake  = "handshake"
	followSync       = "sync"
	followConnected  = "connected"
)

// superuser is whom commands of the primary are run as.
var superuser = acl.NewAccount("(superuser)", &acl.User{Unrestricted: true})

// busyFollowing is how long REPLICAOF within EXEC waits for commands of the primary, one
// of which may wait for EXEC's locks.
const busyFollowing = time.Second

// replicaOf: REPLICAOF host port | NO ONE.
func replicaOf(c *Ctx) {
	host, port := c.Args[1], c.Args[2]
	if c.d.routing != nil {
		c.W.Error(errReplicaOfCluster)
		return
	}
	if c.d.failover.under() != "" {
		c.W.Error(errReplicaOfFailover)
		return
	}
	if isWord(host, "no") && isWord(port, "one") {
		if refused := c.setPrimary(nil); refused != "" {
			c.W.Error(refused)
			return
		}
		c.W.OK()
		return
	}
	if c.Client.Has(FlagReplica) {
		c.W.Error(errReplicaOfReplica)
		return
	}
	n, ok := parseLong(port)
	if !ok || n < 0 || n > 65535 {
		c.W.Error(errMasterPort)
		return
	}
	if now, _ := c.d.follow.current(); now != nil && strings.EqualFold(now.host, string(host)) && int64(now.port) == n {
		c.W.Simple("OK Already connected to specified master")
		return
	}
	if refused := c.setPrimary(&attempt{host: string(host), port: int(n)}); refused != "" {
		c.W.Error(refused)
		return
	}
	c.W.OK()
}

// setPrimary is setPrimary for a command, which may be one of EXEC's.
func (c *Ctx) setPrimary(next *attempt) (refused string) {
	f := &c.d.follow
	if c.inExec {
		if !f.rest() {
			return errReplicaOfBusy
		}
	} else {
		f.applying.Lock()
	}
	defer f.applying.Unlock()
	return c.d.setPrimary(next)
}

// rest waits a while until no command of the primary is under way, and keeps it so: the
// caller unlocks applying. False: one is, perhaps the caller.
func (f *following) rest() bool {
	for began := time.Now(); !f.applying.TryLock(); time.Sleep(pausePoll) {
		if time.Since(began) > busyFollowing {
			return false
		}
	}
	return true
}

// setPrimary makes this node follow another primary; nil: none. The caller holds applying.
func (d *Dispatcher) setPrimary(next *attempt) (refused string) {
	f := &d.follow
	demoted := false
	defer func() {
		if demoted {
			d.dropBlocked() // takes locks of shards
		}
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.attempt
	switch {
	case f.closed:
		return errShuttingDown
	case f.loading.Load():
		return errLoading
	case old == nil && next == nil:
		return ""
	}
	if old != nil {
		old.cancel()
		f.detach()
	}
	f.attempt = next
	name := ""
	if next == nil {
		f.on.Store(false)
		f.stale.Store(false)
		d.feed.lead()
		d.log.Info("this node is a primary now", "followed", old.address())
	} else {
		if old == nil {
			db := d.feed.follow()
			// What a node begins with it did not get from there, unless its file says so.
			if f.known = !next.configured || f.loaded; !next.configured {
				f.db = db
			}
		}
		f.on.Store(true)
		f.stale.Store(true)
		if !next.takesOver {
			d.feed.dropReplicas() // their stream may not be that of the new primary
		}
		name = next.host + " " + strconv.Itoa(next.port)
		d.log.Info("this node is a replica now", "primary", next.address())
		ctx, cancel := context.WithCancel(context.Background())
		next.cancel, next.done, next.state, next.lost = cancel, make(chan struct{}), followConnect, time.Now()
		var before <-chan struct{}
		if old != nil {
			before = old.done
		}
		go d.followPrimary(ctx, next, before)
	}
	if err := d.config.Replace("replication.primary", name); err != nil {
		d.log.Error("CONFIG REWRITE will not know whom this node follows", "error", err)
	}
	demoted = next != nil && old == nil
	return ""
}

func (a *attempt) address() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// place says whether the keyspace is what the stream made of it up to its end, and which
// database is selected there.
func (f *following) place() (known bool, db int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.link.Load(); l != nil {
		return true, l.client.DB()
	}
	return f.known, f.db
}

// detach gives the link up. The caller holds mu.
func (f *following) detach() {
	if l := f.link.Swap(nil); l != nil {
		f.db = l.client.DB()
		l.client.Close()
	}
}

// FollowConfigured begins to follow the primary that the configuration names. Clients that
// come later find a replica.
func (d *Dispatcher) FollowConfigured() {
	host, port := d.config.Config().Replication.PrimaryAddress()
	if host == "" || d.routing != nil {
		return
	}
	f := &d.follow
	f.applying.Lock()
	defer f.applying.Unlock()
	d.setPrimary(&attempt{host: host, port: port, configured: true})
}

// StopFollowing ends the connection to the primary for good: the node ends. It is the
// replica that it was, for what is saved then.
func (d *Dispatcher) StopFollowing() { d.follow.close() }

// close ends the work for good. It may be called again.
func (f *following) close() {
	f.mu.Lock()
	f.closed = true
	a := f.attempt
	if a != nil {
		a.cancel()
		f.detach()
	}
	f.mu.Unlock()
	if a != nil {
		<-a.done
	}
}

// current is whom this node follows, and how that stands; nil: nobody.
func (f *following) current() (a *attempt, state string) {
	if !f.on.Load() {
		return nil, ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attempt == nil {
		return nil, ""
	}
	return f.attempt, f.attempt.state
}

// enter notes a state of a. False: this node follows somebody else now.
func (f *following) enter(a *attempt, state string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attempt != a {
		return false
	}
	a.state = state
	return true
}

// role is what ROLE and INFO show of a.
func (f *following) role(a *attempt, d *Dispatcher) nodeRole {
	offset, now := d.feed.position(), time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	r := nodeRole{replica: true, host: a.host, port: a.port, state: a.state}
	r.link = PrimaryLink{Host: a.host, Port: a.port, Up: a.state == followConnected, Syncing: a.state == followSync}
	if f.known {
		r.link.Offset, r.counted = offset, true
	}
	switch l := f.link.Load(); {
	case r.link.Up && l != nil:
		r.link.LastIOSeconds = max(now.UnixMilli()-l.client.lastActive.Load(), 0) / 1000
	case r.link.Syncing:
		r.link.LastIOSeconds = max(now.UnixMilli()-a.heard.Load(), 0) / 1000
		r.link.CopiedBytes, r.link.TotalBytes = uint64(a.received.Load()), uint64(a.total.Load())
	}
	if !r.link.Up {
		r.link.DownSeconds = int64(now.Sub(a.lost) / time.Second)
	}
	return r
}

// refusedByRole says why a command is refused on a replica; "": it is not. writes: the
// command, or one that EXEC runs, may change keys.
func (d *Dispatcher) refusedByRole(c *Ctx, e *entry, writes bool) string {
	f, cfg := &d.follow, &d.config.Config().Replication
	switch {
	case !f.on.Load():
		return ""
	case writes && cfg.ReplicaReadOnly:
		return errReadOnlyNode
	case d.isStale() && !c.allows(e, command.Stale):
		return errMasterDown
	case f.loading.Load() && !c.allows(e, command.Loading):
		return errLoading
	}
	return ""
}

// allows says whether a command, or all that EXEC runs, have a flag.
func (c *Ctx) allows(e *entry, flag command.Flags) bool {
	if m := c.session().multi; e.in.exec && m != nil {
		for _, q := range m.commands {
			if !q.entry.cmd.Has(flag) {
				return false
			}
		}
	}
	return e.cmd.Has(flag)
}

// isStale says that what this replica has is too old to be shown.
func (d *Dispatcher) isStale() bool {
	return d.follow.stale.Load() && d.follow.on.Load() && !d.config.Config().Replication.ReplicaServeStaleData
}

// readOnlyReplica says that clients may not write here.
func (d *Dispatcher) readOnlyReplica() bool {
	return d.follow.on.Load() && d.config.Config().Replication.ReplicaReadOnly
}

// keepsExpired says that keys past their deadline are not to be removed: while writes
// are paused, and on a replica, whose primary says when they go.
func (d *Dispatcher) keepsExpired() bool { return d.frozen() || d.follow.on.Load() }

// keepsExpired is that for a command: a client's write, on a replica that takes them,
// begins with what is there for it.
func (c *Ctx) keepsExpired() bool {
	return c.d.frozen() || c.d.follow.on.Load() && (c.upstream || !c.write)
}

// followBatch executes commands of the primary: each is counted in the stream, and handed
// on, once it has run; those of a transaction all together.
func (d *Dispatcher) followBatch(client *Client, cmds [][][]byte) int {
	f := &d.follow
	f.applying.Lock()
	defer f.applying.Unlock()
	l := f.link.Load()
	if l == nil || l.client != client {
		client.Close() // REPLICAOF came meanwhile
		return len(cmds)
	}
	if isWord(cmds[0][0], "replconf") {
		if len(cmds[0]) > 1 && isWord(cmds[0][1], "getack") {
			d.acknowledge(client)
		}
		l.held = proto.AppendCommand(l.held, cmds[0]...)
		d.handOn(l)
		return 1
	}
	begin := len(l.held)
	l.ends = l.ends[:0]
	for i, args := range cmds {
		// What comes before a transaction counts, though that may be cut.
		if i == batchMax || isWord(args[0], "replconf") || i > 0 && isWord(args[0], "multi") {
			break
		}
		// Before it runs: that may change the arguments.
		l.held = proto.AppendCommand(l.held, args...)
		l.ends = append(l.ends, len(l.held))
	}
	done := d.runBatch(client, cmds[:len(l.ends)])
	end := begin
	if done > 0 {
		end = l.ends[done-1]
	}
	l.held = l.held[:end]
	d.handOn(l)
	return done
}

// handOn counts what was held of the stream, unless that is in the middle of a
// transaction.
func (d *Dispatcher) handOn(l *upstream) {
	if l.client.Has(FlagMulti) || len(l.held) == 0 {
		return
	}
	d.feed.relay(l.held)
	if l.held = l.held[:0]; cap(l.held) > keptReplyBuffer {
		l.held = nil
	}
}

// acknowledge tells the primary how far this node is.
func (d *Dispatcher) acknowledge(client *Client) {
	client.Push(proto.AppendCommand(nil, wordReplConf, wordAck, decimal(int64(d.feed.position()))))
}

var wordAck = []byte("ACK")

// failedHere notes that a command of the primary was refused: the copies differ then.
func (d *Dispatcher) failedHere(c *Ctx, reply []byte) {
	text, _, _ := bytes.Cut(reply, []byte("\r"))
	if quiet, ok := d.follow.failures.Next(); ok {
		name := ""
		if c.Cmd != nil {
			name = c.Cmd.Name
		}
		d.log.Error("a command of the primary was refused here: this replica differs from it", "command", name, "error", string(text), "more_like_it", quiet)
	}
}
