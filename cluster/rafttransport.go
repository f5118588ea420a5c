package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

// A raft connection begins with the dialer's node ID and the ID of the node it
// wants (40 bytes each): addresses change hands, and a log must not reach the
// node that has the address now. Then requests and answers follow each other
// (raftcodec.go).

const (
	raftPool = 3 // idle connections kept for one peer
	// raftIdle is how many time-outs an accepted connection may be silent.
	raftIdle = 120
	// snapshotRate is the slowest that a snapshot may arrive, in bytes a
	// second: there is room for one at a time.
	snapshotRate = 1 << 20
)

var errTransportClosed = errors.New("raft transport closed")

// raftTransport is raft.Transport over the cluster port. Pipelining is declined:
// entries are rare, and each append takes all that wait. Its methods may be
// called by any goroutine.
type raftTransport struct {
	self    slotmap.NodeID
	mux     *mux.Mux
	addr    addressProvider // also says which nodes are known
	timeout time.Duration
	mem     *memory
	log     *slog.Logger

	incoming  chan raft.RPC
	heartbeat atomic.Pointer[func(raft.RPC)]
	state     atomic.Pointer[raftState] // set once raft runs
	newerAt   atomic.Int64              // Unix seconds: when a newer version's entry was last reported
	snapshot  chan struct{}             // token: one snapshot is received at a time
	done      chan struct{}
	closing   sync.Once

	mu   sync.Mutex // guards idle; held for no I/O
	idle map[slotmap.NodeID][]*raftConn
}

// raftState is what a request is held against before raft sees it.
type raftState interface {
	AppliedIndex() uint64
	// IsServer tells whether id is in raft's configuration. After a restart of
	// everybody, that is all a node knows until there is a leader.
	IsServer(id slotmap.NodeID) bool
	// EntryTerm is the term of the entry stored at index; false when it is not
	// in the log (any more).
	EntryTerm(index uint64) (uint64, bool)
	// TakeBeat calls take, with which raft takes a heartbeat of that term, if it may
	// take it now. If not, began tells when to ask again; nil: never.
	TakeBeat(term uint64, take func()) (taken bool, began <-chan struct{})
}

// raftConn is a connection that this node dialed.
type raftConn struct {
	net.Conn
	addr string
}

func newRaftTransport(self slotmap.NodeID, m *mux.Mux, addr addressProvider, timeout time.Duration, mem *memory, log *slog.Logger) *raftTransport {
	t := &raftTransport{
		self: self, mux: m, addr: addr, timeout: timeout, mem: mem, log: log,
		incoming: make(chan raft.RPC), snapshot: make(chan struct{}, 1), done: make(chan struct{}),
		idle: map[slotmap.NodeID][]*raftConn{},
	}
	m.Handle(mux.Raft, t.accept)
	return t
}

// Consumer delivers the requests of other nodes.
func (t *raftTransport) Consumer() <-chan raft.RPC { return t.incoming }

// SetHeartbeatHandler gives the way past the queue, for heartbeats (raftbeat.go).
func (t *raftTransport) SetHeartbeatHandler(cb func(raft.RPC)) { t.heartbeat.Store(&cb) }

// LocalAddr is where others reach this node.
func (t *raftTransport) LocalAddr() raft.ServerAddress {
	addr, _ := t.addr(t.self)
	return raft.ServerAddress(addr)
}

// EncodePeer is the address of a peer as it is sent.
func (t *raftTransport) EncodePeer(id raft.ServerID, fallback raft.ServerAddress) []byte {
	return []byte(t.address(slotmap.NodeID(id), fallback))
}

// DecodePeer reverses EncodePeer.
func (t *raftTransport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// AppendEntriesPipeline is declined; raft then sends one request at a time.
func (t *raftTransport) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// AppendEntries sends entries, of args those that fit into one request.
func (t *raftTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return t.call(slotmap.NodeID(id), target, args, resp)
}

// RequestVote asks for a vote.
func (t *raftTransport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return t.call(slotmap.NodeID(id), target, args, resp)
}

// RequestPreVote asks whether a vote would be given.
func (t *raftTransport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return t.call(slotmap.NodeID(id), target, args, resp)
}

// TimeoutNow makes the other node stand for election.
func (t *raftTransport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return t.call(slotmap.NodeID(id), target, args, resp)
}

// InstallSnapshot sends a snapshot of args.Size bytes.
func (t *raftTransport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	request, err := encodeRaftRequest(args)
	if err != nil {
		return err
	}
	to := slotmap.NodeID(id)
	conn, err := t.dial(to, t.address(to, target))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(t.snapshotTime(args.Size)))
	if err := writeFrame(conn, request); err != nil {
		return err
	}
	if _, err := io.CopyN(conn, data, args.Size); err != nil {
		return err
	}
	return t.answer(conn, to, resp)
}

// snapshotTime is how long transfer and installation of a snapshot may take.
func (t *raftTransport) snapshotTime(size int64) time.Duration {
	return 10*t.timeout + time.Duration(size)*time.Second/snapshotRate
}

// call sends a request and waits for the answer. A kept connection may have been
// closed by the other side meanwhile: then a new one is tried. Requests may
// arrive twice, raft allows for that.
func (t *raftTransport) call(to slotmap.NodeID, target raft.ServerAddress, command, response any) error {
	request, err := encodeRaftRequest(command)
	if err != nil {
		return err
	}
	for {
		conn, kept, err := t.conn(to, t.address(to, target))
		if err != nil {
			return err
		}
		_ = conn.SetDeadline(time.Now().Add(t.timeout))
		if err = writeFrame(conn, request); err == nil {
			err = t.answer(conn, to, response)
		}
		var refused *raftRefused
		if err == nil || errors.As(err, &refused) {
			t.keep(to, conn)
			return err
		}
		_ = conn.Close()
		if !kept || errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

func (t *raftTransport) answer(conn net.Conn, from slotmap.NodeID, response any) error {
	f, err := readFrame(conn, maxRaftAnswer, t.mem, 1, func() {})
	if err != nil {
		return err
	}
	defer f.free()
	return decodeRaftAnswer(from, f.data, response)
}

func writeFrame(w io.Writer, data []byte) error {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, len(data)+4), uint32(len(data)))
	_, err := w.Write(append(b, data...))
	return err
}

// raftAddress is a node's address in raft's configuration. Raft wants each to be
// there once, and never learns that a node has moved: with its ID behind it,
// another node may be where it was.
func raftAddress(id slotmap.NodeID, addr string) raft.ServerAddress {
	return raft.ServerAddress(addr + "/" + string(id))
}

// dialAddress undoes raftAddress.
func dialAddress(a raft.ServerAddress) string {
	addr, _, _ := strings.Cut(string(a), "/")
	return addr
}

// address is where a node is; fallback, from raft's configuration, when nobody
// has said so since this process started.
func (t *raftTransport) address(id slotmap.NodeID, fallback raft.ServerAddress) string {
	if addr, ok := t.addr(id); ok {
		return addr
	}
	return dialAddress(fallback)
}

// conn returns a connection to a node, kept or new.
func (t *raftTransport) conn(to slotmap.NodeID, addr string) (c *raftConn, kept bool, err error) {
	t.mu.Lock()
	list := t.idle[to]
	for len(list) > 0 && c == nil {
		c, list = list[len(list)-1], list[:len(list)-1]
		if c.addr != addr { // the node has moved
			_ = c.Close()
			c = nil
		}
	}
	if len(list) == 0 {
		delete(t.idle, to)
	} else {
		t.idle[to] = list
	}
	t.mu.Unlock()
	if c != nil {
		return c, true, nil
	}
	c, err = t.dial(to, addr)
	return c, false, err
}

func (t *raftTransport) dial(to slotmap.NodeID, addr string) (*raftConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.timeout)
	defer cancel()
	conn, err := t.mux.Dial(ctx, addr, mux.Raft)
	if err != nil {
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(t.timeout))
	if _, err := conn.Write([]byte(t.self + to)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &raftConn{Conn: conn, addr: addr}, nil
}

// keep puts a connection back, unless there are enough.
func (t *raftTransport) keep(to slotmap.NodeID, c *raftConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.done:
	default:
		if len(t.idle[to]) < raftPool {
			t.idle[to] = append(t.idle[to], c)
			return
		}
	}
	_ = c.Close()
}

// Close ends the transport; raft calls it too.
func (t *raftTransport) Close() error {
	t.closing.Do(func() {
		t.mux.Handle(mux.Raft, nil)
		close(t.done)
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, list := range t.idle {
			for _, c := range list {
				_ = c.Close()
			}
		}
		t.idle = nil
	})
	return nil
}

// accept serves one connection of another node, until that ends or the mux does.
func (t *raftTransport) accept(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	from, err := t.greet(conn)
	for err == nil {
		_ = conn.SetDeadline(time.Now().Add(raftIdle * t.timeout))
		err = t.serve(conn, from)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return
	}
	t.log.Debug("raft connection dropped", "about", from.Short(), "from", conn.RemoteAddr(), "error", err)
	if now := time.Now().Unix(); errors.Is(err, slotmap.ErrUnknownEntry) && now-t.newerAt.Load() > 60 {
		t.newerAt.Store(now)
		t.log.Error("a node of a newer version leads: its log cannot be followed until this node runs that version too", "about", from.Short(), "error", err)
	}
}

// greet reads who speaks, and whether this node is meant.
func (t *raftTransport) greet(conn net.Conn) (slotmap.NodeID, error) {
	_ = conn.SetDeadline(time.Now().Add(t.timeout))
	var ids [2 * slotmap.NodeIDLen]byte
	if _, err := io.ReadFull(conn, ids[:]); err != nil {
		return "", err
	}
	from, to := slotmap.NodeID(ids[:slotmap.NodeIDLen]), slotmap.NodeID(ids[slotmap.NodeIDLen:])
	if err := from.Validate(); err != nil {
		return "", err
	}
	if to != t.self || from == t.self {
		return from, fmt.Errorf("%w: for another node", errRaftMessage)
	}
	return from, nil
}

// serve takes one request and answers it.
func (t *raftTransport) serve(conn net.Conn, from slotmap.NodeID) error {
	f, err := readFrame(conn, maxRaftRequest, t.mem, jsonFactor, func() { _ = conn.SetDeadline(time.Now().Add(10 * t.timeout)) })
	if err != nil {
		return err
	}
	defer f.free()
	if !t.known(from) {
		return fmt.Errorf("%w: %s", ErrUnknownNode, from.Short())
	}
	command, err := decodeRaftRequest(from, f.data)
	if err != nil {
		return err
	}
	if err := t.check(command); err != nil {
		return err
	}
	responses := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: command, RespChan: responses}
	if snapshot, ok := command.(*raft.InstallSnapshotRequest); ok {
		data, err := t.receiveSnapshot(conn, snapshot)
		if err != nil {
			return err
		}
		defer func() {
			data.free()
			<-t.snapshot
		}()
		rpc.Reader = bytes.NewReader(data.data)
	}
	if err := t.deliver(rpc); err != nil {
		return err
	}
	select {
	case res := <-responses:
		_ = conn.SetDeadline(time.Now().Add(10 * t.timeout))
		return writeFrame(conn, encodeRaftAnswer(res))
	case <-t.done:
		return errTransportClosed
	case <-t.mux.Done():
		return errTransportClosed
	}
}

// known tells whether a node may speak here: the map, gossip or raft's
// configuration names it.
func (t *raftTransport) known(id slotmap.NodeID) bool {
	if _, ok := t.addr(id); ok {
		return true
	}
	state := t.state.Load()
	return state != nil && (*state).IsServer(id)
}

// checkSnapshot looks at a snapshot from the network as Restore will.
func checkSnapshot(data []byte) error {
	m, _, err := splitSnapshot(data)
	if err == nil {
		err = jsonBounded(m)
	}
	if err == nil {
		_, _, err = decodeSnapshot(data)
	}
	return err
}

// receiveSnapshot reads a snapshot and makes sure that it is one. The
// caller gives the token of t.snapshot back.
func (t *raftTransport) receiveSnapshot(conn net.Conn, req *raft.InstallSnapshotRequest) (*frame, error) {
	_ = conn.SetDeadline(time.Now().Add(t.snapshotTime(req.Size)))
	select {
	case t.snapshot <- struct{}{}:
	default:
		return nil, errNoMemory
	}
	f, err := readBytes(conn, req.Size, t.mem, 2)
	if err == nil {
		if err = checkSnapshot(f.data); err != nil {
			f.free()
		}
	}
	if err != nil {
		<-t.snapshot
		return nil, err
	}
	return f, nil
}

// check refuses what would take applied entries back: a correct leader has them
// too.
func (t *raftTransport) check(command any) error {
	loaded := t.state.Load()
	if loaded == nil {
		return nil // raft has not begun to listen
	}
	state := *loaded
	switch m := command.(type) {
	case *raft.AppendEntriesRequest:
		if len(m.Entries) == 0 {
			return nil
		}
		applied := state.AppliedIndex()
		for _, e := range m.Entries {
			if e.Index > applied {
				break
			}
			if term, ok := state.EntryTerm(e.Index); ok && term != e.Term {
				return fmt.Errorf("%w: entry %d of term %d is applied as one of term %d", errRaftMessage, e.Index, e.Term, term)
			}
		}
	case *raft.InstallSnapshotRequest:
		if applied := state.AppliedIndex(); m.LastLogIndex < applied {
			return fmt.Errorf("%w: snapshot of entry %d, %d is applied", errRaftMessage, m.LastLogIndex, applied)
		}
	}
	return nil
}

// isHeartbeat recognises the append requests that only say that the leader is
// there.
func isHeartbeat(command any) bool {
	m, ok := command.(*raft.AppendEntriesRequest)
	return ok && m.Term != 0 && len(m.Addr) > 0 && m.PrevLogEntry == 0 && m.PrevLogTerm == 0 &&
		len(m.Entries) == 0 && m.LeaderCommitIndex == 0
}
