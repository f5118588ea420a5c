package resp

import (
	"math"
	"sync"

	"respkv/resp/proto"
)

const (
	// readBuffer is what a connection reads at once, as in Redis.
	readBuffer = 16 << 10
	// batchCommands is how many commands the executor gets at once: enough to
	// overlap the cache misses of their keys.
	batchCommands = 32
	// batchArgs is from how many arguments on a batch takes no more commands.
	batchArgs = 1 << 10
	// growAtOnce is how far the read buffer grows on a client's word alone.
	// For longer arguments it doubles as the bytes arrive, so that announcing
	// 512 MB costs the client 256 MB of sending.
	growAtOnce = 1 << 20
	// smallInput is the size up to which the start of a command that waits for
	// more is copied away, so that the read buffer can be lent to others.
	smallInput = 1 << 10
	// keptArgs bounds the argument list that is used again.
	keptArgs = 4 << 10
)

// buffers is what a connection borrows while it works. Idle connections hold
// none.
type buffers struct {
	in   []byte
	out  []byte
	args [][]byte   // arguments of all commands of the batch, one after the other
	cmds [][][]byte // slices of args
	ends []int      // where each command ends in the input

	spans proto.Spans // of the parser
}

var buffersPool = sync.Pool{New: func() any {
	return &buffers{cmds: make([][][]byte, 0, batchCommands), ends: make([]int, 0, batchCommands)}
}}

func getBuffers() *buffers {
	b := buffersPool.Get().(*buffers)
	if b.in == nil {
		b.in = make([]byte, readBuffer)
	}
	return b
}

// input is what a client sent and the server did not execute yet:
// buf[off:end]. buf is nil when that is nothing and the connection idle.
type input struct {
	parser   proto.Parser
	buf      []byte
	off, end int
	lent     bool // buf is that of buffers
}

// held reports whether input waits.
func (in *input) held() bool { return in.end > in.off }

// borrow begins a turn of work.
func (c *Client) borrow(b *buffers) {
	c.W.Reset(b.out)
	b.out = nil
}

// putBuffers ends a turn of work: what is still needed moves from the borrowed
// buffers to the client, and they go back.
func putBuffers(b *buffers, c *Client) {
	if out := c.W.Take(); cap(out) <= keptReplyBuffer {
		b.out = out
	}
	in := &c.in
	owned := in.buf != nil && !in.lent
	switch pending := in.buf[in.off:in.end]; {
	case len(pending) == 0:
		in.buf, in.off, in.end = nil, 0, 0
	case in.lent && len(pending) <= smallInput:
		in.buf = append([]byte(nil), pending...)
		in.off, in.end = 0, len(pending)
	case in.lent:
		b.in = nil
	}
	in.lent = false
	if in.held() {
		c.noteInput()
	} else if c.info.queryBuffer.Load() != 0 {
		c.info.queryBuffer.Store(0)
		c.info.queryFree.Store(0)
	}
	if owned {
		clear(b.args[:cap(b.args)]) // or the pool keeps a large buffer alive
	}
	if cap(b.args) > keptArgs {
		b.args = nil
		clear(b.cmds[:cap(b.cmds)])
	}
	buffersPool.Put(b)
}

// noteInput makes CLIENT LIST show the input that this client's present batch is
// executed from; otherwise it shows what is held between batches. Own goroutine.
func (c *Client) noteInput() {
	in := &c.in
	c.info.queryBuffer.Store(int64(in.end - in.off))
	c.info.queryFree.Store(int64(len(in.buf) - (in.end - in.off) + in.parser.Overhead()))
}

// room returns where to read to: the free end of the read buffer, moved and
// grown as the command being received needs it. nil: the client is past
// client-query-buffer-limit.
func (c *Client) room(b *buffers) []byte {
	in := &c.in
	pending := in.buf[in.off:in.end]
	switch {
	case in.lent && len(pending) == 0:
		in.off, in.end = 0, 0
	case !in.lent && len(pending) <= readBuffer/2 && (len(in.buf) < readBuffer || c.missing() == 0):
		// Nothing is held, or little: in a buffer that is too small for more,
		// or in a large one that did its service.
		in.move(b.in)
		in.lent = true
	}
	if in.end < len(in.buf) && in.end+c.missing() <= len(in.buf) {
		return in.buf[in.end:]
	}
	pending = in.buf[in.off:in.end]
	need, last := in.parser.Need()
	if need = max(need, len(pending)+1); need <= len(in.buf) {
		in.move(in.buf)
		return in.buf[in.end:]
	}
	limit := c.server.limits.Load().QueryBuffer
	if c.Has(FlagMaster) {
		limit = math.MaxInt - 1
	}
	if len(pending) > limit {
		c.server.stats.queryLimit.Add(1)
		c.server.log.Warn("client closed: query buffer limit exceeded", "id", c.ID, "addr", c.addr, "bytes", len(pending))
		return nil
	}
	size := need
	if !last {
		size = max(need, 2*len(in.buf))
	}
	size = min(size, max(growAtOnce, 2*len(in.buf)), limit+1)
	c.server.clientGrew(size - len(in.buf))
	in.move(make([]byte, size))
	in.lent = false
	return in.buf[in.end:]
}

// missing is how many bytes the command being received still lacks as far as
// is known, when they belong to a big argument; else 0, since then any
// progress will do.
func (c *Client) missing() int {
	need, _ := c.in.parser.Need()
	if m := need - (c.in.end - c.in.off); m >= proto.BigArg {
		return m
	}
	return 0
}

// move moves the pending bytes to the start of buf.
func (in *input) move(buf []byte) {
	in.end = copy(buf, in.buf[in.off:in.end])
	in.buf, in.off = buf, 0
}

// received takes note of n bytes read to where room pointed.
func (c *Client) received(n int) {
	c.in.end += n
	c.server.stats.input.add(c.ID, n)
	c.lastActive.Store(c.server.clock.Load())
	if c.raw != nil && !c.recent.Load() {
		c.server.lookAgain(c)
	}
}

// parse cuts the next commands from the input, at most a batch. end is where
// the last one ends, with empty requests that follow. An error concerns what
// comes after the commands; it is found again when these were executed, if
// the limits it goes by still apply (AUTH may have lifted them).
func (c *Client) parse(b *buffers) (cmds [][][]byte, end int, err error) {
	in := &c.in
	in.parser.MaxBulk = c.server.limits.Load().MaxBulk
	if c.Has(FlagMaster) { // what it took, this node has to take
		in.parser.MaxBulk = math.MaxInt
	}
	in.parser.Unauthenticated = !c.Authenticated()
	in.parser.Lend(b.spans)
	args := b.args[:0]
	cmds, b.ends = b.cmds[:0], b.ends[:0]
	end = in.off
	for len(cmds) < batchCommands && len(args) < batchArgs {
		first := len(args)
		var n int
		args, n, err = in.parser.Parse(in.buf[end:in.end], args)
		if err != nil {
			in.parser.Reset()
			break
		}
		if n == 0 {
			break
		}
		end += n
		if len(args) > first {
			cmds = append(cmds, args[first:len(args):len(args)])
			b.ends = append(b.ends, end)
		}
	}
	if b.spans = in.parser.TakeBack(); cap(b.spans) > keptArgs {
		b.spans = nil
	}
	b.args, b.cmds = args, cmds
	return cmds, end, err
}

// process executes the complete commands of the input, in batches, and sends
// the replies: all at once when there are not too many. False: the connection
// is at its end.
func (c *Client) process(b *buffers, fd int) bool {
	batching := false
	for !c.ending && c.state.Load() == stateOpen && !c.Parked() {
		cmds, end, err := c.parse(b)
		if len(cmds) == 0 {
			c.in.off = end
			if err == nil {
				break
			}
			c.server.log.Debug("client closed", "id", c.ID, "addr", c.addr, "reason", err)
			c.W.Error("ERR " + err.Error())
			c.CloseAfterReply()
			batching = true
			break
		}
		if !batching {
			c.beginBatch()
			batching = true
		}
		parked := c.park.last
		n := c.execute(cmds)
		switch {
		case n == len(cmds):
			c.in.off = end
		default:
			// The rest is parsed again when its turn comes.
			if n > 0 {
				c.in.off = b.ends[n-1]
			}
			c.in.parser.Reset()
		}
		if c.W.Len() >= flushBytes || c.park.last != parked {
			// Parked: whoever resumes the client pushes the next reply, which
			// must follow those of the batch.
			c.flush(fd)
			batching = false
		}
	}
	if batching && c.state.Load() != stateKilled {
		c.flush(fd)
	}
	if c.ending || c.state.Load() != stateOpen {
		c.awaitDrained()
		return false
	}
	return true
}
