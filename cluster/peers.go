package cluster

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

// Control connections carry messages one way: the dialer first sends its node
// ID (40 bytes), then frames of a 4-byte length and an encoded message. The
// acceptor sends nothing; that the connection ends tells the dialer that the
// other process may be gone.

// maxQueued bounds messages waiting for one peer; more are dropped, as if the
// network had lost them.
const maxQueued = 256

// peers sends messages to other nodes over one connection each.
type peers struct {
	self    slotmap.NodeID
	mux     *mux.Mux
	addr    addressProvider
	timeout time.Duration
	receive func(from slotmap.NodeID, m control.Message, done func())
	broken  func(id slotmap.NodeID)
	mem     *memory // bounds what all connections receive together
	log     *slog.Logger

	kinds                    messageCounts
	sent, received           atomic.Uint64
	bytesSent, bytesReceived atomic.Uint64

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // guards queues and open; held for no I/O; before the locks of addr
	queues map[slotmap.NodeID]chan control.Message
	open   map[net.Conn]LinkStat
}

func newPeers(self slotmap.NodeID, m *mux.Mux, addr addressProvider, timeout time.Duration, mem *memory, log *slog.Logger) *peers {
	p := &peers{self: self, mux: m, addr: addr, timeout: timeout, mem: mem, log: log,
		queues: map[slotmap.NodeID]chan control.Message{}, open: map[net.Conn]LinkStat{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// send queues m; it never blocks.
func (p *peers) send(to slotmap.NodeID, m control.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return
	}
	q := p.queues[to]
	if q == nil {
		if _, known := p.addr(to); !known {
			return // cannot be dialed; an answer to a made-up name costs nothing
		}
		q = make(chan control.Message, maxQueued)
		p.queues[to] = q
		p.wg.Add(1)
		go p.run(to, q)
	}
	select {
	case q <- m:
	default:
	}
}

// run owns the connection to one peer: it dials when there is something to
// send, and ends when there has been nothing for long.
func (p *peers) run(to slotmap.NodeID, q chan control.Message) {
	defer p.wg.Done()
	var conn net.Conn
	var w *bufio.Writer
	gone := make(chan struct{})
	drop := func() {
		if conn != nil {
			p.ended(conn)
			_ = conn.Close()
			conn = nil
			gone = make(chan struct{})
		}
	}
	defer func() { drop() }()
	idle := time.NewTimer(60 * p.timeout)
	defer idle.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-gone:
			drop()
			if p.ctx.Err() == nil {
				p.broken(to)
			}
		case <-idle.C:
			p.mu.Lock()
			if len(q) == 0 {
				delete(p.queues, to)
				p.mu.Unlock()
				return
			}
			p.mu.Unlock()
			idle.Reset(p.timeout)
		case m := <-q:
			idle.Reset(60 * p.timeout)
			if conn == nil {
				var err error
				if conn, err = p.dial(to); err != nil {
					conn = nil
					drain(q)
					continue
				}
				p.opened(conn, to, true)
				w = bufio.NewWriter(conn)
				go watchEnd(conn, gone)
			}
			if err := p.write(conn, w, m, q); err != nil {
				drop()
				p.broken(to)
			}
		}
	}
}

// drain forgets messages that would be old by the time they arrive.
func drain(q chan control.Message) {
	for {
		select {
		case <-q:
		default:
			return
		}
	}
}

// watchEnd closes gone when the other side ends the connection.
func watchEnd(conn net.Conn, gone chan struct{}) {
	var one [1]byte
	_, _ = conn.Read(one[:])
	close(gone)
}

func (p *peers) dial(to slotmap.NodeID) (net.Conn, error) {
	addr, ok := p.addr(to)
	if !ok {
		return nil, ErrUnknownNode
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.timeout)
	defer cancel()
	conn, err := p.mux.Dial(ctx, addr, mux.Control)
	if err != nil {
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(p.timeout))
	if _, err := conn.Write([]byte(p.self)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// write sends m and whatever is queued behind it.
func (p *peers) write(conn net.Conn, w *bufio.Writer, m control.Message, q chan control.Message) error {
	_ = conn.SetWriteDeadline(time.Now().Add(p.timeout))
	for {
		data, err := control.EncodeMessage(m)
		if err != nil {
			p.log.Error("control message", "error", err)
			return nil
		}
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(data)))
		_, _ = w.Write(size[:])
		if _, err := w.Write(data); err != nil {
			return err
		}
		p.sent.Add(1)
		p.kinds.sent[control.Kind(m)].Add(1)
		p.bytesSent.Add(uint64(len(data) + 4))
		select {
		case m = <-q:
			continue
		default:
		}
		return w.Flush()
	}
}

// accept reads the messages of one connection.
func (p *peers) accept(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(p.timeout))
	r := bufio.NewReader(conn)
	var id [slotmap.NodeIDLen]byte
	if _, err := io.ReadFull(r, id[:]); err != nil {
		return
	}
	from := slotmap.NodeID(id[:])
	if from.Validate() != nil {
		return
	}
	p.opened(conn, from, false)
	defer p.ended(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(90 * p.timeout))
		f, err := readFrame(r, control.MaxMessage, p.mem, jsonFactor, func() { _ = conn.SetReadDeadline(time.Now().Add(10 * p.timeout)) })
		if err == nil {
			err = p.take(from, f)
		}
		if err != nil {
			p.log.Debug("control connection dropped", "about", from.Short(), "from", conn.RemoteAddr(), "error", err)
			return
		}
	}
}

// take decodes a message and passes it on. The frame's memory counts until the
// message has been dealt with: otherwise it could pile up in front of the loop.
func (p *peers) take(from slotmap.NodeID, f *frame) error {
	err := jsonBounded(f.data)
	var m control.Message
	if err == nil {
		m, err = control.DecodeMessage(f.data)
	}
	if err != nil {
		f.free()
		return err
	}
	p.received.Add(1)
	p.kinds.received[control.Kind(m)].Add(1)
	p.bytesReceived.Add(uint64(len(f.data) + 4))
	p.receive(from, m, f.free)
	return nil
}

// opened notes a connection for CLUSTER LINKS until it has ended.
func (p *peers) opened(conn net.Conn, other slotmap.NodeID, to bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[conn] = LinkStat{To: to, Node: other, CreateTimeMillis: time.Now().UnixMilli()}
}

func (p *peers) ended(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

// links are the connections that are open, in no order.
func (p *peers) links() []LinkStat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.open))
}

func (p *peers) close() {
	p.cancel()
	p.wg.Wait()
}
