package resp

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
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
// The snapshot goes to a file first, or, with repl-diskless-sync and if the replica can
// tell the end of what it is sent without being told its length (capa eof), by way of a
// spool. Either way a replica
// that is slow to read makes nobody wait. Effects from the moment of the snapshot on are
// kept for it until it is online, within client-output-buffer-limit, and pushed to it
// then. Who was there before and lacks no more than the backlog holds goes on where it
// was, at once:
//
//	              PSYNC with its position
//	connected -----------------------------> online
//
// Nodes of a cluster replicate by other means (package replication); there, only the
// snapshot can be had.

// replicaOptions are what REPLCONF told of a connection.
type replicaOptions struct {
	port      int
	address   string
	rdbOnly   bool
	eof       bool // it can tell the end of a snapshot of unknown length
	psync2    bool // it takes a new replication ID from +CONTINUE
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
		case isWord(arg, "capa"): // others are of no use here
			o.eof = o.eof || isWord(value, "eof")
			o.psync2 = o.psync2 || isWord(value, "psync2")
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
	if n, ok := parseLong(offset); ok && n >= 0 {
		c.d.feed.acknowledge(c.Client, uint64(n), c.Now())
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
	case psync && len(c.Args) > 3 && isWord(c.Args[3], "failover") && !c.promoted():
		return
	case c.d.follow.stale.Load() && c.d.follow.on.Load():
		c.W.Error(errNoMasterLink)
		return
	case c.d.routing != nil && psync && !o.rdbOnly:
		c.W.Error(errSyncCluster)
		return
	}
	// SYNC of a cluster's node gives the snapshot, as redis-cli --cluster backup
	// asks for it; who waits for a stream behind it sees the connection end.
	ends := c.d.routing != nil && !o.rdbOnly
	o.rdbOnly = o.rdbOnly || ends
	c.Client.SetFlag(FlagReplica, true)
	c.Client.Reply = ReplyOff // a replica reads the stream only
	r := &feedReplica{client: c.Client, state: "wait_bgsave", address: o.address, port: o.port, rdbOnly: o.rdbOnly, acks: psync}
	r.ackedAt.Store(c.Now())
	d := c.d
	if psync && !o.rdbOnly && d.feed.resume(r, c.Args[1], c.Args[2], o.psync2) {
		return
	}
	d.feed.add(r)
	c.background(0, nil, func(ctx context.Context, _ *proto.Writer) {
		if err := d.serveReplica(ctx, r, o, psync); err != nil {
			d.log.Warn("a replica is dropped", "addr", r.client.Addr(), "error", err)
			r.client.Close()
		}
		if o.rdbOnly {
			d.feed.remove(r.client)
		}
		if ends {
			r.client.Close()
		}
	})
}

// syncKeepAlive is the time between line ends that tell a replica to wait.
const (
	syncKeepAlive = time.Second
	syncChunk     = 64 << 10
)

// replicaTimeout is how long a replica may take no byte, or be silent.
func (d *Dispatcher) replicaTimeout() time.Duration {
	return d.config.Config().Replication.ReplicaTimeout
}

// watchdog calls a function when it was not told for a time that all is well.
type watchdog struct {
	*time.Timer
	patience time.Duration
}

func newWatchdog(patience time.Duration, bark func()) *watchdog {
	return &watchdog{time.AfterFunc(patience, bark), patience}
}

func (w *watchdog) again() { w.Reset(w.patience) }

// serveReplica sends a snapshot, then lets the effects follow.
func (d *Dispatcher) serveReplica(ctx context.Context, r *feedReplica, o replicaOptions, psync bool) error {
	var head string
	atCut := func() {
		id, offset := d.feed.begin(r, d.config.Config().Replication.LogSize)
		if psync {
			head = "+FULLRESYNC " + id + " " + strconv.FormatUint(offset, 10) + "\r\n"
		}
	}
	// A replica that takes nothing for long is cut off.
	stuck := newWatchdog(d.replicaTimeout(), r.client.Close)
	defer stuck.Stop()
	if o.eof && d.config.Config().Replication.DisklessSync {
		return d.sendUnsized(ctx, r, o, stuck, atCut, &head)
	}
	file, err := d.spoolSnapshot(ctx, r, o, stuck, atCut)
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
	d.feed.setState(r, "send_bulk")
	if err := r.client.stream([]byte(head + "$" + strconv.FormatInt(size, 10) + "\r\n")); err != nil {
		return err
	}
	if err := r.client.streamAll(file, stuck); err != nil {
		return err
	}
	if !o.rdbOnly {
		d.feed.online(r)
	}
	return nil
}

// sendUnsized sends a snapshot as it is written, between two marks. Where it ends the
// replica must see before effects follow: it says so by its first acknowledgement.
func (d *Dispatcher) sendUnsized(ctx context.Context, r *feedReplica, o replicaOptions, stuck *watchdog, atCut func(), head *string) error {
	if err := d.delaySync(ctx, r, stuck); err != nil {
		return err
	}
	run, saving, err := d.awaitSnapshot(ctx, r, o, stuck, atCut)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { run.cancel(errReplicaGone) })()
	between := newSpool(d.config.Config().DataDir)
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer d.saver.finish(run)
		between.finish(run.Write(saving, between))
	}()
	defer func() {
		run.cancel(errReplicaGone)
		<-written
		between.close()
	}()
	mark := randomID()
	d.feed.setState(r, "send_bulk")
	if err := r.client.stream([]byte(*head + "$EOF:" + mark + "\r\n")); err != nil {
		return err
	}
	if err := r.client.streamAll(between, stuck); err != nil {
		return err
	}
	if !o.rdbOnly {
		d.feed.awaitOnline(r, d.replicaTimeout())
	}
	return r.client.stream([]byte(mark))
}

// delaySync waits before the snapshot as replication.diskless_sync_delay says.
func (d *Dispatcher) delaySync(ctx context.Context, r *feedReplica, stuck *watchdog) error {
	cfg := &d.config.Config().Replication
	if cfg.DisklessSyncDelay == 0 {
		return nil
	}
	defer r.client.keepAlive(stuck)()
	enough, leave := d.feed.delay(cfg.DisklessSyncMaxReplicas)
	defer leave()
	select {
	case <-enough:
	case <-time.After(cfg.DisklessSyncDelay):
	case <-ctx.Done():
		return errReplicaGone
	}
	return nil
}

// streamAll sends what in holds; after each part stuck begins anew.
func (c *Client) streamAll(in io.Reader, stuck *watchdog) error {
	buf := make([]byte, syncChunk)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if err := c.stream(buf[:n]); err != nil {
				return err
			}
			stuck.again()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// spoolSnapshot writes a snapshot to a file without a name. Meanwhile the replica gets
// line ends, which it takes as a sign of life.
func (d *Dispatcher) spoolSnapshot(ctx context.Context, r *feedReplica, o replicaOptions, stuck *watchdog, atCut func()) (file *os.File, err error) {
	if file, err = nameless(d.config.Config().DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	run, saving, err := d.awaitSnapshot(ctx, r, o, stuck, atCut)
	if err != nil {
		return nil, err
	}
	defer d.saver.finish(run)
	defer context.AfterFunc(ctx, func() { run.cancel(errReplicaGone) })()
	defer r.client.keepAlive(stuck)()
	return file, persistence.Fill(saving, run.Snapshot, file)
}

// nameless makes a file in dir that is gone when it is closed.
func nameless(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, "sync-*.rdb")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

var errReplicaGone = errors.New("the replica is gone")

// awaitSnapshot begins a snapshot once no other is under way.
func (d *Dispatcher) awaitSnapshot(ctx context.Context, r *feedReplica, o replicaOptions, stuck *watchdog, atCut func()) (*snapshotRun, context.Context, error) {
	defer r.client.keepAlive(stuck)()
	for {
		run, saving, err := d.beginSync(atCut)
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

// beginSync begins a snapshot for a replica. On a node that is one itself it has what the
// position at that moment counts, no more and no less.
func (d *Dispatcher) beginSync(atCut func()) (*snapshotRun, context.Context, error) {
	f := &d.follow
	f.applying.Lock()
	defer f.applying.Unlock()
	run, saving, err := d.beginSnapshot(false, false, atCut)
	if l := f.link.Load(); err == nil && l != nil {
		run.Aux = append(run.Aux, [2]string{auxStreamDB, strconv.Itoa(l.client.DB())})
	}
	return run, saving, err
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

// keepAlive sends line ends until stop is called, which waits for the last of them.
// After each, stuck begins anew.
func (c *Client) keepAlive(stuck *watchdog) (stop func()) {
	ended := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		tick := time.NewTicker(syncKeepAlive)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				if c.stream([]byte("\n")) != nil {
					return
				}
				stuck.again()
			}
		}
	})
	return func() {
		close(ended)
		sending.Wait()
	}
}
