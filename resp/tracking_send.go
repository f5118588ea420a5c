package resp

import (
	"respkv/resp/proto"
)

// invalidation is a message to clients in tracking mode.
type invalidation struct {
	keys    []byte    // in wire format: an array of names, or null for all
	encoded [3][]byte // the message, made when somebody needs it: see encode
}

// keysPayload is an array of names, which is the same in both protocols.
func keysPayload(names ...[]byte) []byte {
	size := 16
	for _, name := range names {
		size += len(name) + 16
	}
	w := proto.NewWriter(make([]byte, 0, size), 2)
	w.Array(len(names))
	for _, name := range names {
		w.Bulk(name)
	}
	return w.Bytes()
}

// The forms of a message.
const (
	formPush    = iota // a push of RESP3
	formMessage        // a message of pub/sub, to a RESP2 connection that has subscribed
	formNone           // to a RESP2 connection otherwise: nothing
)

// invalidationForm is how a client is told; redirected: on behalf of another.
func invalidationForm(to *Client, redirected bool) int {
	switch {
	case to.Proto() == 3:
		return formPush
	case redirected && to.Has(FlagPubSub):
		return formMessage
	}
	return formNone
}

func (m *invalidation) encode(form int) []byte {
	if m.encoded[form] != nil {
		return m.encoded[form]
	}
	w := proto.NewWriter(make([]byte, 0, 64+len(m.keys)), 3)
	switch form {
	case formPush:
		w.Push(2)
		w.BulkString("invalidate")
	case formMessage:
		w.Array(3)
		w.BulkString("message")
		w.BulkString("__redis__:invalidate")
	default:
		return nil
	}
	w.Raw(m.keys)
	m.encoded[form] = w.Bytes()
	return m.encoded[form]
}

// sendInvalidation sends a message to a client in tracking mode, or to the one that
// it redirects to. What is for the client of c, which may be nil, follows its reply.
// Locks of shards may be held.
func (d *Dispatcher) sendInvalidation(c *Ctx, client *Client, m *invalidation) {
	id := client.Redirect()
	if id <= 0 {
		client.pushMade(c, func() []byte {
			if !client.Has(FlagTracking) {
				return nil // it has just ended that
			}
			return m.encode(invalidationForm(client, false))
		})
		return
	}
	to := d.server.Clients().Find(uint64(id))
	if to != nil && to.state.Load() != stateKilled {
		to.pushMade(c, func() []byte { return m.encode(invalidationForm(to, true)) })
		return
	}
	client.pushMade(c, func() []byte {
		if !client.Has(FlagTracking) {
			return nil
		}
		client.SetFlag(FlagTrackingBroken, true)
		if client.Proto() != 3 {
			return nil
		}
		w := proto.NewWriter(nil, 3)
		w.Push(2)
		w.BulkString("tracking-redir-broken")
		w.Int(id)
		return w.Bytes()
	})
}

// pushMade pushes what encode returns, which may be nothing. What encode sees of the
// client's state is true of its place among the replies: see Client.turn. If it is the
// client of c, it follows the reply of c.
func (c *Client) pushMade(own *Ctx, encode func() []byte) {
	if own != nil && own.Client == c {
		own.trailer = append(own.trailer, encode()...)
		return
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.push(encode())
}

// turn changes a state of the client on which the form of messages depends. What was
// pushed before goes before the reply of the current command of c, what is pushed
// later has the new form. Within EXEC messages go after its reply in any case.
func (c *Ctx) turn(change func()) {
	o := &c.Client.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if !c.inExec {
		o.movePushed(c.W)
		c.pushEnd = c.W.Len()
	}
	change()
}

// inherit takes over what a command that ran on behalf of c, in a context of its own,
// has to tell.
func (c *Ctx) inherit(in *Ctx) {
	c.trailer = append(c.trailer, in.trailer...)
	c.broadcast = append(c.broadcast, in.broadcast...)
	in.trailer, in.broadcast = in.trailer[:0], in.broadcast[:0]
}

// sendTrailer puts what is for the own client behind the reply.
func (c *Ctx) sendTrailer() {
	if len(c.trailer) > 0 {
		c.W.Raw(c.trailer)
		c.trailer = c.trailer[:0]
	}
}
