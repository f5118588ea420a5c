package resp

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"sync"
	"time"

	"respkv/internal/config"
	"respkv/internal/lua"
	"respkv/store"
)

// DispatcherOptions are what commands run on.
type DispatcherOptions struct {
	// Store is the keyspace. Its hooks must be the dispatcher's Expired.
	Store *store.Store
	// Routing is the cluster; nil: a standalone node.
	Routing Routing
	// Replicator is the replication; nil: nothing is replicated.
	Replicator Replicator
	// Shared is what the nodes of the cluster have in common; nil: a standalone
	// node.
	Shared Shared
	// Config is the configuration, and what CONFIG changes.
	Config *config.Live
	// DialPrimary connects to the primary of a standalone node that is a replica; nil:
	// over TCP.
	DialPrimary func(ctx context.Context, address string) (net.Conn, error)
	// Shutdown begins to end the node; called by SHUTDOWN. It does not wait.
	Shutdown func(o ShutdownOptions) error
	// Version is this program's version, for INFO; empty: "unknown".
	Version string
	Logger  *slog.Logger
}

// ShutdownOptions are the arguments of SHUTDOWN.
type ShutdownOptions struct {
	Now   bool // do not hand over: leave at once
	Force bool
}

// NewDispatcher binds all commands. Attach a server before it is used.
func NewDispatcher(o DispatcherOptions) (*Dispatcher, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	d := &Dispatcher{
		store: o.Store, routing: o.Routing, repl: o.Replicator, shared: o.Shared, config: o.Config,
		log: o.Logger, dialPrimary: o.DialPrimary, shutdown: o.Shutdown, version: cmp.Or(o.Version, "unknown"),
		started: time.Now(), runID: randomID(), feed: replicaFeed{id: randomID()},
		batches: sync.Pool{New: newBatch}, stepping: defaultStepping,
	}
	if d.dialPrimary == nil {
		d.dialPrimary = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	d.engine = lua.NewEngine(lua.Options{
		Version:     RedisVersion,
		MemoryLimit: func() int { return int(o.Config.Config().Server.LuaMemoryLimit) },
		LooksAtAll:  d.looksAtAll,
		Stays:       d.staysDeclared,
		Log:         d.logScript,
	})
	d.memory.init()
	d.tracing.configure(o.Config.Config())
	d.saver.init(d.started)
	if err := d.bind(); err != nil {
		return nil, err
	}
	if err := d.loadUsers(); err != nil {
		return nil, err
	}
	return d, nil
}

// Attach tells the dispatcher which server it serves, and starts its background
// work. Call it once, before the server starts; Close ends that work.
func (d *Dispatcher) Attach(s *Server) {
	d.server = s
	d.removeUnfinished()
	d.observe()
	d.cron.start(d)
}

// Close ends the background work. The server has been shut down, or never
// started.
func (d *Dispatcher) Close() {
	d.follow.close()
	d.cron.stop()
	d.saver.stop()
	d.migration.close()
	d.evictor.close()
	d.reclaimer.close()
}

// Commands returns how many commands of clients were executed since the start,
// or CONFIG RESETSTAT. Safe for concurrent use.
func (d *Dispatcher) Commands() int64 { return d.stats.commands.Load() }

// Connected implements Executor.
func (d *Dispatcher) Connected(client *Client) {
	if client.Has(FlagMaster) {
		return // it came prepared
	}
	d.asDefaultUser(client)
	client.Session = &session{}
}

// Disconnected implements Executor.
func (d *Dispatcher) Disconnected(client *Client) {
	d.blocked.disconnected(client)
	d.feed.remove(client)
	if s, ok := client.Session.(*session); ok {
		d.unwatch(client, s)
		d.unsubscribeAll(client, s)
		d.leaveMonitor(client)
		d.stopTracking(client, s)
		s.multi = nil
		if s.upstream != nil {
			d.upstreamGone(s.upstream)
		}
	}
}

// session is the dispatcher's state of one client, kept in Client.Session.
type session struct {
	// written holds a bit for each slot that the client wrote to since the
	// last WAIT; nil until it writes on a node that replicates.
	written *[slotWords]uint64
	// waited are the positions of its earlier writes, by slot: what WAIT waits
	// for includes them.
	waited map[uint16]Mark

	multi   *transaction // being queued; nil: none
	watches []*watch
	subs    subscriptions

	prefixes  []string       // of CLIENT TRACKING BCAST, ascending
	replica   replicaOptions // what REPLCONF said
	debug     debugMode      // for the next EVAL
	debugging *debugSession  // of the EVAL that runs

	upstream *upstream // of the connection to this node's primary
	fed      uint64    // where the stream to replicas of Redis ended after its last write
}

const slotWords = 16384 / 64

// wrote notes a write to slot for WAIT.
func (s *session) wrote(slot uint16) {
	if s.written == nil {
		s.written = new([slotWords]uint64)
	}
	s.written[slot/64] |= 1 << (slot % 64)
}

func (c *Ctx) session() *session { return c.Client.Session.(*session) }

// Expired logs the removal of a key past its deadline. It implements store.Hooks
// and is called with the lock of the key's shard held.
func (d *Dispatcher) Expired(db int, k store.Key) { d.removed(db, k, NotifyExpired, "expired") }

// evicted is Expired for a key that was evicted.
func (d *Dispatcher) evicted(db int, k store.Key) { d.removed(db, k, NotifyEvicted, "evicted") }

// removed tells of a key that no client removed.
func (d *Dispatcher) removed(db int, k store.Key, class NotifyClass, event string) {
	if d.watches.used() {
		d.touchExpired(db, k)
	}
	if d.tracking.used() {
		d.invalidate(nil, k)
	}
	d.publishEvent(class, event, db, k.Name)
	d.feedEffect(db, wordDel, k.Name)
	d.abandon(db, k)
	if d.repl == nil {
		return
	}
	d.appendEffect(k.Slot, db, [][]byte{wordDel, k.Name})
}

// FieldsExpired logs the removal of hash fields past their deadline; all: the
// hash goes with them. It implements store.Hooks and is called with the lock of
// the key's shard held.
func (d *Dispatcher) FieldsExpired(db int, k store.Key, fields [][]byte, all bool) {
	d.changed(nil, db, k)
	d.publishEvent(NotifyHash, "hexpired", db, k.Name)
	if all {
		d.publishEvent(NotifyGeneric, "del", db, k.Name)
	}
	if d.repl == nil && d.feed.used.Load() == 0 {
		return
	}
	effect := append([][]byte{wordHDel, k.Name}, fields...)
	d.feedEffect(db, effect...)
	if d.repl != nil {
		d.repl.Append(k.Slot, db, 0, effect)
	}
}

func randomID() string {
	var b [20]byte
	rand.Read(b[:]) // never fails (documented)
	return hex.EncodeToString(b[:])
}
