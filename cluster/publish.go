package cluster

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

// Publish connections carry pub/sub messages one way, from the node they were
// published on to one that may have subscribers. Integers are big endian:
//
//	size     u32   of what follows
//	kind     u8    publishHello, publishChannel or publishShard
//	channel  u32   its length, then its bytes
//	text           the rest
//
// The first one is a hello: who sends, in place of a channel, and to whom
// (publishorder.go).
// Nothing is acknowledged: pub/sub promises no delivery.
const (
	publishHeader = 4 + 1 + 4

	// Kinds. Append only: they go over the wire.
	publishChannel = 1
	publishShard   = 2
	publishHello   = 3

	// publishQueue bounds the bytes that wait for one peer; past it the oldest
	// messages are dropped, and a larger message is not sent at all. It is
	// twice what Redis keeps for a subscriber by default.
	publishQueue = 64 << 20
	// publishChunk is what a peer has to take within the timeout.
	publishChunk = 256 << 10
	// publishIdle is how long a connection without messages is kept.
	publishIdle = time.Minute
	// publishRetry is the longest pause between attempts to connect, and the one
	// after a connection that the peer has ended within it.
	publishRetry = time.Second
	// publishKept is how many timeouts messages are kept for a peer that cannot be
	// reached: who subscribes there later is not to hear of them.
	publishKept = 5
)

var errPublishFrame = errors.New("cluster: malformed pub/sub message")

// publisher sends messages to other nodes over one connection each.
type publisher struct {
	self    publishSource // of the newest connection
	dial    func(ctx context.Context, to slotmap.NodeID) (net.Conn, error)
	timeout time.Duration // of one write

	dropped atomic.Uint64 // messages that a peer did not take in time

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // guards peers and self; held for no I/O. Before a queue's own
	peers  map[slotmap.NodeID]*publishPeer
}

// publishPeer is what waits for one node.
type publishPeer struct {
	mu     sync.Mutex // guards below; a leaf
	frames [][]byte
	bytes  int
	wake   chan struct{} // capacity 1: there are frames
}

func newPublisher(self publishSource, timeout time.Duration, dial func(ctx context.Context, to slotmap.NodeID) (net.Conn, error)) *publisher {
	p := &publisher{self: self, dial: dial, timeout: timeout, peers: map[slotmap.NodeID]*publishPeer{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// publishFrame encodes a message. It is shared by all queues and never changed.
func publishFrame(kind byte, channel, text []byte) []byte {
	frame := make([]byte, 0, publishHeader+len(channel)+len(text))
	frame = binary.BigEndian.AppendUint32(frame, uint32(1+4+len(channel)+len(text)))
	frame = append(frame, kind)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(channel)))
	frame = append(frame, channel...)
	return append(frame, text...)
}

// send queues a frame; it never waits for the peer.
func (p *publisher) send(to slotmap.NodeID, frame []byte) {
	if len(frame) > publishQueue {
		p.dropped.Add(1)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	peer := p.peers[to]
	if peer == nil {
		peer = &publishPeer{wake: make(chan struct{}, 1)}
		p.peers[to] = peer
		p.wg.Add(1)
		go p.run(to, peer)
	}
	peer.mu.Lock()
	for peer.bytes+len(frame) > publishQueue {
		peer.bytes -= len(peer.frames[0])
		peer.frames = peer.frames[1:]
		p.dropped.Add(1)
	}
	peer.frames = append(peer.frames, frame)
	peer.bytes += len(frame)
	peer.mu.Unlock()
	signal(peer.wake)
}

// take removes the oldest frames from the queue: about a chunk of them, one at
// least if there is one.
func (q *publishPeer) take() net.Buffers {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.frames) && size < publishChunk {
		size += len(q.frames[n])
		n++
	}
	frames := q.frames[:n:n]
	if q.frames = q.frames[n:]; len(q.frames) == 0 {
		q.frames = nil
	}
	q.bytes -= size
	return frames
}

// run owns the connection to one peer, and ends when there has been nothing to
// send for long.
func (p *publisher) run(to slotmap.NodeID, peer *publishPeer) {
	defer p.wg.Done()
	var conn net.Conn
	var gone chan struct{} // closed when the other side ends conn
	drop := func() {
		if conn != nil {
			_ = conn.Close()
			conn, gone = nil, nil
		}
	}
	defer func() { drop() }()
	idle := time.NewTimer(publishIdle)
	defer idle.Stop()
	pause := time.Duration(0)
	rest := func(d time.Duration) (goOn bool) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-p.ctx.Done():
			return false
		}
	}
	var connected, failing time.Time // failing: since when no connection was made
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-gone:
			drop()
			// It may not be the node that is meant: each message would connect again.
			if time.Since(connected) < publishRetry && !rest(publishRetry) {
				return
			}
			continue
		case <-idle.C:
			if p.retire(to, peer) {
				return
			}
			idle.Reset(publishIdle)
			continue
		case <-peer.wake:
		}
		idle.Reset(publishIdle)
		var err error
		if conn == nil {
			if conn, err = p.connect(to); err == nil {
				gone = make(chan struct{})
				go watchEnd(conn, gone)
				connected, failing = time.Now(), time.Time{}
			} else if failing.IsZero() {
				failing = time.Now()
			}
		}
		if err == nil {
			err = p.write(conn, peer)
		}
		if err == nil {
			pause = 0
			continue
		}
		drop()
		// What was being written is lost; what waits, and what comes meanwhile,
		// is tried on a new connection.
		pause = min(max(2*pause, 20*time.Millisecond), publishRetry)
		if !rest(pause) {
			return
		}
		if !failing.IsZero() && time.Since(failing) > publishKept*p.timeout {
			p.dropped.Add(uint64(peer.clear()))
			continue
		}
		signal(peer.wake)
	}
}

// clear empties the queue and tells how many frames were in it.
func (q *publishPeer) clear() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.frames)
	q.frames, q.bytes = nil, 0
	return n
}

// retire forgets an idle peer; false: something has come for it.
func (p *publisher) retire(to slotmap.NodeID, peer *publishPeer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	peer.mu.Lock()
	defer peer.mu.Unlock()
	if len(peer.frames) > 0 {
		return false
	}
	delete(p.peers, to)
	return true
}

func (p *publisher) connect(to slotmap.NodeID) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, p.timeout)
	defer cancel()
	conn, err := p.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.self.connection++
	hello := p.self.frame(to)
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := conn.Write(hello); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// write sends what is queued. A peer that takes a chunk in time may be slow.
func (p *publisher) write(conn net.Conn, peer *publishPeer) error {
	stop := context.AfterFunc(p.ctx, func() { _ = conn.Close() })
	defer stop()
	for {
		frames := peer.take()
		if len(frames) == 0 {
			return nil
		}
		if err := p.writeFrames(conn, frames); err != nil {
			p.dropped.Add(uint64(len(frames)))
			return err
		}
	}
}

func (p *publisher) writeFrames(conn net.Conn, frames net.Buffers) error {
	var long []byte
	if last := frames[len(frames)-1]; len(last) > publishChunk {
		frames, long = frames[:len(frames)-1], last
	}
	_ = conn.SetWriteDeadline(time.Now().Add(p.timeout))
	_, err := frames.WriteTo(conn)
	for err == nil && len(long) > 0 {
		n := min(len(long), publishChunk)
		_ = conn.SetWriteDeadline(time.Now().Add(p.timeout))
		_, err = conn.Write(long[:n])
		long = long[n:]
	}
	return err
}

func (p *publisher) close() {
	p.cancel()
	p.wg.Wait()
}

// publishReader reads the messages of one connection. Memory grows with what
// arrives, not with what is announced.
type publishReader struct {
	r    *bufio.Reader
	data []byte
}

func newPublishReader(conn io.Reader) *publishReader {
	return &publishReader{r: bufio.NewReader(conn)}
}

// next returns one message; its bytes are valid until the next call.
func (p *publishReader) next() (kind byte, channel, text []byte, err error) {
	if cap(p.data) > 1<<20 {
		p.data = nil // one large message is not kept for ever
	}
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return 0, nil, nil, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size < 5 || size > publishQueue {
		return 0, nil, nil, fmt.Errorf("%w: %d bytes", errPublishFrame, size)
	}
	p.data = p.data[:0]
	for len(p.data) < size {
		have := len(p.data)
		step := min(size-have, max(have, 64<<10))
		p.data = append(p.data, make([]byte, step)...)
		if _, err := io.ReadFull(p.r, p.data[have:]); err != nil {
			return 0, nil, nil, err
		}
	}
	kind, length, rest := p.data[0], binary.BigEndian.Uint32(p.data[1:]), p.data[5:]
	if kind < publishChannel || kind > publishHello || uint64(length) > uint64(len(rest)) {
		return 0, nil, nil, fmt.Errorf("%w: kind %d, channel of %d bytes", errPublishFrame, kind, length)
	}
	return kind, rest[:length:length], rest[length:], nil
}

// Publish sends a pub/sub message to all other nodes. It never waits: what a
// node does not take in time is dropped. The bytes are copied.
func (n *Node) Publish(channel, text []byte) {
	m := n.router.current.Load().m
	var frame []byte
	for i := range m.Nodes() {
		other := &m.Nodes()[i]
		if other.ID == n.id || other.State == slotmap.NodeFailed {
			continue
		}
		if frame == nil {
			frame = publishFrame(publishChannel, channel, text)
		}
		n.pub.send(other.ID, frame)
	}
}

// PublishSlot is Publish for a shard channel: to the other nodes that hold its
// slot.
func (n *Node) PublishSlot(slot uint16, channel, text []byte) {
	a := n.router.current.Load().m.Slot(slot)
	frame := publishFrame(publishShard, channel, text)
	if a.Primary != "" && a.Primary != n.id {
		n.pub.send(a.Primary, frame)
	}
	for _, id := range a.Replicas {
		if id != n.id {
			n.pub.send(id, frame)
		}
	}
}

// PublishDropped is the number of messages that other nodes did not take in time.
func (n *Node) PublishDropped() uint64 { return n.pub.dropped.Load() }

// HandlePublished has deliver called for each message published on another node;
// shard says that its channel is a shard channel. The bytes are only valid during
// the call. It is called from one goroutine per node at a time.
func (n *Node) HandlePublished(deliver func(shard bool, channel, text []byte)) {
	order := newPublishOrder(n.id, func(id slotmap.NodeID) bool { return n.router.current.Load().m.Node(id) != nil })
	n.mux.Handle(mux.Publish, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		if err := order.read(conn, deliver); err != nil && !errors.Is(err, io.EOF) && n.ctx.Err() == nil {
			n.log.Debug("a pub/sub connection ended", "peer", conn.RemoteAddr(), "error", err)
		}
	})
}
