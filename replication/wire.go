package replication

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The link protocol. A message is one or more frames:
//
//	length  u32    of the payload, little endian, at most maxFrameBytes
//	type    u8     messageType; the high bit says that the message goes on
//	payload
//
// Frames of one message follow each other. Integers in payloads are uvarints
// unless the message says otherwise.
//
//	replica                                   primary
//	   hello  -------------------------------->
//	          <--------------------------------  hello
//	   want (slot, position)... -------------->
//	          <--------------------------------  partial | full | refused   for each slot
//	          <--------------------------------  entries ... copied         after full
//	          <--------------------------------  effects ...                all slots, in order
//	          <--------------------------------  restart                    of one slot: full follows
//	   ack (positions) every heartbeat ------->
//	          <--------------------------------  beat: the ack's time stamp, in order with the effects
//	          <--------------------------------  ask                        for an ack now
//	   unwant (slot)... ---------------------->
type messageType uint8

// Append only: these go over the wire.
const (
	messageHello   messageType = 1
	messageWant    messageType = 2
	messageUnwant  messageType = 3
	messageAck     messageType = 4
	messagePartial messageType = 5
	messageFull    messageType = 6
	messageRefused messageType = 7
	messageEntries messageType = 8
	messageCopied  messageType = 9
	messageEffects messageType = 10
	messageBeat    messageType = 11
	messageAsk     messageType = 12
	messageRestart messageType = 13

	messageMore messageType = 0x80
)

const (
	frameHeadBytes  = 5
	protocolMagic   = 0x72656c6b // "relk"
	protocolVersion = 1
	maxNodeID       = 64
	// keepMessageBytes is how much memory a reader keeps from message to message.
	keepMessageBytes = 2 * maxFrameBytes
)

var (
	errProtocol = errors.New("replication: link protocol violated")
	errTooLarge = errors.New("replication: message over the limit")
)

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errProtocol, fmt.Sprintf(format, args...))
}

// frameReader reads messages, allocating no more than has arrived.
type frameReader struct {
	conn    net.Conn
	buf     *bufio.Reader
	timeout time.Duration
	message []byte
	in      func(n int) // counts bytes
}

func newFrameReader(conn net.Conn, timeout time.Duration, bufferBytes int, in func(n int)) *frameReader {
	r := &frameReader{conn: conn, timeout: timeout, in: in}
	r.buf = bufio.NewReaderSize(deadlineReader{r}, bufferBytes)
	return r
}

// deadlineReader gives every read of the connection its own deadline: a link is
// broken when nothing comes, not when a large message takes its time.
type deadlineReader struct{ r *frameReader }

func (d deadlineReader) Read(b []byte) (int, error) {
	if err := d.r.conn.SetReadDeadline(time.Now().Add(d.r.timeout)); err != nil {
		return 0, err
	}
	n, err := d.r.conn.Read(b)
	d.r.in(n)
	return n, err
}

// next returns the next message, at most limit bytes of payload. It is valid
// until the call after.
func (r *frameReader) next(limit int64) (messageType, []byte, error) {
	if cap(r.message) > keepMessageBytes {
		r.message = nil
	}
	r.message = r.message[:0]
	kind := messageType(0)
	for {
		var head [frameHeadBytes]byte
		if _, err := io.ReadFull(r.buf, head[:]); err != nil {
			return 0, nil, err
		}
		size, t := binary.LittleEndian.Uint32(head[:]), messageType(head[4])
		if kind == 0 {
			kind = t &^ messageMore
		} else if t&^messageMore != kind {
			return 0, nil, protocolError("message %d goes on as %d", kind, t&^messageMore)
		}
		switch {
		case size > maxFrameBytes:
			return 0, nil, fmt.Errorf("%w: frame of %d bytes", errTooLarge, size)
		case size == 0 && t&messageMore != 0:
			return 0, nil, protocolError("empty frame that goes on")
		case int64(len(r.message))+int64(size) > limit:
			return 0, nil, fmt.Errorf("%w: message %d of more than %d bytes", errTooLarge, kind, limit)
		}
		at := len(r.message)
		r.message = growBytes(r.message, int(size))
		if _, err := io.ReadFull(r.buf, r.message[at:]); err != nil {
			return 0, nil, err
		}
		if t&messageMore == 0 {
			return kind, r.message, nil
		}
	}
}

// frameWriter gathers messages and writes them in one call. It is for one
// goroutine.
type frameWriter struct {
	conn    net.Conn
	timeout time.Duration
	buf     []byte
	start   int // of the message being built
	kind    messageType
	out     func(n int)
}

// begin starts a message.
func (w *frameWriter) begin(kind messageType) {
	w.start, w.kind = len(w.buf), kind
	w.buf = append(w.buf, 0, 0, 0, 0, byte(kind))
}

func (w *frameWriter) uvarint(v uint64)    { w.buf = binary.AppendUvarint(w.buf, v) }
func (w *frameWriter) bytes(b []byte)      { w.buf = append(w.buf, b...) }
func (w *frameWriter) position(p Position) { w.uvarint(p.Epoch); w.uvarint(p.Seq) }

// pending returns how much the message being built has so far.
func (w *frameWriter) pending() int { return len(w.buf) - w.start - frameHeadBytes }

// cancel drops the message being built.
func (w *frameWriter) cancel() { w.buf = w.buf[:w.start] }

// end completes the message, cutting it into frames where it is too large for
// one. It writes out what has gathered once that is a batch.
func (w *frameWriter) end(batch int) error {
	n := w.pending()
	if n <= maxFrameBytes {
		binary.LittleEndian.PutUint32(w.buf[w.start:], uint32(n))
		if len(w.buf) < batch {
			return nil
		}
		return w.flush()
	}
	// Too large to be moved around for the sake of its frame heads: write what
	// lies before it, then frame by frame, each head over the bytes already sent.
	payload := w.buf[w.start:]
	if err := w.write(w.buf[:w.start]); err != nil {
		return err
	}
	for len(payload) > frameHeadBytes {
		size := min(len(payload)-frameHeadBytes, maxFrameBytes)
		kind := w.kind
		if len(payload)-frameHeadBytes > size {
			kind |= messageMore
		}
		binary.LittleEndian.PutUint32(payload, uint32(size))
		payload[4] = byte(kind)
		if err := w.write(payload[:frameHeadBytes+size]); err != nil {
			return err
		}
		payload = payload[size:]
	}
	w.buf = nil
	return nil
}

// flush writes what has gathered.
func (w *frameWriter) flush() error {
	err := w.write(w.buf)
	w.buf = w.buf[:0]
	if cap(w.buf) > keepMessageBytes {
		w.buf = nil
	}
	return err
}

func (w *frameWriter) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return err
	}
	n, err := w.conn.Write(b)
	w.out(n)
	return err
}

// payload decodes a message. The first thing that is wrong sticks in bad.
type payload struct {
	b   []byte
	bad bool
}

func (p *payload) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *payload) slot() uint16 {
	v := p.uvarint()
	if v >= slotCount {
		p.bad, p.b = true, nil
		return 0
	}
	return uint16(v)
}

func (p *payload) position() Position { return Position{p.uvarint(), p.uvarint()} }

// bytes returns a length and as many bytes, aliasing the message.
func (p *payload) bytes() []byte {
	n := p.uvarint()
	if n > uint64(len(p.b)) {
		p.bad, p.b = true, nil
		return nil
	}
	b := p.b[:n:n]
	p.b = p.b[n:]
	return b
}

func (p *payload) more() bool { return len(p.b) > 0 }

// history decodes the epochs of a slot.
func (p *payload) history() history {
	n := p.uvarint()
	if n > maxHistory {
		p.bad, p.b = true, nil
		return nil
	}
	h := make(history, 0, n)
	for range n {
		h = append(h, EpochStart{p.uvarint(), p.uvarint()})
	}
	if !h.valid() {
		p.bad = true
	}
	return h
}

func (w *frameWriter) history(h history) {
	w.uvarint(uint64(len(h)))
	for _, e := range h {
		w.uvarint(e.Epoch)
		w.uvarint(e.Start)
	}
}

// hello is the first message in each direction.
type hello struct {
	node   string // of the sender
	boot   uint64 // changes each time the sender's process starts
	target string // node ID that the sender believes to speak with; from a primary, empty
}

func (w *frameWriter) hello(h hello) error {
	w.begin(messageHello)
	w.uvarint(protocolMagic)
	w.uvarint(protocolVersion)
	for _, s := range []string{h.node, h.target} {
		w.uvarint(uint64(len(s)))
		w.buf = append(w.buf, s...)
	}
	w.uvarint(h.boot)
	if err := w.end(0); err != nil {
		return err
	}
	return w.flush()
}

// maxHelloBytes bounds what is read before the other side is known to be one of
// ours.
const maxHelloBytes = 256

func (r *frameReader) hello() (hello, error) {
	kind, message, err := r.next(maxHelloBytes)
	if err != nil {
		return hello{}, err
	}
	if kind != messageHello {
		return hello{}, protocolError("message %d in place of hello", kind)
	}
	p := payload{b: message}
	if magic, version := p.uvarint(), p.uvarint(); magic != protocolMagic || version != protocolVersion {
		return hello{}, protocolError("hello with magic %#x, version %d", magic, version)
	}
	node, target := p.bytes(), p.bytes()
	h := hello{node: string(node), target: string(target), boot: p.uvarint()}
	if p.bad || len(h.node) == 0 || len(h.node) > maxNodeID || len(h.target) > maxNodeID {
		return hello{}, protocolError("malformed hello")
	}
	return h, nil
}
