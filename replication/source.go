package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/throttle"
)

// SourceOptions are what a Source needs.
type SourceOptions struct {
	Config Config
	Log    *Log
	Slots  Slots
	// Keys returns all key names of an effect, as Applier.Keys.
	Keys   func(args [][]byte) [][]byte
	NodeID string // of this node, 1 to 64 bytes
	BootID uint64 // differs from process to process
	// Known tells whether a node is a member: a link costs some MB, and each
	// node has one, so this bounds what links cost. nil: all are.
	Known func(node string) bool
	// Counts tells whether what a node holds of a slot counts as held by a replica;
	// not from when its copy is to be removed. It must not block. nil: always.
	Counts func(node string, slot uint16) bool
	Logger *slog.Logger
}

// maxLinks bounds the links of a source: the members of the largest cluster.
const maxLinks = 1024

// Source is the primary side of replication: it serves the links that replicas
// open to this node. All methods are safe for concurrent use.
type Source struct {
	SourceOptions
	log    *Log
	acks   *acks
	budget copyBudget
	copies chan struct{}  // one token per link that copies
	behind throttle.Lines // about slots that fall behind the log: mostly all of a replica at once

	mu     sync.Mutex // guards links and closed; before acks.mu and the log's lock
	links  map[*sourceLink]struct{}
	closed bool
	served sync.WaitGroup

	fullSyncs, partialOK, partialErr atomic.Uint64
	bytesOut, bytesIn                atomic.Uint64
}

// Errors of Serve.
var (
	ErrSourceClosed = errors.New("replication: source closed") // after Close
	ErrTooManyLinks = errors.New("replication: too many links")
)

// NewSource returns a source without links.
func NewSource(o SourceOptions) (*Source, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if len(o.NodeID) == 0 || len(o.NodeID) > maxNodeID {
		return nil, fmt.Errorf("replication: node ID of %d bytes", len(o.NodeID))
	}
	return &Source{
		SourceOptions: o,
		log:           o.Log,
		acks:          newAcks(o.Log, o.Counts),
		budget:        copyBudget{perSecond: o.Config.CopyBytesPerSecond},
		copies:        make(chan struct{}, o.Config.CopyParallel),
		links:         make(map[*sourceLink]struct{}),
	}, nil
}

// Serve speaks the link protocol on conn until the link breaks, ctx ends, Close
// is called, or the same node opens another link. It closes conn and returns
// why it ended; never nil.
func (s *Source) Serve(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	link, err := s.greet(conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	link.cancel = cancel
	if err := s.register(link); err != nil {
		return err
	}
	defer s.unregister(link)
	// Whatever ends the link unblocks reads and writes.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var receiver sync.WaitGroup
	receiver.Go(func() { cancel(link.receive()) })
	err = link.send(ctx)
	cancel(err)
	conn.Close()
	receiver.Wait()
	err = context.Cause(ctx)
	s.Logger.Info("replica disconnected", "replica", link.node, "reason", err)
	return err
}

// greet exchanges hellos.
func (s *Source) greet(conn net.Conn) (*sourceLink, error) {
	link := &sourceLink{
		source: s,
		conn:   conn,
		kick:   make(chan struct{}, 1),
	}
	link.lastAck.Store(time.Now().UnixNano())
	link.in = newFrameReader(conn, s.Config.Timeout, 4<<10, func(n int) {
		link.bytesIn.Add(uint64(n))
		s.bytesIn.Add(uint64(n))
	})
	link.out = frameWriter{conn: conn, timeout: s.Config.Timeout, out: func(n int) {
		link.bytesOut.Add(uint64(n))
		s.bytesOut.Add(uint64(n))
	}}
	peer, err := link.in.hello()
	if err != nil {
		return nil, err
	}
	if peer.target != s.NodeID {
		return nil, protocolError("node %q looks for node %q here", peer.node, peer.target)
	}
	if peer.node == s.NodeID {
		return nil, protocolError("this node is its own replica")
	}
	if s.Known != nil && !s.Known(peer.node) {
		return nil, protocolError("node %q is no member", peer.node)
	}
	link.node = peer.node
	link.subs = make([]*subscription, slotCount)
	return link, link.out.hello(hello{node: s.NodeID, boot: s.BootID})
}

func (s *Source) register(link *sourceLink) error {
	reader, err := s.log.reader()
	if err != nil {
		return err
	}
	link.reader = reader
	link.sentOffset.Store(reader.offset)
	link.ackedOffset.Store(reader.offset)
	link.acked = s.acks.add(link.node)
	s.mu.Lock()
	refused := error(nil)
	switch {
	case s.closed:
		refused = ErrSourceClosed
	case len(s.links) >= maxLinks:
		refused = ErrTooManyLinks
	}
	if refused != nil {
		s.mu.Unlock()
		s.acks.remove(link.acked)
		reader.close()
		return refused
	}
	var old *sourceLink
	for other := range s.links {
		if other.node == link.node {
			old = other
		}
	}
	if old != nil {
		// The replica has given this one up, even if the network has not
		// noticed: acknowledgements must not count twice.
		delete(s.links, old)
	}
	s.links[link] = struct{}{}
	s.served.Add(1)
	s.mu.Unlock()
	if old != nil {
		old.cancel(fmt.Errorf("replication: node %s opened another link", link.node))
		s.acks.remove(old.acked)
	}
	s.Logger.Info("replica connected", "replica", link.node, "addr", link.conn.RemoteAddr())
	return nil
}

func (s *Source) unregister(link *sourceLink) {
	s.acks.remove(link.acked)
	link.reader.close()
	link.releaseCopy()
	s.mu.Lock()
	delete(s.links, link)
	s.mu.Unlock()
	s.served.Done()
}

// Close ends all links and waits for their goroutines.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	for link := range s.links {
		link.cancel(ErrSourceClosed)
	}
	s.mu.Unlock()
	s.served.Wait()
}

// ask has all links ask for acknowledgements.
func (s *Source) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for link := range s.links {
		link.asked.Store(true)
		link.wake()
	}
}

// SlotLag is how far the best replica of a slot is behind: what a failover now
// would lose.
type SlotLag struct {
	Replicas int           // that stream the slot
	Effects  uint64        // that the best of them has not acknowledged
	Bytes    uint64        // of effects of all slots it has not acknowledged: an upper bound
	Age      time.Duration // of the oldest effect not acknowledged: an upper bound
}

// Lag returns the lag of slot. Its cost is a lock and a look at each link.
// Without replicas, Effects is all there are.
func (s *Source) Lag(slot uint16) SlotLag {
	now := time.Now()
	pos := s.log.Position(slot)
	best := SlotLag{Effects: pos.Seq}
	s.mu.Lock()
	defer s.mu.Unlock()
	for link := range s.links {
		lag, ok := link.lag(slot, pos.Seq, now)
		if !ok {
			continue
		}
		lag.Replicas = best.Replicas + 1
		if best.Replicas > 0 && lag.Effects >= best.Effects {
			best.Replicas++
			continue
		}
		best = lag
	}
	return best
}

// ReplicaInfo describes the link of one replica.
type ReplicaInfo struct {
	NodeID    string
	Addr      string        // remote address of the connection
	Waiting   int           // slots that wait for their copy
	Copying   int           // slots being copied now
	Streaming int           // slots that follow
	Offset    uint64        // of the log, applied by the replica
	Lag       time.Duration // age of the oldest effect that it has not applied
	LastAck   time.Duration // since it was last heard
	Copied    uint64        // bytes of full copies sent
	BytesOut  uint64
	BytesIn   uint64
}

// Replicas returns the links, ordered by node ID.
func (s *Source) Replicas() []ReplicaInfo {
	now := time.Now()
	s.mu.Lock()
	links := make([]*sourceLink, 0, len(s.links))
	for link := range s.links {
		links = append(links, link)
	}
	s.mu.Unlock()
	infos := make([]ReplicaInfo, 0, len(links))
	for _, link := range links {
		offset := link.ackedOffset.Load()
		infos = append(infos, ReplicaInfo{
			NodeID:  link.node,
			Addr:    link.conn.RemoteAddr().String(),
			Waiting: int(link.queued.Load()), Copying: int(link.copying.Load()), Streaming: int(link.streaming.Load()),
			Offset:  offset,
			Lag:     s.log.age(offset, now),
			LastAck: now.Sub(time.Unix(0, link.lastAck.Load())),
			Copied:  link.copied.Load(), BytesOut: link.bytesOut.Load(), BytesIn: link.bytesIn.Load(),
		})
	}
	slices.SortFunc(infos, func(a, b ReplicaInfo) int { return cmp.Compare(a.NodeID, b.NodeID) })
	return infos
}

// SourceStats count since the start, all links together; the units of syncs are
// slots.
type SourceStats struct {
	FullSyncs  uint64 // sync_full
	PartialOK  uint64 // sync_partial_ok
	PartialErr uint64 // sync_partial_err: asked for a partial resync, got a full one
	BytesOut   uint64
	BytesIn    uint64
}

// Stats returns the counters.
func (s *Source) Stats() SourceStats {
	return SourceStats{
		FullSyncs: s.fullSyncs.Load(), PartialOK: s.partialOK.Load(), PartialErr: s.partialErr.Load(),
		BytesOut: s.bytesOut.Load(), BytesIn: s.bytesIn.Load(),
	}
}

// copyBudget limits the bytes per second of all copies together.
type copyBudget struct {
	perSecond int64
	mu        sync.Mutex // a leaf
	free      time.Time  // when what was taken so far is paid for
}

// take takes n bytes and returns when the next may be taken. It allows bursts of
// a tenth of a second.
func (b *copyBudget) take(n int, now time.Time) time.Time {
	if b.perSecond == 0 {
		return time.Time{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if earliest := now.Add(-100 * time.Millisecond); b.free.Before(earliest) {
		b.free = earliest
	}
	b.free = b.free.Add(time.Duration(float64(n) / float64(b.perSecond) * float64(time.Second)))
	return b.free
}
