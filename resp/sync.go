package resp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/persistence"
	"respkv/resp/proto"
)

// Replicas of Redis's own protocol (redis-cli --replica, a redis-server with
// REPLICAOF) may follow a standalone node. Each begins with a snapshot:
//
//	            SYNC, PSYNC                snapshot on disk         file sent
//	connected --------------> snapshotting -----------------> sending ---------> online
//
// The snapshot is written to a file first, so that a replica that is slow to read makes
// nobody wait. Effects from the moment of the snapshot on are kept for it until it is
// online, within client-output-buffer-limit, and pushed to it then. There is no partial
// resync: who comes back begins anew. Nodes of a cluster replicate by other means
// (package replication); there, only the snapshot can be had.
type replicaFeed struct {
	used atomic.Int32 // replicas: 0 is all that a write looks at

	mu       sync.Mutex // guards below; before output.mu, under shards' locks
	replicas []*feedReplica
	db       int    // selected at the end of the stream
	offset   uint64 // bytes of the stream so far
	buf      []byte
}

type feedReplica struct {
	client  *Client
	state   string // as INFO shows it
	port    int
	pending []byte // effects for later
	acked   atomic.Uint64
	ackedAt atomic.Int64 // Unix milliseconds
}

// replicaOptions are what REPLCONF told of a connection.
type replicaOptions struct {
	port      int
	address   string
	rdbOnly   bool
	functions bool // no keys
}

func init() {
	handle(map[string]Handler{
		"sync":     func(c *Ctx) { syncReplica(c, false) },
		"psync":    func(c *Ctx) { syncReplica(c, true) },
		"replconf": replConf,
	})
}

func replConf(c *Ctx) {
	if len(c.Args)%2 == 0 {
		c.W.Error(errSyntax)
		return
	}
	o := &c.session().replica
	for i := 1; i < len(c.Args); i += 2 {
		value := c.Args[i+1]
		switch arg := c.Args[i]; {
		case isWord(arg, "listening-port"):
			n, ok := c.intArg(i + 1)
			if !ok {
				return
			}
			o.port = int(n)
		case isWord(arg, "ip-address"):
			if len(value) > 255 {
				c.W.Error(errReplicaAddress(len(value)))
				return
			}
			o.address = string(value)
		case isWord(arg, "capa"): // what it can do beyond what it is asked for
		case isWord(arg, "ack"):
			c.acknowledged(value)
			return
		case isWord(arg, "getack"):
			return // for replicas
		case isWord(arg, "rdb-only"):
			n, ok := c.intArg(i + 1)
			if !ok {
				return
			}
			if n < 0 || n > 1 {
				c.W.Error(errRDBOnly)
				return
			}
			o.rdbOnly = n == 1
		case isWord(arg, "rdb-filter-only"):
			if len(value) > 0 && !isWord(value, "functions") {
				c.W.Error(errRDBFilter(value))
				return
			}
			o.functions = len(value) > 0
		default:
			c.W.Error(errReplConf(arg))
			return
		}
	}
	c.W.OK()
}

// acknowledged notes how far a replica has come. There is no reply.
func (c *Ctx) acknowledged(offset []byte) {
	if r := c.d.feed.find(c.Client); r != nil {
		if n, ok := parseLong(offset); ok && n >= 0 {
			r.acked.Store(uint64(n))
			r.ackedAt.Store(c.Now())
		}
	}
}

// syncReplica is SYNC and PSYNC. The client is parked until its snapshot is sent.
func syncReplica(c *Ctx, psync bool) {
	o := c.session().replica
	switch {
	case c.Client.Has(FlagReplica):
		return
	case c.W.Len() > 0:
		c.W.Error(errSyncPending)
		return
	case c.d.routing != nil && !o.rdbOnly:
		c.W.Error(errSyncCluster)
		return
	}
	c.Client.SetFlag(FlagReplica, true)
	c.Client.Reply = ReplyOff // a replica reads the stream only
	r := &feedReplica{client: c.Client, state: "wait_bgsave", port: o.port}
	r.ackedAt.Store(c.Now())
	d := c.d
	d.feed.add(r)
	c.background(0, nil, func(ctx context.Context, _ *proto.Writer) {
		if err := d.serveReplica(ctx, r, o, psync); err != nil {
			d.log.Warn("a replica is dropped", "addr", r.client.Addr(), "error", err)
			r.client.Close()
		}
		if o.rdbOnly {
			d.feed.remove(r.client)
		}
	})
}

// syncKeepAlive is the time between line ends that tell a replica to wait; syncTimeout
// how long it may take no byte.
const (
	syncKeepAlive = time.Second
	syncTimeout   = 60 * time.Second
	syncChunk     = 64 << 10
)

// serveReplica makes a snapshot and sends it, then lets the effects follow.
func (d *Dispatcher) serveReplica(ctx context.Context, r *feedReplica, o replicaOptions, psync bool) error {
	file, offset, err := d.spoolSnapshot(ctx, r, o)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	head := "$" + strconv.FormatInt(size, 10) + "\r\n"
	if psync {
		head = "+FULLRESYNC " + d.runID + " " + strconv.FormatUint(offset, 10) + "\r\n" + head
	}
	d.feed.setState(r, "send_bulk")
	if err := r.client.stream([]byte(head)); err != nil {
		return err
	}
	// A replica that takes nothing for long is cut off.
	stuck := time.AfterFunc(syncTimeout, r.client.Close)
	defer stuck.Stop()
	buf := make([]byte, syncChunk)
	for {
		n, err := file.Read(buf)
		if n > 0 {
			if err := r.client.stream(buf[:n]); err != nil {
				return err
			}
			stuck.Reset(syncTimeout)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if !o.rdbOnly {
		d.feed.online(r)
	}
	return nil
}

// spoolSnapshot writes a snapshot to a file without a name. Meanwhile the replica gets
// line ends, which it takes as a sign of life. offset is that of the stream at the
// moment of the snapshot.
func (d *Dispatcher) spoolSnapshot(ctx context.Context, r *feedReplica, o replicaOptions) (_ *os.File, offset uint64, err error) {
	dir := d.config.Config().DataDir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, 0, err
	}
	file, err := os.CreateTemp(dir, "sync-*.rdb")
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, 0, err
	}
	stop := make(chan struct{})
	var alive sync.WaitGroup
	alive.Go(func() { r.client.keepAlive(stop) })
	defer alive.Wait()
	defer close(stop)
	run, saving, err := d.awaitSnapshot(ctx, o, func() { offset = d.feed.begin(r) })
	if err != nil {
		return nil, 0, err
	}
	defer d.saver.finish(run)
	defer context.AfterFunc(ctx, func() { run.cancel(errReplicaGone) })()
	return file, offset, persistence.Fill(saving, run.Snapshot, file)
}

var errReplicaGone = errors.New("the replica is gone")

// awaitSnapshot begins a snapshot once no other is under way.
func (d *Dispatcher) awaitSnapshot(ctx context.Context, o replicaOptions, atCut func()) (*snapshotRun, context.Context, error) {
	for {
		run, saving, err := d.beginSnapshot(false, false, atCut)
		if !errors.Is(err, errSaving) {
			if err == nil && o.functions {
				run.NoKeys = true
			}
			return run, saving, err
		}
		select {
		case <-d.saver.ended():
		case <-ctx.Done():
			return nil, nil, errReplicaGone
		}
	}
}

// ended is closed when the snapshot under way is; at once when there is none.
func (s *saver) ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return s.running.ended
	}
	none := make(chan struct{})
	close(none)
	return none
}

// keepAlive sends line ends until stop is closed.
func (c *Client) keepAlive(stop <-chan struct{}) {
	tick := time.NewTicker(syncKeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if c.stream([]byte("\n")) != nil {
				return
			}
		}
	}
}

func (f *replicaFeed) add(r *feedReplica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas = append(f.replicas, r)
	f.used.Store(int32(len(f.replicas)))
}

func (f *replicaFeed) remove(client *Client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range f.replicas {
		if r.client == client {
			f.replicas = append(f.replicas[:i:i], f.replicas[i+1:]...)
			f.used.Store(int32(len(f.replicas)))
			return
		}
	}
}

func (f *replicaFeed) find(client *Client) *feedReplica {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		if r.client == client {
			return r
		}
	}
	return nil
}

func (f *replicaFeed) setState(r *feedReplica, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.state = state
}

// begin keeps the effects from here on for r: it is the moment of its snapshot.
func (f *replicaFeed) begin(r *feedReplica) (offset uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.pending, f.db = make([]byte, 0, syncChunk), -1
	return f.offset
}

// online pushes what was kept, and lets the rest follow.
func (f *replicaFeed) online(r *feedReplica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.state = "online"
	r.client.Push(r.pending)
	r.pending = nil
}

// feedEffect appends an effect to the stream. The caller holds the lock of its keys'
// shards.
func (d *Dispatcher) feedEffect(db int, args ...[]byte) {
	f := &d.feed
	if f.used.Load() == 0 || d.repl != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buf = f.buf[:0]
	if db != f.db {
		f.db = db
		f.buf = proto.AppendCommand(f.buf, wordSelect, decimal(int64(db)))
	}
	f.send(proto.AppendCommand(f.buf, args...))
}

// feedEffects appends the effects of a command to the stream.
func (d *Dispatcher) feedEffects(c *Ctx) {
	if !c.keep {
		d.feedEffect(c.Tx.DB, c.Args...)
		return
	}
	for _, e := range c.effects {
		d.feedEffect(c.Tx.DB, c.argv[e.first:e.last]...)
	}
}

var (
	wordSelect = []byte("SELECT")
	wordPing   = []byte("PING")
)

// send passes b on to all replicas. The caller holds mu.
func (f *replicaFeed) send(b []byte) {
	f.buf = b
	if cap(b) > keptReplyBuffer {
		f.buf = nil
	}
	f.offset += uint64(len(b))
	for _, r := range f.replicas {
		switch {
		case r.state == "online":
			r.client.Push(b)
		case r.pending == nil:
		default:
			r.pending = append(r.pending, b...)
			limit := r.client.server.limits.Load().Output[ClassReplica].HardBytes
			if limit > 0 && int64(len(r.pending)) > limit {
				r.client.server.log.Warn("replica closed: output buffer limit exceeded", "addr", r.client.addr, "bytes", len(r.pending))
				r.client.Close()
				r.pending = nil
			}
		}
	}
}

// replicaPing is the period of PING to replicas, as in Redis.
const replicaPing = 10 * time.Second

// pingReplicas tells replicas that the server is alive. The cron calls it.
func (d *Dispatcher) pingReplicas(now time.Time) {
	f := &d.feed
	if f.used.Load() == 0 || now.Before(d.cron.nextPing) {
		return
	}
	d.cron.nextPing = now.Add(replicaPing)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.send(proto.AppendCommand(f.buf[:0], wordPing))
}

// links describes the replicas for INFO and ROLE.
func (f *replicaFeed) links(now time.Time) (links []ReplicaLink, offset uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		host, _, _ := net.SplitHostPort(r.client.Addr()) // of a unix socket: none
		links = append(links, ReplicaLink{
			Host: host, Port: r.port, State: r.state, Offset: r.acked.Load(),
			LagSeconds: max(now.UnixMilli()-r.ackedAt.Load(), 0) / 1000,
		})
	}
	return links, f.offset
}
