package mux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func listen(t *testing.T, cfg Config) *Mux {
	t.Helper()
	m, err := Listen("127.0.0.1:0", cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// echo answers each connection with the protocol's byte and what it reads.
func echo(p Protocol) Handler {
	return func(conn net.Conn) {
		defer conn.Close()
		_, _ = conn.Write([]byte{byte(p)})
		_, _ = io.Copy(conn, conn)
	}
}

func TestDialReachesTheHandlerOfItsProtocol(t *testing.T) {
	for _, secret := range []string{"", "between us"} {
		server, client := listen(t, Config{Secret: secret}), listen(t, Config{Secret: secret})
		server.Handle(Raft, echo(Raft))
		server.Handle(Control, echo(Control))
		for _, p := range []Protocol{Raft, Control} {
			conn, err := client.Dial(context.Background(), server.Addr().String(), p)
			if err != nil {
				t.Fatalf("secret %q: dial %v: %v", secret, p, err)
			}
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 2)
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, []byte{byte(p), 'x'}) {
				t.Fatalf("secret %q: %v answered %q, %v", secret, p, got, err)
			}
			conn.Close()
		}
		if _, err := client.Dial(context.Background(), server.Addr().String(), Gossip); !errors.Is(err, ErrHandshake) {
			t.Fatalf("secret %q: dial without a handler: %v", secret, err)
		}
	}
}

func TestSecretsMustAgree(t *testing.T) {
	for _, c := range []struct{ server, client string }{{"a", "b"}, {"a", ""}, {"", "b"}} {
		server, client := listen(t, Config{Secret: c.server}), listen(t, Config{Secret: c.client})
		server.Handle(Raft, func(conn net.Conn) {
			conn.Close()
			t.Errorf("secrets %q and %q: the handler was reached", c.server, c.client)
		})
		if _, err := client.Dial(context.Background(), server.Addr().String(), Raft); !errors.Is(err, ErrAuth) {
			t.Errorf("secrets %q and %q: %v, want ErrAuth", c.server, c.client, err)
		}
	}
}

func TestSilentStrangerIsDropped(t *testing.T) {
	server := listen(t, Config{HandshakeTimeout: 50 * time.Millisecond})
	conn, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("read: %v, want EOF", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	server, client := listen(t, Config{MaxConns: 1}), listen(t, Config{})
	server.Handle(Raft, echo(Raft))
	first, err := client.Dial(context.Background(), server.Addr().String(), Raft)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial(context.Background(), server.Addr().String(), Raft); err == nil {
		t.Fatal("a second connection was accepted")
	}
	// Once the first is gone there is room again.
	first.Close()
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := client.Dial(context.Background(), server.Addr().String(), Raft)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestCloseEndsConnectionsAndWaits(t *testing.T) {
	server, client := listen(t, Config{}), listen(t, Config{})
	ended := make(chan struct{})
	server.Handle(Raft, func(conn net.Conn) {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn)
	})
	conn, err := client.Dial(context.Background(), server.Addr().String(), Raft)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	default:
		t.Fatal("Close returned before the handler did")
	}
}

// stranger is a connection that sends fixed bytes and takes whatever comes.
type stranger struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *stranger) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *stranger) Write(p []byte) (int, error) { return s.out.Write(p) }

// FuzzAnswer sends arbitrary bytes to a listener with a secret: none of them
// may get in.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{'R', handshakeVersion, authSecret})
	f.Add(append([]byte{'F', handshakeVersion, authSecret}, make([]byte, 64)...))
	f.Add(append([]byte{'C', handshakeVersion, authNone}, make([]byte, 32)...))
	f.Add([]byte("*1\r\n$4\r\nPING\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &stranger{in: bytes.NewReader(data)}
		if p, err := answer(s, "secret", func(Protocol) bool { return true }); err == nil {
			t.Fatalf("a stranger was let in for %v", p)
		}
		if s.out.Len() > 1+nonceSize+32+1 {
			t.Fatalf("a stranger was sent %d bytes", s.out.Len())
		}
	})
}

// FuzzOffer sends arbitrary bytes to a dialer with a secret.
func FuzzOffer(f *testing.F) {
	f.Add([]byte{statusOK})
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := offer(&stranger{in: bytes.NewReader(data)}, Raft, "secret"); err == nil {
			t.Fatal("a stranger was taken for a member")
		}
	})
}
