package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"respkv/cluster/slotmap"
)

// publishSource is who sends over a pub/sub connection: a process of a node, and
// the number of the connection among all that the process has made.
type publishSource struct {
	node       slotmap.NodeID
	boot       uint64
	connection uint64
}

// frame is the hello to a node: that its address was dialed does not say that it
// is the one that answers there.
func (s publishSource) frame(to slotmap.NodeID) []byte {
	text := binary.BigEndian.AppendUint64(nil, s.boot)
	text = binary.BigEndian.AppendUint64(text, s.connection)
	return publishFrame(publishHello, []byte(s.node), append(text, to...))
}

// publishOrder keeps the order of each node's messages over the end of its
// connections. A network that was cut brings what had been sent on an old one
// long after a new one took its place; by then it is out of date. So a message
// is delivered only as long as no newer connection of its sender is known.
type publishOrder struct {
	self   slotmap.NodeID
	member func(id slotmap.NodeID) bool

	mu     sync.Mutex // guards newest; a leaf, held for no I/O
	newest map[slotmap.NodeID]*publishStream
}

// publishStream is one connection of a sender.
type publishStream struct {
	from     publishSource
	conn     io.Closer
	replaced atomic.Bool
	ended    chan struct{}
}

var errPublishReplaced = errors.New("cluster: a newer connection has taken its place")

func newPublishOrder(self slotmap.NodeID, member func(id slotmap.NodeID) bool) *publishOrder {
	return &publishOrder{self: self, member: member, newest: map[slotmap.NodeID]*publishStream{}}
}

// begin makes a connection its sender's newest one, and returns when nothing of
// the one before is delivered any more.
func (o *publishOrder) begin(from publishSource, conn io.Closer) (*publishStream, error) {
	s := &publishStream{from: from, conn: conn, ended: make(chan struct{})}
	o.mu.Lock()
	before := o.newest[from.node]
	if before != nil && before.from.boot == from.boot && before.from.connection >= from.connection {
		o.mu.Unlock()
		return nil, errPublishReplaced
	}
	o.newest[from.node] = s
	o.mu.Unlock()
	if before != nil {
		before.replaced.Store(true)
		_ = before.conn.Close()
		<-before.ended
	}
	return s, nil
}

// end ends a connection, and forgets those of strangers that have ended. That of
// a member stays: what was sent on its older connections may still come.
func (o *publishOrder) end(s *publishStream) {
	close(s.ended)
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, other := range o.newest {
		select {
		case <-other.ended:
			if !o.member(id) {
				delete(o.newest, id)
			}
		default:
		}
	}
}

// read reads the messages of one connection until it ends.
func (o *publishOrder) read(conn io.ReadCloser, deliver func(shard bool, channel, text []byte)) error {
	r := newPublishReader(conn)
	kind, node, text, err := r.next()
	if err != nil {
		return err
	}
	from := publishSource{node: slotmap.NodeID(node)}
	if kind != publishHello || len(text) != 16+slotmap.NodeIDLen || from.node.Validate() != nil {
		return fmt.Errorf("%w: it does not begin with who sends", errPublishFrame)
	}
	from.boot, from.connection = binary.BigEndian.Uint64(text), binary.BigEndian.Uint64(text[8:])
	if to := slotmap.NodeID(text[16:]); to != o.self {
		// One that had this address: the sender has a connection to this one, too.
		return fmt.Errorf("cluster: messages for node %s", to.Short())
	}
	s, err := o.begin(from, conn)
	if err != nil {
		return err
	}
	defer o.end(s)
	for {
		kind, channel, text, err := r.next()
		if err != nil {
			return err
		}
		if kind == publishHello {
			return fmt.Errorf("%w: a second hello", errPublishFrame)
		}
		if s.replaced.Load() {
			return errPublishReplaced
		}
		deliver(kind == publishShard, channel, text)
	}
}
