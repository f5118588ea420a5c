package mux

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"respkv/internal/certs"
	"respkv/internal/certs/certstest"
)

// secure is TLS with a certificate of ca.
func secure(t *testing.T, ca *certstest.CA, options ...certstest.Option) *TLS {
	t.Helper()
	f := ca.Issue("node", options...)
	store, err := certs.New(certs.Settings{CertFile: f.Cert, KeyFile: f.Key, CAFile: ca.File}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &TLS{Accept: store.Accept, Dial: store.Dial}
}

// careless is TLS as a stranger would speak it: it takes every certificate.
func careless(s *TLS) *TLS {
	return &TLS{Accept: s.Accept, Dial: func() *tls.Config {
		c := s.Dial().Clone()
		c.VerifyConnection, c.InsecureSkipVerify = nil, true
		return c
	}}
}

// lockedBuffer takes log lines from any goroutine.
type lockedBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{} // capacity 1
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func listenLogged(t *testing.T, cfg Config) (*Mux, *lockedBuffer) {
	t.Helper()
	log := &lockedBuffer{wrote: make(chan struct{}, 1)}
	if cfg.HandshakeTimeout == 0 {
		cfg.HandshakeTimeout = patience
	}
	m, err := Listen([]string{"127.0.0.1"}, 0, cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	m.Serve()
	t.Cleanup(func() { _ = m.Close() })
	m.Handle(Control, echo)
	return m, log
}

func roundTrip(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	want := bytes.Repeat([]byte("0123456789"), 10_000)
	go func() { _, _ = conn.Write(want) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("other bytes came back")
	}
	return nil
}

// wire keeps what goes over a connection.
type wire struct {
	net.Conn
	mu   sync.Mutex
	seen bytes.Buffer
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.seen.Write(p)
	w.mu.Unlock()
	return w.Conn.Write(p)
}

func TestTLSCarriesEverything(t *testing.T) {
	ca := certstest.NewCA(t, "ours")
	m, _ := listenLogged(t, Config{Secret: "s", TLS: secure(t, ca)})
	conn, err := m.Dial(context.Background(), m.Addr().String(), Control)
	if err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(conn); err != nil {
		t.Error(err)
	}
	raw, err := net.Dial("tcp", m.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Conn: raw}
	out, err := m.introduce(w, Control)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte("PLAINTEXT")); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	if w.mu.Lock(); bytes.Contains(w.seen.Bytes(), []byte("PLAINTEXT")) || w.seen.Bytes()[0] != tlsRecord {
		t.Errorf("on the wire: %q", w.seen.Bytes())
	}
	w.mu.Unlock()
}

// TestWhoIsRefused: what the acceptor's log says of each kind of stranger.
func TestWhoIsRefused(t *testing.T) {
	ours, theirs := certstest.NewCA(t, "ours"), certstest.NewCA(t, "theirs")
	right := secure(t, ours)
	bare := &TLS{Dial: func() *tls.Config { return ours.Client(certstest.Files{}) }}
	for name, test := range map[string]struct {
		acceptor, dialer Config
		want             string
	}{
		"wrong CA":       {Config{TLS: right}, Config{TLS: secure(t, theirs)}, "unknown authority"},
		"expired":        {Config{TLS: right}, Config{TLS: secure(t, ours, certstest.Expired)}, "expired"},
		"client only":    {Config{TLS: right}, Config{TLS: secure(t, ours, certstest.ClientOnly)}, "incompatible key usage"},
		"no certificate": {Config{TLS: right}, Config{TLS: bare}, "didn't provide a certificate"},
		"no TLS":         {Config{TLS: right}, Config{}, "first record does not look like a TLS handshake"},
		"TLS to plain":   {Config{}, Config{TLS: right}, errTLSHere.Error()},
		"wrong secret":   {Config{TLS: right, Secret: "a"}, Config{TLS: right, Secret: "b"}, ErrAuth.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			test.acceptor.HandshakeTimeout = 20 * time.Second
			m, log := listenLogged(t, test.acceptor)
			m.Handle(Control, func(c net.Conn) { t.Error("let in"); _ = c.Close() })
			if test.dialer.TLS != nil {
				test.dialer.TLS = careless(test.dialer.TLS)
				test.dialer.TLS.Accept = right.Accept
			}
			other := listen(t, test.dialer)
			conn, err := other.Dial(context.Background(), m.Addr().String(), Control)
			if err == nil {
				_ = conn.Close()
				t.Fatal("connected")
			}
			limit := time.After(patience)
			for !strings.Contains(log.String(), test.want) {
				select {
				case <-log.wrote:
				case <-limit:
					t.Fatalf("want %q in the log:\n%s", test.want, log)
				}
			}
			if !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("no warning:\n%s", log)
			}
		})
	}
}

// TestStrangersAreNoNews: port scanners and broken connections do not fill the
// log.
func TestStrangersAreNoNews(t *testing.T) {
	ca := certstest.NewCA(t, "ours")
	for _, cfg := range []Config{{Secret: "s"}, {Secret: "s", TLS: secure(t, ca)}} {
		m, log := listenLogged(t, cfg)
		for _, say := range []string{"", "C", "\x16\x03\x01"} {
			if cfg.TLS == nil && strings.HasPrefix(say, "\x16") {
				continue // that is news
			}
			conn, err := net.Dial("tcp", m.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, say)
			_ = conn.Close()
		}
		if conn, err := m.Dial(context.Background(), m.Addr().String(), Control); err != nil {
			t.Error(err)
		} else if err := roundTrip(conn); err != nil {
			t.Error(err)
		}
		_ = m.Close()
		if strings.Contains(log.String(), "level=WARN") {
			t.Errorf("log:\n%s", log)
		}
	}
}

// TestSecretsChange goes through a rotation: at each step every node reaches
// every other.
func TestSecretsChange(t *testing.T) {
	a, b := listen(t, Config{Secret: "old"}), listen(t, Config{Secret: "old"})
	for _, m := range []*Mux{a, b} {
		m.Handle(Control, echo)
	}
	both := func(step string) {
		t.Helper()
		for from, to := range map[*Mux]*Mux{a: b, b: a} {
			conn, err := from.Dial(context.Background(), to.Addr().String(), Control)
			if err != nil {
				t.Errorf("%s: %v", step, err)
				continue
			}
			if err := roundTrip(conn); err != nil {
				t.Errorf("%s: %v", step, err)
			}
		}
	}
	for _, step := range [][2]string{{"old", "new"}, {"new", "old"}, {"new", ""}} {
		a.SetSecrets(step[0], step[1])
		both("one at " + step[0] + "/" + step[1])
		b.SetSecrets(step[0], step[1])
		both("both at " + step[0] + "/" + step[1])
	}
	stale := listen(t, Config{Secret: "old"})
	if conn, err := stale.Dial(context.Background(), a.Addr().String(), Control); !errors.Is(err, ErrAuth) {
		if err == nil {
			_ = conn.Close()
		}
		t.Errorf("the old secret is good for something: %v", err)
	}
}

// TestCloseDoesNotWait: ending a connection whose other side reads nothing takes
// no time, TLS or not.
func TestCloseDoesNotWait(t *testing.T) {
	ca := certstest.NewCA(t, "ours")
	m, _ := listenLogged(t, Config{TLS: secure(t, ca)})
	held := make(chan net.Conn, 1)
	m.Handle(Control, func(c net.Conn) { held <- c })
	conn, err := m.Dial(context.Background(), m.Addr().String(), Control)
	if err != nil {
		t.Fatal(err)
	}
	accepted := <-held
	for _, c := range []net.Conn{conn, accepted} {
		_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		for {
			if _, err := c.Write(make([]byte, 1<<20)); err != nil {
				break
			}
		}
	}
	began := time.Now()
	_, _ = conn.Close(), accepted.Close()
	if took := time.Since(began); took > 4*time.Second { // crypto/tls would wait for five
		t.Errorf("closing took %v", took)
	}
}
