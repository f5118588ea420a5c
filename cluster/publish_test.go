package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"respkv/cluster/slotmap"
)

type published struct {
	shard         bool
	channel, text string
}

func readAll(r io.Reader) (got []published, err error) {
	reader := newPublishReader(r)
	for {
		kind, channel, text, err := reader.next()
		if err != nil {
			return got, err
		}
		got = append(got, published{kind == publishShard, string(channel), string(text)})
	}
}

// testSource is a process that publishes, testOrder what testTarget does with it.
var (
	testSource = publishSource{node: testNode("a"), boot: 1}
	testTarget = testNode("b")
)

func testNode(letter string) slotmap.NodeID {
	return slotmap.NodeID(strings.Repeat(letter, slotmap.NodeIDLen))
}

func testOrder() *publishOrder {
	return newPublishOrder(testTarget, func(id slotmap.NodeID) bool { return id == testSource.node })
}

func TestPublishFrames(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	want := []published{{false, "c", "text"}, {true, "", ""}, {false, "\x00\r\n", long}, {true, "s", "after"}}
	var wire []byte
	for _, m := range want {
		kind := byte(publishChannel)
		if m.shard {
			kind = publishShard
		}
		wire = append(wire, publishFrame(kind, []byte(m.channel), []byte(m.text))...)
	}
	got, err := readAll(bytes.NewReader(wire))
	if !errors.Is(err, io.EOF) || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d messages, %v", len(got), err)
	}
	for name, bad := range map[string]string{
		"too long":       "\xff\xff\xff\xff\x01",
		"too short":      "\x00\x00\x00\x04\x01\x00\x00\x00",
		"unknown kind":   "\x00\x00\x00\x05\x04\x00\x00\x00\x00",
		"channel beyond": "\x00\x00\x00\x06\x01\x00\x00\x00\x02a",
	} {
		if got, err := readAll(strings.NewReader(bad)); !errors.Is(err, errPublishFrame) || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestPublisherNeverWaits: messages for a node that does not answer are dropped,
// the oldest first, and those that wait are sent once it does.
func TestPublisherNeverWaits(t *testing.T) {
	conns := make(chan net.Conn)
	up := make(chan struct{})
	p := newPublisher(testSource, 20*time.Second, func(ctx context.Context, _ slotmap.NodeID) (net.Conn, error) {
		select {
		case <-up:
		default:
			return nil, io.ErrClosedPipe
		}
		here, there := net.Pipe()
		select {
		case conns <- there:
			return here, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	defer p.close()
	text := make([]byte, 1<<20)
	const messages = 100
	for i := range messages {
		p.send(testTarget, publishFrame(publishChannel, fmt.Append(nil, i), text))
	}
	dropped := int(p.dropped.Load())
	if dropped < messages-publishQueue>>20 || dropped > messages-publishQueue>>20+1 {
		t.Errorf("%d of %d messages of 1 MB dropped", dropped, messages)
	}
	p.send(testTarget, make([]byte, publishQueue+1))
	if got := int(p.dropped.Load()); got != dropped+1 {
		t.Errorf("a message larger than the queue: %d dropped, then %d", dropped, got)
	}
	close(up)
	conn := <-conns
	next := dropped
	done := make(chan struct{})
	order := testOrder()
	_ = order.read(conn, func(_ bool, channel, _ []byte) {
		if string(channel) != fmt.Sprint(next) {
			t.Errorf("message %s, want %d", channel, next)
		}
		if next++; next == messages {
			conn.Close()
			close(done)
		}
	})
	<-done
	// The connection has ended: a message after that opens another. One that was
	// sent before the publisher noticed went with the old connection.
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			p.send(testTarget, publishFrame(publishShard, []byte("s"), nil))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	conn = <-conns
	defer conn.Close()
	got := make(chan bool, 1)
	go order.read(conn, func(shard bool, _, _ []byte) {
		select {
		case got <- shard:
		default:
		}
	})
	if !<-got {
		t.Error("not a shard channel")
	}
}

// TestPublishOrder: what was sent on a connection whose sender has made another one
// is not delivered after what came on that, in whatever order the two arrive.
func TestPublishOrder(t *testing.T) {
	order := testOrder()
	got := make(chan string, 10)
	type end struct {
		net.Conn
		ended chan error
	}
	connect := func(number uint64) end {
		here, there := net.Pipe()
		t.Cleanup(func() { here.Close() })
		e := end{here, make(chan error, 1)}
		go func() {
			e.ended <- order.read(there, func(_ bool, channel, _ []byte) { got <- string(channel) })
			there.Close()
		}()
		from := testSource
		from.connection = number
		_, _ = e.Write(from.frame(testTarget))
		return e
	}
	publish := func(e end, text string) error {
		_, err := e.Write(publishFrame(publishChannel, []byte(text), nil))
		return err
	}
	expect := func(want string) {
		t.Helper()
		if text := <-got; text != want {
			t.Fatalf("%s was delivered, want %s", text, want)
		}
	}
	refused := func(e end, when string) {
		t.Helper()
		_ = publish(e, "stale")
		if err := <-e.ended; err == nil {
			t.Errorf("%s: a stale connection ended without an error", when)
		}
		select {
		case text := <-got:
			t.Fatalf("%s: %s was delivered", when, text)
		default:
		}
	}
	first := connect(1)
	if err := publish(first, "one"); err != nil {
		t.Fatal(err)
	}
	expect("one")
	second := connect(3)
	if err := publish(second, "two"); err != nil {
		t.Fatal(err)
	}
	expect("two")
	refused(first, "the one before")
	refused(connect(2), "an older one that arrives late")
	second.Close()
	<-second.ended
	refused(connect(2), "an older one after the newest has ended")
	third := connect(4)
	if err := publish(third, "three"); err != nil {
		t.Fatal(err)
	}
	expect("three")

	// Strangers are forgotten with their connections.
	here, there := net.Pipe()
	stranger := publishSource{node: testNode("c"), boot: 1, connection: 1}
	ended := make(chan error, 1)
	go func() { ended <- order.read(there, func(bool, []byte, []byte) {}) }()
	if _, err := here.Write(stranger.frame(testTarget)); err != nil {
		t.Fatal(err)
	}
	here.Close()
	<-ended
	order.mu.Lock()
	defer order.mu.Unlock()
	if len(order.newest) != 1 {
		t.Errorf("%d senders are remembered, want the member only", len(order.newest))
	}
	if order.newest[testSource.node].from.connection != 4 {
		t.Error("the member's newest connection is another one")
	}
}

// TestPublishToAnother: messages for the node that had this one's address before are
// not delivered here, where the sender has a connection of this node's own.
func TestPublishToAnother(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		_, _ = here.Write(testSource.frame(testNode("d")))
		_, _ = here.Write(publishFrame(publishChannel, []byte("c"), nil))
	}()
	err := testOrder().read(there, func(_ bool, channel, _ []byte) { t.Errorf("%s was delivered", channel) })
	if err == nil {
		t.Error("no error")
	}
	there.Close()
}

// TestPublishNotKept: a node that cannot be reached for long does not get what was
// published meanwhile when it is back.
func TestPublishNotKept(t *testing.T) {
	p := newPublisher(testSource, time.Millisecond, func(context.Context, slotmap.NodeID) (net.Conn, error) {
		return nil, io.ErrClosedPipe
	})
	defer p.close()
	p.send(testTarget, publishFrame(publishChannel, []byte("c"), nil))
	deadline := time.Now().Add(time.Minute)
	for p.dropped.Load() == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the message still waits")
		}
		time.Sleep(time.Millisecond)
	}
}
