package resp

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"respkv/resp/proto"
)

// blockedClients are the clients whose current command goes on while they are
// parked: WAIT, what asks the cluster, and what waits for a key (blocking.go). Their
// connection goes on when the command is done, when its time is up, by CLIENT
// UNBLOCK, and the work ends when they disconnect.
type blockedClients struct {
	mu   sync.Mutex // guards byID; a leaf
	byID map[uint64]*blockedClient
}

type blockedClient struct {
	client *Client
	park   ParkID
	cancel context.CancelFunc
	// timedOut writes the reply that the command gives when its time is up.
	// nil: CLIENT UNBLOCK leaves the command alone.
	timedOut func(w *proto.Writer)
	call     parkedCall
	timed    bool // its time will be up

	marks []Mark // what WAIT waits for; blockedClients.mu guards it
}

// background parks the client and runs work on a goroutine of its own; what
// work writes is the reply. ctx ends after timeout (0: never), when the client
// disconnects and when it is unblocked. work must return soon after that, must
// not touch the Ctx, and copies the arguments it needs. timedOut: see
// blockedClient. Within EXEC it replies with an error, and returns nil.
func (c *Ctx) background(timeout time.Duration, timedOut func(w *proto.Writer), work func(ctx context.Context, w *proto.Writer)) *blockedClient {
	if c.DenyBlocking() {
		c.W.Error(errNotInMulti)
		return nil
	}
	if timeout <= 0 {
		timeout = math.MaxInt64
	}
	timed := timeout < math.MaxInt64
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	client, blocked, version := c.Client, &c.d.blocked, c.W.Version()
	b := &blockedClient{client: client, park: client.Park(), cancel: cancel, timedOut: timedOut, call: c.parkedCall(), timed: timed}
	blocked.add(b)
	go func() {
		defer blocked.remove(b)
		w := proto.NewWriter(nil, version)
		work(ctx, w)
		if client.Claim(b.park) {
			b.call.answered(0, w.Bytes())
			client.Resume(w.Bytes())
		}
	}()
	return b
}

func (s *blockedClients) add(b *blockedClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[uint64]*blockedClient)
	}
	s.byID[b.client.ID] = b
}

// remove forgets b. The client may be blocked anew by then, which stays.
func (s *blockedClients) remove(b *blockedClient) {
	b.cancel()
	s.drop(b)
}

// drop is remove for one whose work is done.
func (s *blockedClients) drop(b *blockedClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[b.client.ID] == b {
		delete(s.byID, b.client.ID)
	}
}

// timed is how many clients wait for a limited time.
func (s *blockedClients) timed() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.byID {
		if b.timed {
			n++
		}
	}
	return n
}

func (s *blockedClients) find(id uint64) *blockedClient {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}

// PrimarySlotsLost ends the WAITs for writes to slots that this node has ceased
// to be primary of, with what their replicas have acknowledged so far: nobody
// acknowledges more here, and WAIT may have no time limit. The log says so
// already (Replicator.Leads).
func (d *Dispatcher) PrimarySlotsLost(lost func(slot uint16) bool) {
	s := &d.blocked
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.byID {
		if slices.ContainsFunc(b.marks, func(m Mark) bool { return lost(m.Slot) }) {
			b.cancel()
		}
	}
}

// waitFor notes what b waits for. Who lost a slot of it before is not told of b:
// so it is looked at here.
func (s *blockedClients) waitFor(b *blockedClient, marks []Mark, repl Replicator) {
	s.mu.Lock()
	b.marks = marks
	s.mu.Unlock()
	if slices.ContainsFunc(marks, func(m Mark) bool { return !repl.Leads(m.Slot) }) {
		b.cancel()
	}
}

// unblock is CLIENT UNBLOCK. It returns false when there is no such client or
// its command can't time out.
func (d *Dispatcher) unblock(id uint64, asError bool) bool {
	b := d.blocked.find(id)
	if b == nil || b.timedOut == nil || !b.client.Claim(b.park) {
		return false
	}
	w := proto.NewWriter(nil, b.client.Proto())
	if asError {
		w.Error(errUnblocked)
	} else {
		b.timedOut(w)
	}
	b.call.answered(0, w.Bytes())
	b.client.Resume(w.Bytes())
	b.cancel()
	return true
}

// dropBlocked ends all commands that wait for something, and the connections of their
// clients: what they wait for is not to happen on a replica.
func (d *Dispatcher) dropBlocked() {
	s := &d.blocked
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.byID))
	s.mu.Unlock()
	for _, b := range all {
		if b.timedOut == nil || !b.client.Claim(b.park) {
			continue
		}
		w := proto.NewWriter(nil, b.client.Proto())
		w.Error(errRoleChanged)
		b.call.answered(0, w.Bytes())
		b.client.Resume(w.Bytes())
		b.cancel()
		b.client.raise(stateDraining)
	}
}

// disconnected ends the work of a client that is gone.
func (s *blockedClients) disconnected(client *Client) {
	if b := s.find(client.ID); b != nil {
		b.cancel()
	}
}
