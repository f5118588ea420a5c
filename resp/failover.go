package resp

import (
	"context"
	"strings"
	"sync"
	"time"
)

// FAILOVER has a standalone primary change places with one of its replicas, without a
// write lost: writes wait until the replica has all of them, then this node follows it,
// and by the way it asks to (PSYNC ... FAILOVER) the replica becomes the primary.
//
//	            FAILOVER                    a replica has all          it lets us go on
//	no-failover --------> waiting-for-sync -----------------> failover-in-progress ----> no-failover
//
// FAILOVER ABORT, the time limit and a replica that refuses lead back: writes go on here.
type failover struct {
	mu       sync.Mutex // guards the rest; before replicaFeed.mu
	state    string     // as INFO shows it; "": no failover
	host     string     // of the replica; "": whichever has all first
	port     int
	deadline time.Time // zero: none
	force    bool      // past the deadline the replica need not have all
}

const (
	failoverWaiting  = "waiting-for-sync"
	failoverChanging = "failover-in-progress"
)

func init() { handle(map[string]Handler{"failover": failoverCommand}) }

// failoverCommand: FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds].
func failoverCommand(c *Ctx) {
	if c.d.routing != nil {
		c.W.Error(errFailoverInCluster)
		return
	}
	var next failover
	timed := false
	for i := 1; i < len(c.Args); i++ {
		switch arg, more := c.Args[i], len(c.Args)-1-i; {
		case isWord(arg, "timeout") && more >= 1 && !timed:
			ms, ok := c.intArg(i + 1)
			if !ok {
				return
			}
			if ms <= 0 {
				c.W.Error(errFailoverTimeout)
				return
			}
			timed = true
			next.deadline = time.Now().Add(time.Duration(min(ms, int64(time.Hour*1e4/time.Millisecond))) * time.Millisecond)
			i++
		case isWord(arg, "to") && more >= 2 && next.host == "":
			port, ok := c.intArg(i + 2)
			if !ok {
				return
			}
			next.host, next.port = string(c.Args[i+1]), int(port)
			i += 2
		case isWord(arg, "abort") && len(c.Args) == 2:
			if !c.d.abortFailover("FAILOVER ABORT") {
				c.W.Error(errNoFailover)
				return
			}
			c.W.OK()
			return
		case isWord(arg, "force") && !next.force:
			next.force = true
		default:
			c.W.Error(errSyntax)
			return
		}
	}
	if refused := c.d.beginFailover(&next, timed); refused != "" {
		c.W.Error(refused)
		return
	}
	c.W.OK()
}

// beginFailover holds writes back and begins to wait for a replica.
func (d *Dispatcher) beginFailover(next *failover, timed bool) (refused string) {
	f := &d.failover
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.state != "":
		return errFailoverRuns
	case d.follow.on.Load():
		return errFailoverReplica
	case !d.feed.anyReplica():
		return errFailoverReplicas
	case next.force && (!timed || next.host == ""):
		return errFailoverForce
	}
	if next.host != "" {
		switch found, online, _, _ := d.feed.replicaAt(next.host, next.port); {
		case !found:
			return errFailoverTarget
		case !online:
			return errFailoverOffline
		}
	}
	f.state, f.host, f.port, f.deadline, f.force = failoverWaiting, next.host, next.port, next.deadline, next.force
	d.server.HoldWrites(true)
	d.feed.askAcks()
	d.log.Info("a failover begins: writes wait", "replica", f.host, "port", f.port)
	return ""
}

// failoverStep goes on with a failover. The cron calls it.
func (d *Dispatcher) failoverStep(now time.Time) {
	f := &d.failover
	f.mu.Lock()
	if f.state != failoverWaiting {
		f.mu.Unlock()
		return
	}
	late := !f.deadline.IsZero() && now.After(f.deadline)
	_, _, host, port := d.feed.replicaAt(f.host, f.port)
	switch {
	case host != "":
		f.host, f.port = host, port
	case late && !f.force:
		f.mu.Unlock()
		d.abortFailover("no replica had all writes in time")
		return
	case !late:
		f.mu.Unlock()
		return
	}
	f.state = failoverChanging
	next := &attempt{host: f.host, port: f.port, takesOver: true}
	f.mu.Unlock()
	d.log.Info("failing over", "replica", next.address(), "forced", host == "")
	d.follow.applying.Lock()
	refused := d.setPrimary(next)
	d.follow.applying.Unlock()
	if refused != "" {
		d.abortFailover(refused)
	}
}

// abortFailover ends a failover: this node goes on as the primary. False: there is none.
func (d *Dispatcher) abortFailover(reason string) bool {
	f := &d.failover
	f.mu.Lock()
	state := f.state
	f.state = ""
	f.mu.Unlock()
	if state == "" {
		return false
	}
	d.log.Warn("the failover is given up", "reason", reason)
	if state == failoverChanging {
		d.follow.applying.Lock()
		d.setPrimary(nil)
		d.follow.applying.Unlock()
	}
	d.server.HoldWrites(false)
	return true
}

// failedOver is told that the replica has taken over.
func (d *Dispatcher) failedOver() {
	f := &d.failover
	f.mu.Lock()
	running := f.state != ""
	f.state = ""
	f.mu.Unlock()
	if running {
		d.server.HoldWrites(false)
	}
}

// under says that a failover is under way, and how far.
func (f *failover) under() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// promoted answers PSYNC ... FAILOVER: the primary asks this node to take its place. False:
// it replied that it does not.
func (c *Ctx) promoted() bool {
	switch id, _ := c.d.feed.name(); {
	case !c.d.follow.on.Load():
		c.W.Error(errPromotePrimary)
	case !strings.EqualFold(string(c.Args[1]), id):
		c.W.Error(errPromoteOther)
	default:
		if refused := c.setPrimary(nil); refused != "" {
			c.W.Error(refused)
			return false
		}
		return true
	}
	return false
}

// replicasPoll is how often it is looked whether replicas have caught up at the end.
const replicasPoll = 10 * time.Millisecond

// AwaitReplicas holds writes back until the replicas of a standalone node have all that
// was written, or ctx ends: what was answered is not to be lost with a node that ends as
// asked. Writes stay held back.
func (d *Dispatcher) AwaitReplicas(ctx context.Context) {
	if ctx.Err() != nil || d.repl != nil || d.feed.caughtUp() {
		return
	}
	d.server.HoldWrites(true)
	d.feed.askAcks()
	d.log.Info("the replicas are waited for before this node ends")
	tick := time.NewTicker(replicasPoll)
	defer tick.Stop()
	for !d.feed.caughtUp() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			d.log.Warn("a replica lacks some of the writes")
			return
		}
	}
}

// caughtUp says that all replicas that acknowledge have the whole stream.
func (f *replicaFeed) caughtUp() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		if r.acks && !r.rdbOnly && !r.client.Has(FlagCloseASAP) && r.acked.Load() < f.offset {
			return false
		}
	}
	return true
}

func (f *replicaFeed) anyReplica() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.replicas) > 0
}

// replicaAt looks for the replica at an address; host "": for any. ready is the address of
// one that has acknowledged all of the stream, "" while there is none.
func (f *replicaFeed) replicaAt(host string, port int) (found, online bool, ready string, readyPort int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		at := r.host()
		if host != "" && (!strings.EqualFold(at, host) || r.port != port) {
			continue
		}
		found = true
		if r.state != "online" {
			continue
		}
		online = true
		if ready == "" && r.acks && r.acked.Load() >= f.offset {
			ready, readyPort = at, r.port
		}
	}
	return found, online, ready, readyPort
}

const (
	errFailoverInCluster = "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead."
	errNoFailover        = "ERR No failover in progress."
	errFailoverRuns      = "ERR FAILOVER already in progress."
	errFailoverReplica   = "ERR FAILOVER is not valid when server is a replica."
	errFailoverReplicas  = "ERR FAILOVER requires connected replicas."
	errFailoverForce     = "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
	errFailoverTimeout   = "ERR FAILOVER timeout must be greater than 0"
	errFailoverTarget    = "ERR FAILOVER target HOST and PORT is not a replica."
	errFailoverOffline   = "ERR FAILOVER target replica is not online."
	errPromotePrimary    = "ERR PSYNC FAILOVER can't be sent to a master."
	errPromoteOther      = "ERR PSYNC FAILOVER replid must match my replid."
	errReplicaOfFailover = "ERR REPLICAOF not allowed while failing over."
)
