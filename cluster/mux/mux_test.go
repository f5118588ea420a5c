package mux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"
)

// patience is how long the tests wait for what is to happen: much longer than it
// takes, since the machine may be busy with other tests.
const patience = time.Minute

func listen(t *testing.T, cfg Config) *Mux {
	t.Helper()
	if cfg.HandshakeTimeout == 0 {
		cfg.HandshakeTimeout = patience
	}
	m, err := Listen([]string{"127.0.0.1"}, 0, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.Serve()
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func echo(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, _ = io.Copy(conn, conn)
}

func TestProtocolsShareThePort(t *testing.T) {
	m := listen(t, Config{Secret: "s"})
	m.Handle(Control, echo)
	conn, err := m.Dial(context.Background(), m.Addr().String(), Control)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Fatalf("%q %v", got, err)
	}
	if _, err := m.Dial(context.Background(), m.Addr().String(), Replication); err == nil {
		t.Fatal("a protocol without handler was accepted")
	}
}

func TestOtherSecretIsRefused(t *testing.T) {
	m := listen(t, Config{Secret: "right"})
	m.Handle(Control, func(c net.Conn) { t.Error("handler reached"); _ = c.Close() })
	other := listen(t, Config{Secret: "wrong"})
	if _, err := other.Dial(context.Background(), m.Addr().String(), Control); !errors.Is(err, ErrAuth) {
		t.Fatalf("%v", err)
	}
}

// TestStrangersAreBounded fills the handshakes with silent connections; they
// are ended, and a node gets in.
func TestStrangersAreBounded(t *testing.T) {
	m := listen(t, Config{HandshakeTimeout: 200 * time.Millisecond, MaxPending: 2})
	m.Handle(Control, echo)
	for range 6 {
		conn, err := net.Dial("tcp", m.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	deadline := time.Now().Add(patience)
	for {
		conn, err := m.Dial(context.Background(), m.Addr().String(), Control)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	m := listen(t, Config{MaxConns: 1})
	m.Handle(Control, echo)
	first, err := m.Dial(context.Background(), m.Addr().String(), Control)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	// It counts once its handler runs, which is after Dial.
	if _, err := first.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if second, err := m.Dial(context.Background(), m.Addr().String(), Control); err == nil {
		_ = second.Close()
		t.Fatal("more connections than allowed")
	}
}

type pipe struct {
	io.Reader
	io.Writer
}

func FuzzHandshake(f *testing.F) {
	f.Add([]byte{'C', version})
	f.Add(bytes.Repeat([]byte{'G', version}, 60))
	key := Key("", "mux")
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := acceptHandshake(pipe{bytes.NewReader(data), io.Discard}, [][]byte{key}, func(Protocol) bool { return true }); err == nil {
			t.Fatal("a stranger guessed the proof")
		}
		if err := dialHandshake(pipe{bytes.NewReader(data), io.Discard}, key, Control); err == nil {
			t.Fatal("a stranger posed as a node")
		}
	})
}
