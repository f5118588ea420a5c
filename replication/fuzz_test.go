package replication

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// scriptConn says what it is given, in small pieces, then ends; it keeps nothing
// of what it is told.
type scriptConn struct {
	net.Conn // nil: only what is below is used
	in       *bytes.Reader
}

func (c *scriptConn) Read(b []byte) (int, error)       { return c.in.Read(b[:min(len(b), 700)]) }
func (c *scriptConn) Write(b []byte) (int, error)      { return len(b), nil }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }
func (c *scriptConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// bufferConn keeps what is written.
type bufferConn struct {
	scriptConn
	out bytes.Buffer
}

func (c *bufferConn) Write(b []byte) (int, error) { return c.out.Write(b) }

// script builds messages.
func script(build func(w *frameWriter)) []byte {
	c := &bufferConn{}
	w := &frameWriter{conn: c, timeout: time.Second, out: func(int) {}}
	build(w)
	w.flush()
	return c.out.Bytes()
}

func message(w *frameWriter, kind messageType, numbers ...uint64) {
	w.begin(kind)
	for _, n := range numbers {
		w.uvarint(n)
	}
	w.end(maxFrameBytes)
}

func FuzzSourceInput(f *testing.F) {
	greeting := script(func(w *frameWriter) { w.hello(hello{node: "r", target: "p", boot: 3}) })
	f.Add(script(func(w *frameWriter) {
		message(w, messageWant, 1, 1, 0, 0, 2, 2, 1, 0, 3, 3, 9, 9)
		message(w, messageAck, 5, 0, 1, 1, 0)
		message(w, messageUnwant, 1)
	}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x82})
	f.Add(bytes.Repeat([]byte{1, 0, 0, 0, 0x82, 1}, 50))
	p := newFakeNode(f, "p", testConfig())
	p.lead(f, 1, 1, 2)
	p.write(1, 0, "SET", "a", "b")
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &scriptConn{in: bytes.NewReader(append(bytes.Clone(greeting), b...))}
		if err := p.source.Serve(context.Background(), c); err == nil {
			t.Error("ended without a reason")
		}
	})
}

// FuzzHello is what comes before anybody is known to be a node.
func FuzzHello(f *testing.F) {
	f.Add(script(func(w *frameWriter) { w.hello(hello{node: "r", target: "p", boot: 3}) }))
	f.Add(script(func(w *frameWriter) { w.hello(hello{node: "p", boot: 3}) }))
	f.Add([]byte{0, 1, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newFrameReader(&scriptConn{in: bytes.NewReader(b)}, time.Second, 4096, func(int) {})
		h, err := r.hello()
		if err == nil && (h.node == "" || len(h.node) > maxNodeID || len(h.target) > maxNodeID) {
			t.Fatalf("%+v", h)
		}
		if cap(r.message) > 2*maxHelloBytes {
			t.Fatalf("%d bytes taken", cap(r.message))
		}
	})
}

// TestStrangersGetNoLink: a link is for members, and there are no more than
// there can be members.
func TestStrangersGetNoLink(t *testing.T) {
	p := newFakeNode(t, "p", testConfig())
	greeting := script(func(w *frameWriter) { w.hello(hello{node: "r", target: "p", boot: 3}) })
	p.source.Known = func(node string) bool { return node != "r" }
	if err := p.source.Serve(context.Background(), &scriptConn{in: bytes.NewReader(greeting)}); !errors.Is(err, errProtocol) {
		t.Errorf("no member: %v", err)
	}
	p.source.Known = nil
	for range maxLinks {
		p.source.links[&sourceLink{}] = struct{}{}
	}
	if err := p.source.Serve(context.Background(), &scriptConn{in: bytes.NewReader(greeting)}); !errors.Is(err, ErrTooManyLinks) {
		t.Errorf("one too many: %v", err)
	}
	clear(p.source.links)
}

func FuzzLinkInput(f *testing.F) {
	record := make([]byte, recordSize(1, 0, args("SET", "a", "b")))
	putRecord(record, 1, recordEffect, 0, 0, 1, 1, args("SET", "a", "b"))
	effects := func(w *frameWriter) {
		w.begin(messageEffects)
		w.bytes(binary.LittleEndian.AppendUint64(nil, 77))
		w.bytes(record)
		w.end(maxFrameBytes)
	}
	f.Add(script(func(w *frameWriter) {
		message(w, messageFull, 1, 1, 1, 0, 0, 1, 1, 0)
		message(w, messageEntries, 1, 1, 3, 0, 1, 0)
		message(w, messageCopied, 1, 1, 0, 1, 1, 0)
		effects(w)
		message(w, messageBeat, 1, 0, 9)
		message(w, messageAsk)
		message(w, messageRestart, 1, 1)
	}))
	f.Add(script(func(w *frameWriter) {
		message(w, messagePartial, 1, 1, 1, 5, 1, 1, 0)
		message(w, messageRefused, 2, 2)
		effects(w)
	}))
	f.Add([]byte{0, 0, 16, 0, 0x8a})
	greeting := script(func(w *frameWriter) { w.hello(hello{node: "p", boot: 3}) })
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newFakeNode(t, "r", testConfig())
		l, err := NewLink(LinkOptions{Config: testConfig(), Log: r.log, Applier: r.store, Slots: r.store,
			NodeID: "r", PrimaryID: "p", Logger: quiet(), Dial: func(context.Context) (net.Conn, error) {
				return &scriptConn{in: bytes.NewReader(append(bytes.Clone(greeting), b...))}, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		l.AddSlots([]uint16{1, 2})
		if err := l.connect(func() {}); err == nil {
			t.Error("ended without a reason")
		}
	})
}

// TestMessageLimits: what is announced is refused before memory is taken for it.
func TestMessageLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"frame over the limit", []byte{1, 0, 16, 0, 10}, errTooLarge},
		{"message over the limit", append([]byte{200, 0, 0, 0, 0x8a}, make([]byte, 200)...), errTooLarge},
		{"change of type", append([]byte{1, 0, 0, 0, 0x8a, 7}, 1, 0, 0, 0, 9, 7), errProtocol},
		{"empty frames for ever", []byte{0, 0, 0, 0, 0x8a}, errProtocol},
		{"cut short", []byte{9, 0, 0, 0, 10, 1}, io.ErrUnexpectedEOF},
	} {
		r := newFrameReader(&scriptConn{in: bytes.NewReader(c.in)}, time.Second, 4096, func(int) {})
		if _, _, err := r.next(100); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
