package resp

import (
	"sync"
	"time"

	"respkv/resp/proto"
)

const (
	// flushBytes is the length of pending replies from which a batch is
	// interrupted to send them: large enough that a system call is worth it,
	// small enough to stay in the cache.
	flushBytes = 128 << 10
	// keptReplyBuffer is the largest reply buffer that is used again.
	keptReplyBuffer = 256 << 10
	// outputChunk is the size of blocks in which small messages are queued:
	// Redis's PROTO_REPLY_CHUNK_BYTES.
	outputChunk = 16 << 10
	// replyBacklog bounds the replies queued for a client that sends commands
	// without reading: past it no more of its commands are executed until it
	// reads. Below it we go on, because many clients write a whole pipeline
	// before they read the first reply, and both sides would wait for ever.
	replyBacklog = 32 << 20
)

// output is what a client has not been sent yet. Who may write to the socket:
// while writing is set, the goroutine that set it; else whoever holds mu, for
// one attempt that does not block. So order on the wire is the order of
// taking mu, and Push never waits for a peer.
//
// Messages pushed while a batch is executed follow the replies of that batch:
// a subscriber sees its confirmation first.
type output struct {
	mu       sync.Mutex
	drained  sync.Cond // on mu: queued fell, or writing ended
	batching bool      // replies of a batch are being collected
	writing  bool
	closed   bool      // everything from now on is dropped
	queue    [][]byte  // to be sent, in order
	pushed   [][]byte  // pushed during the batch: after its replies
	queued   int       // bytes in queue and pushed, and the block being written
	grown    int       // bytes queued that clientGrowth does not know of
	soft     time.Time // since when the soft limit is exceeded; zero: it is not

	// For writeNow: one closure per client instead of one per message.
	now     []byte
	nowDone int
	nowFn   func(fd uintptr) bool
}

// usage returns queued bytes, blocks, their memory and whether they are being
// written in the background.
func (o *output) usage() (bytes, blocks, memory int64, writing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, list := range [...][][]byte{o.queue, o.pushed} {
		for _, block := range list {
			memory += int64(cap(block))
		}
	}
	return int64(o.queued), int64(len(o.queue) + len(o.pushed)), memory, o.writing
}

// Push sends bytes in wire format that are no reply to the client's own
// current command: pub/sub and tracking messages, MONITOR lines, the answer to
// a blocked command. It never blocks: what the socket does not take is queued,
// within client-output-buffer-limit, past which the client is closed. b is
// copied. Messages of one goroutine keep their order; a handler whose message
// goes to its own client writes it to W instead.
func (c *Client) Push(b []byte) {
	if len(b) == 0 {
		return
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.push(b)
}

// push is Push with out.mu held.
func (c *Client) push(b []byte) {
	o := &c.out
	if o.closed || len(b) == 0 {
		return
	}
	if o.batching {
		o.pushed = o.append(o.pushed, b)
		c.checkOutput(time.Time{})
		return
	}
	if !o.writing && c.raw != nil {
		n, ok := c.writeNow(b)
		if !ok {
			o.closed = true
			c.Close()
			return
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
	o.queue = o.append(o.queue, b)
	c.checkOutput(time.Time{})
	c.startWriter()
}

// takePushed moves messages pushed during this batch to w, a writer of replies of
// the same client. Own goroutine, within Batch.
func (c *Client) takePushed(w *proto.Writer) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.movePushed(w)
}

// movePushed is takePushed with mu held.
func (o *output) movePushed(w *proto.Writer) {
	for _, block := range o.pushed {
		w.Raw(block)
		o.queued -= len(block)
	}
	o.pushed = nil
}

// append copies b to the end of list, into the last block if it has room.
func (o *output) append(list [][]byte, b []byte) [][]byte {
	o.queued += len(b)
	if n := len(list); n > 0 {
		if last := list[n-1]; cap(last)-len(last) >= len(b) {
			list[n-1] = append(last, b...)
			return list
		}
	}
	block := append(make([]byte, 0, max(outputChunk, len(b))), b...)
	o.grown += len(block)
	return append(list, block)
}

// own puts a block at the end of list without copying it.
func (o *output) own(list [][]byte, block []byte) [][]byte {
	o.queued += len(block)
	o.grown += len(block)
	// No room at the end: nobody else appends to it.
	return append(list, block[:len(block):len(block)])
}

// unauthenticatedOutput is how many bytes may wait for a client that has not logged
// in, whatever the limits: refusals that it does not read must not fill the memory.
const unauthenticatedOutput = 1 << 10

// checkOutput closes the client when it is past its output buffer limit. Call
// with out.mu held; now may be zero.
func (c *Client) checkOutput(now time.Time) {
	o := &c.out
	c.server.clientGrew(o.grown)
	o.grown = 0
	limit := c.outputLimit()
	hard := limit.HardBytes
	if !c.Authenticated() {
		hard = unauthenticatedOutput
	}
	if o.closed || hard == 0 && limit.SoftBytes == 0 {
		return
	}
	exceeded := hard > 0 && int64(o.queued) > hard
	if limit.SoftBytes > 0 && int64(o.queued) > limit.SoftBytes {
		if now.IsZero() {
			now = time.Now()
		}
		if o.soft.IsZero() {
			o.soft = now
		} else if now.Sub(o.soft) > limit.SoftSeconds {
			exceeded = true
		}
	} else {
		o.soft = time.Time{}
	}
	if exceeded {
		c.cutOff(o.queued)
	}
}

// cutOff closes a client that is past its output buffer limit. Call with out.mu
// held.
func (c *Client) cutOff(bytes int) {
	c.server.stats.outputLimit.Add(1)
	c.server.log.Warn("client closed: output buffer limit exceeded", "id", c.ID, "addr", c.addr, "bytes", bytes)
	c.abandonOutput()
	c.Close()
}

// outputLimit is what may wait for the client. For monitors that is the limit of
// subscribers: by default that of normal clients is none, and a monitor that does
// not read would take all memory.
func (c *Client) outputLimit() *OutputLimit {
	class := c.Class()
	if class == ClassNormal && c.Has(FlagMonitor) {
		class = ClassPubSub
	}
	return &c.server.limits.Load().Output[class]
}

// closeOverLimit is cutOff for who does not hold out.mu.
func (c *Client) closeOverLimit(bytes int) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.cutOff(bytes)
}

// uncountedReply is what Redis holds of a reply in a buffer that its limits leave
// out.
const uncountedReply = 16 << 10

// repliesExceed says whether n bytes of replies are past the hard limit all by
// themselves. Then they are not sent, even if the socket would take them: Redis
// counts before it writes.
func (c *Client) repliesExceed(n int) bool {
	limit := c.outputLimit().HardBytes
	return limit > 0 && int64(n) > limit+uncountedReply
}

// abandonOutput drops what is queued and whatever comes. Call with out.mu held.
func (c *Client) abandonOutput() {
	o := &c.out
	o.closed = true
	o.queue, o.pushed, o.queued = nil, nil, 0
	o.drained.Broadcast()
}

// beginBatch makes messages of others wait for the replies to come.
func (c *Client) beginBatch() {
	c.out.mu.Lock()
	c.out.batching = true
	c.out.mu.Unlock()
}

// flush sends the replies collected in W, then what was pushed meanwhile, and
// waits when too much is queued. fd is the socket if it may be written
// directly, else -1. Messages of others go out at once again afterwards.
func (c *Client) flush(fd int) {
	o := &c.out
	b := c.W.Bytes()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(b) > 0 {
		c.server.stats.output.add(c.ID, len(b))
		if peak := int64(len(b)); peak > c.info.replyPeak.Load() {
			c.info.replyPeak.Store(peak)
		}
		if !o.closed && c.repliesExceed(len(b)) {
			c.cutOff(len(b))
			c.ending = true
		}
		if !o.closed && !o.writing {
			b = c.send(fd, b)
		}
		if len(b) > 0 && !o.closed {
			c.keep(b)
		}
		c.W.Truncate(0)
		c.mark = 0
	}
	o.batching = false
	o.drained.Broadcast()
	for len(o.pushed) > 0 && !o.closed && !o.writing && fd >= 0 {
		first := o.pushed[0]
		rest := c.send(fd, first)
		if o.closed {
			return // the connection is broken, and nothing is queued any more
		}
		o.queued -= len(first) - len(rest)
		if len(rest) > 0 {
			o.pushed[0] = rest
			break
		}
		o.pushed = o.pushed[1:]
	}
	if o.closed {
		return
	}
	o.queue = append(o.queue, o.pushed...)
	o.pushed = nil
	if len(o.queue) == 0 {
		return
	}
	c.checkOutput(time.Time{})
	c.startWriter()
	for o.queued > replyBacklog && !o.closed {
		o.drained.Wait()
	}
}

// keep queues replies the socket did not take: a large rest as it is, with
// the buffer it lies in, a small one as a copy.
func (c *Client) keep(b []byte) {
	o := &c.out
	if len(b) >= outputChunk {
		o.queue = o.own(o.queue, b)
		c.W.Take()
		return
	}
	o.queue = o.append(o.queue, b)
}

// send writes b and returns what the socket did not take. Call with out.mu
// held; without a descriptor it gives up the lock and blocks, which is the
// way of TLS and of systems without non-blocking writes.
func (c *Client) send(fd int, b []byte) (rest []byte) {
	o := &c.out
	if fd >= 0 {
		n, ok := writeFD(fd, b)
		if !ok {
			c.abandonOutput()
			c.ending = true
			return nil
		}
		return b[n:]
	}
	o.writing = true
	o.mu.Unlock()
	_, err := c.conn.Write(b)
	o.mu.Lock()
	o.writing = false
	if err != nil {
		c.abandonOutput()
		c.ending = true
	}
	return nil
}

// startWriter sees to it that the queue is written in the background. Call
// with out.mu held.
func (c *Client) startWriter() {
	if c.out.writing || c.out.closed || len(c.out.queue) == 0 {
		return
	}
	c.out.writing = true
	go c.drain()
}

// drain writes the queue until it is empty. It ends early when the connection
// is killed, by the deadline that sets.
func (c *Client) drain() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) > 0 && !o.closed {
		block := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		_, err := c.conn.Write(block)
		o.mu.Lock()
		if err != nil {
			c.abandonOutput()
			c.Close()
			break
		}
		if !o.closed {
			o.queued -= len(block)
		}
		o.drained.Broadcast()
	}
	if len(o.queue) == 0 {
		o.queue, o.soft = nil, time.Time{}
	}
	o.writing = false
	o.drained.Broadcast()
}

// awaitDrained waits until everything queued is sent, or can't be.
func (c *Client) awaitDrained() {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing && !o.closed {
		o.drained.Wait()
	}
}

// closeOutput makes Push do nothing from now on.
func (c *Client) closeOutput() {
	c.out.mu.Lock()
	c.abandonOutput()
	c.out.mu.Unlock()
}

// writeNow tries to write b from a goroutine that is not the connection's.
// Call with out.mu held and writing unset.
func (c *Client) writeNow(b []byte) (n int, ok bool) {
	o := &c.out
	o.now, o.nowDone = b, -1
	err := c.raw.Write(o.nowFn)
	o.now = nil
	if err != nil || o.nowDone < 0 {
		return 0, false
	}
	c.server.stats.output.add(c.ID, o.nowDone)
	return o.nowDone, true
}

func (o *output) init() {
	o.drained.L = &o.mu
	o.nowFn = func(fd uintptr) bool {
		if n, ok := writeFD(int(fd), o.now); ok {
			o.nowDone = n
		}
		return true
	}
}
