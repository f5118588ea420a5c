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
	err = readPublished(r, func(shard bool, channel, text []byte) {
		got = append(got, published{shard, string(channel), string(text)})
	})
	return got, err
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
		"unknown kind":   "\x00\x00\x00\x05\x03\x00\x00\x00\x00",
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
	p := newPublisher(20*time.Second, func(ctx context.Context, _ slotmap.NodeID) (net.Conn, error) {
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
		p.send("b", publishFrame(publishChannel, fmt.Append(nil, i), text))
	}
	dropped := int(p.dropped.Load())
	if dropped < messages-publishQueue>>20 || dropped > messages-publishQueue>>20+1 {
		t.Errorf("%d of %d messages of 1 MB dropped", dropped, messages)
	}
	p.send("b", make([]byte, publishQueue+1))
	if got := int(p.dropped.Load()); got != dropped+1 {
		t.Errorf("a message larger than the queue: %d dropped, then %d", dropped, got)
	}
	close(up)
	conn := <-conns
	next := dropped
	done := make(chan struct{})
	_ = readPublished(conn, func(_ bool, channel, _ []byte) {
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
			p.send("b", publishFrame(publishShard, []byte("s"), nil))
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
	go readPublished(conn, func(shard bool, _, _ []byte) {
		select {
		case got <- shard:
		default:
		}
	})
	if !<-got {
		t.Error("not a shard channel")
	}
}
