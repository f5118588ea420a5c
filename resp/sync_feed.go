package resp

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"respkv/resp/proto"
)

// replicaFeed is the stream of effects to replicas of Redis's own protocol. It begins
// with the first of them, and a server without pays one atomic load a write.
type replicaFeed struct {
	used   atomic.Int32 // replicas, and one more for the backlog: 0 is all that a write looks at
	wanted atomic.Int32 // replicas without which no write is taken (write_state.go)

	mu       sync.Mutex // guards below; before output.mu, under shards' locks
	id       string     // master_replid: names the stream
	former   string     // its name up to until, when this node followed another; "": none
	until    uint64
	relays   bool // the stream is that of the primary that this node follows
	replicas []*feedReplica
	backlog  *backlog  // its newest part; nil: nobody could resume
	alone    time.Time // since when there is a backlog and no replica
	lastPing time.Time // to all replicas
	db       int       // selected at the end of the stream
	offset   uint64    // bytes of the stream so far
	buf      []byte
	acked    chan struct{} // closed by the next acknowledgement; nil: nobody waits
	delayed  int           // replicas that wait for others before their snapshots
	enough   chan struct{} // closed when there are enough of them; nil: nobody waits

	full, resumed, refused atomic.Uint64 // how replicas began, since CONFIG RESETSTAT
}

// queued is how many bytes wait for replicas.
func (f *replicaFeed) queued() (bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		n, _, _, _ := r.client.out.usage()
		bytes += n + int64(cap(r.pending))
	}
	return bytes
}

type feedReplica struct {
	client  *Client
	state   string // as INFO shows it
	address string // it says to be reached at; "": that of its connection
	port    int
	rdbOnly bool
	acks    bool        // it came with PSYNC, and says how far it is every second
	pending []byte      // effects for later; nil: none are kept
	overdue *time.Timer // ends a replica that does not say that it has the snapshot; nil: it need not
	acked   atomic.Uint64
	ackedAt atomic.Int64 // Unix milliseconds
}

// host is where the replica is reached; of a unix socket: "".
func (r *feedReplica) host() string {
	if r.address != "" {
		return r.address
	}
	host, _, _ := net.SplitHostPort(r.client.Addr())
	return host
}

func (f *replicaFeed) add(r *feedReplica) {
	f.full.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.join(r)
}

// join adds r to the replicas. The caller holds mu.
func (f *replicaFeed) join(r *feedReplica) {
	if len(f.replicas) == 0 {
		f.lastPing = time.Now()
	}
	f.replicas = append(f.replicas, r)
	f.countUsers()
}

// countUsers says whether the stream is to go on. The caller holds mu.
func (f *replicaFeed) countUsers() {
	n := len(f.replicas)
	if f.backlog != nil {
		n++
	}
	if f.relays {
		n = 0 // what is done here is not part of the stream
	}
	f.used.Store(int32(n))
}

func (f *replicaFeed) remove(client *Client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(client)
	if r == nil {
		return
	}
	if r.overdue != nil {
		r.overdue.Stop()
	}
	f.replicas = slices.DeleteFunc(f.replicas, func(other *feedReplica) bool { return other == r })
	f.alone = time.Now()
	f.countUsers()
}

// find returns the replica that a client is, or nil. The caller holds mu.
func (f *replicaFeed) find(client *Client) *feedReplica {
	for _, r := range f.replicas {
		if r.client == client {
			return r
		}
	}
	return nil
}

// delay adds a replica to those that wait for others. enough is closed when there are most
// of them; 0: never. leave ends the waiting.
func (f *replicaFeed) delay(most int) (enough <-chan struct{}, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.enough == nil {
		f.enough = make(chan struct{})
	}
	mine := f.enough
	if f.delayed++; most > 0 && f.delayed >= most {
		close(mine)
		f.enough, f.delayed = nil, 0
	}
	return mine, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.enough == mine {
			f.delayed--
		}
	}
}

func (f *replicaFeed) setState(r *feedReplica, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.state = state
}

// begin keeps the effects from here on for r: it is the moment of its snapshot, under
// all shards' locks. With the first replica the backlog begins.
func (f *replicaFeed) begin(r *feedReplica, backlogSize int64) (id string, offset uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.rdbOnly {
		return f.id, f.offset
	}
	if f.backlog == nil {
		f.id, f.backlog = randomID(), &backlog{size: backlogSize, start: f.offset}
		f.countUsers()
	}
	r.pending, f.db = make([]byte, 0, syncChunk), -1
	return f.id, f.offset
}

// resume lets r go on where it was, in the stream of that name, if the backlog holds
// all that it lacks. position is of the first byte that it lacks, counted from 1.
func (f *replicaFeed) resume(r *feedReplica, id, position []byte, names bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := parseLong(position)
	known := string(id) == f.id || f.former != "" && string(id) == f.former && ok && uint64(n)-1 <= f.until
	if !ok || n < 1 || !known || f.backlog == nil || uint64(n)-1 < f.backlog.start || uint64(n)-1 > f.offset {
		if string(id) != "?" {
			f.refused.Add(1)
		}
		return false
	}
	f.resumed.Add(1)
	r.state = "online"
	f.join(r)
	head := "+CONTINUE"
	if names {
		head += " " + f.id
	}
	r.client.Push([]byte(head + "\r\n"))
	f.backlog.from(uint64(n)-1, r.client.Push)
	return true
}

// awaitOnline has r wait until it acknowledges something.
func (f *replicaFeed) awaitOnline(r *feedReplica, timeout time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.overdue = time.AfterFunc(timeout, r.client.Close)
}

// online pushes what was kept, and lets the rest follow.
func (f *replicaFeed) online(r *feedReplica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.goOnline(r)
}

// goOnline is online with mu held.
func (f *replicaFeed) goOnline(r *feedReplica) {
	r.state = "online"
	r.ackedAt.Store(time.Now().UnixMilli()) // it could not before
	r.client.Push(r.pending)
	r.pending = nil
}

// acknowledge notes how far a replica has come.
func (f *replicaFeed) acknowledge(client *Client, offset uint64, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(client)
	if r == nil {
		return
	}
	if r.overdue != nil {
		r.overdue.Stop()
		r.overdue = nil
		f.goOnline(r)
	}
	r.acked.Store(offset)
	r.ackedAt.Store(now)
	if f.acked != nil {
		close(f.acked)
		f.acked = nil
	}
}

// reached counts the replicas that have acknowledged the stream up to offset. next is
// closed when that may have changed; nil where it is not wanted.
func (f *replicaFeed) reached(offset uint64, wanted bool) (n int64, next <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		if r.state == "online" && r.acked.Load() >= offset {
			n++
		}
	}
	if wanted && f.acked == nil {
		f.acked = make(chan struct{})
	}
	return n, f.acked
}

// await waits until as many replicas have acknowledged the stream up to offset, or ctx
// ends, and returns how many have.
func (f *replicaFeed) await(ctx context.Context, offset uint64, replicas int64) int64 {
	for {
		n, next := f.reached(offset, true)
		if n >= replicas {
			return n
		}
		select {
		case <-next:
		case <-ctx.Done():
			n, _ = f.reached(offset, false)
			return n
		}
	}
}

// askAcks has the replicas tell at once how far they are.
func (f *replicaFeed) askAcks() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.replicas) > 0 {
		f.send(proto.AppendCommand(f.buf[:0], wordReplConf, wordGetAck, wordAny))
	}
}

// feed appends an effect of this command to the stream. The caller holds the locks of
// its keys' shards.
func (c *Ctx) feed(db int, args ...[]byte) {
	if c.together != nil {
		c.together.add(db, args)
		return
	}
	if offset := c.d.feedEffect(db, args...); offset > 0 {
		c.session().fed = offset
	}
}

// feedEffect appends an effect to the stream, and returns where it then ends, 0 if there
// is none. The caller holds the lock of its keys' shards.
func (d *Dispatcher) feedEffect(db int, args ...[]byte) (offset uint64) {
	f := &d.feed
	if f.used.Load() == 0 || d.repl != nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.send(proto.AppendCommand(f.selectDB(f.buf[:0], db), args...))
	return f.offset
}

// selectDB appends to b what makes a database that of the next effect. The caller holds
// mu.
func (f *replicaFeed) selectDB(b []byte, db int) []byte {
	if db == f.db {
		return b
	}
	f.db = db
	return proto.AppendCommand(b, wordSelect, decimal(int64(db)))
}

var (
	wordSelect   = []byte("SELECT")
	wordPing     = []byte("PING")
	wordReplConf = []byte("REPLCONF")
	wordGetAck   = []byte("GETACK")
	wordAny      = []byte("*")
)

// send passes b, which is f.buf or what came of it, on to all replicas. The caller holds mu.
func (f *replicaFeed) send(b []byte) {
	f.buf = b
	if cap(b) > keptReplyBuffer {
		f.buf = nil
	}
	f.pass(b)
}

// pass is send of any bytes. The caller holds mu.
func (f *replicaFeed) pass(b []byte) {
	f.offset += uint64(len(b))
	if f.backlog != nil {
		f.backlog.append(b)
	}
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

// feedUpkeep tells replicas that the server is alive, closes those that fell silent, and
// ends the backlog when none has been there for long. The cron calls it.
func (d *Dispatcher) feedUpkeep(now time.Time) {
	f := &d.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	timeout := d.replicaTimeout()
	for _, r := range f.replicas {
		// One that loads its snapshot acknowledges nothing, but sends line ends.
		if silent := now.UnixMilli() - max(r.ackedAt.Load(), r.client.lastActive.Load()); silent > timeout.Milliseconds() && r.acks && r.state == "online" &&
			!r.client.Has(FlagCloseASAP) {
			d.log.Warn("a silent replica is disconnected", "addr", r.client.Addr(), "after", timeout)
			r.client.Close()
		}
	}
	switch ttl := d.config.Config().Replication.BacklogTTLSeconds; {
	case len(f.replicas) == 0:
		if f.backlog != nil && !f.relays && ttl > 0 && int(now.Sub(f.alone)/time.Second) >= ttl {
			d.log.Info("the replication backlog is freed: no replica for long", "seconds", ttl)
			f.id, f.backlog = randomID(), nil
			f.countUsers()
		}
	case f.relays: // the primary's PING is theirs
	case now.Sub(f.lastPing) >= time.Duration(d.config.Config().Replication.PingReplicaSeconds)*time.Second:
		f.lastPing = now
		f.send(proto.AppendCommand(f.buf[:0], wordPing))
	}
}

// rename gives the stream another name, so that nobody can resume in it.
func (f *replicaFeed) rename() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id = randomID()
}

func (f *replicaFeed) resetStats() {
	f.full.Store(0)
	f.resumed.Store(0)
	f.refused.Store(0)
}

// info describes the stream and its replicas. size is that of a backlog.
func (f *replicaFeed) info(now time.Time, size int64) ReplicationInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	info := ReplicationInfo{ReplID: f.id, FormerID: f.former, FormerEnd: f.until, Offset: f.offset, BacklogSize: size,
		FullSyncs: f.full.Load(), PartialOK: f.resumed.Load(), PartialErr: f.refused.Load()}
	if f.backlog != nil {
		info.BacklogFirst, info.BacklogHistory = f.backlog.start+1, int64(f.offset-f.backlog.start)
	}
	for _, r := range f.replicas {
		info.Replicas = append(info.Replicas, ReplicaLink{
			Host: r.host(), Port: r.port, State: r.state, Offset: r.acked.Load(),
			LagSeconds: max(now.UnixMilli()-r.ackedAt.Load(), 0) / 1000,
		})
	}
	return info
}

// backlogMemory is what the newest part of the stream of effects takes.
func (d *Dispatcher) backlogMemory() int64 {
	if d.repl != nil {
		return d.replicationInfo().BacklogSize
	}
	d.feed.mu.Lock()
	defer d.feed.mu.Unlock()
	if d.feed.backlog == nil {
		return 0
	}
	return d.feed.backlog.memory()
}

func debugChangeReplID(c *Ctx, _ [][]byte) {
	if c.d.repl != nil {
		c.W.Error(errDebugRefused("change-repl-id", "replicas follow slots by config epoch and sequence, not by a replication ID"))
		return
	}
	c.d.feed.rename()
	c.W.OK()
}

// waitFed is WAIT on a node whose replicas are of Redis's own protocol.
func (c *Ctx) waitFed(replicas int64, timeout time.Duration) {
	f, offset := &c.d.feed, c.session().fed
	n, _ := f.reached(offset, false)
	if n >= replicas || c.DenyBlocking() {
		c.W.Int(n)
		return
	}
	f.askAcks()
	c.background(timeout,
		func(w *proto.Writer) {
			n, _ := f.reached(offset, false)
			w.Int(n)
		},
		func(ctx context.Context, w *proto.Writer) { w.Int(f.await(ctx, offset, replicas)) })
}
