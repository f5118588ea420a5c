package resp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestMaxClients(t *testing.T) {
	s := startServer(t, false, func(cfg *ServerConfig, _ *testExecutor) { cfg.Limits.MaxClients = 2 })
	a, b := s.dial(t), s.dial(t)
	a.do("PING")
	b.do("PING")
	for range 5 {
		c := s.dial(t)
		c.expect("-ERR max number of clients reached\r\n")
		c.expectEOF()
	}
	if st := s.Stats(); st.ConnectionsReceived != 7 || st.ConnectionsRejected != 5 || st.ConnectedClients != 2 {
		t.Errorf("%+v", st)
	}
	if err := s.SetLimits(func(l *Limits) { l.MaxClients = 3 }); err != nil {
		t.Fatal(err)
	}
	if got := s.dial(t).do("PING"); got != "+PONG" {
		t.Fatal(got)
	}
	if err := s.SetLimits(func(l *Limits) { l.MaxClients = 0 }); err == nil || s.Limits().MaxClients != 3 {
		t.Fatal("bad limit accepted")
	}
}

func TestIdleTimeout(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		idle, blocked, subscriber := s.dial(t), s.dial(t), s.dial(t)
		subscriber.do("SUBSCRIBE")
		blocked.send(wireCommand("WAIT-FOR", "k"))
		eventually(t, "one is blocked", func() bool { return s.Stats().BlockedClients == 1 })
		start := time.Now()
		idle.do("PING")
		if err := s.SetLimits(func(l *Limits) { l.Timeout = time.Second }); err != nil {
			t.Fatal(err)
		}
		idle.expectEOF()
		if d := time.Since(start); d < 800*time.Millisecond {
			t.Errorf("closed after %v", d)
		}
		if got := subscriber.do("GIVE", "k", "v"); got != ":1" {
			t.Fatal(got)
		}
		blocked.expect("$1\r\nv\r\n")
	})
}

func TestKill(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		a, b := s.dial(t), s.dial(t)
		a.do("PING")
		b.do("PING")
		if n := s.Clients().Kill(func(c *Client) bool { return c.Addr() == a.LocalAddr().String() }, nil); n != 1 {
			t.Fatalf("%d killed", n)
		}
		a.expectEOF()
		if got := b.do("PING"); got != "+PONG" {
			t.Fatal(got)
		}
		eventually(t, "executor told", func() bool {
			s.exec.mu.Lock()
			defer s.exec.mu.Unlock()
			return len(s.exec.gone) == 1 && s.exec.gone[0] == 1
		})
	})
}

func TestShutdownSendsReplies(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		idle, blocked := s.dial(t), s.dial(t)
		idle.do("PING")
		blocked.send("PING\r\n" + wireCommand("WAIT-FOR", "k"))
		blocked.expect("+PONG\r\n")
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		idle.expectEOF()
		blocked.expectEOF()
		if nc, err := net.Dial("tcp", s.addr); err == nil {
			nc.Close()
			t.Fatal("still listening")
		}
	})
}

// fakeConn is a connection from elsewhere.
type fakeConn struct {
	net.Conn
	remote net.Addr
}

func (c fakeConn) RemoteAddr() net.Addr { return c.remote }

func TestProtectedMode(t *testing.T) {
	for addr, local := range map[string]bool{"127.0.0.1": true, "127.8.9.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"10.0.0.1": false, "2001:db8::1": false, "0.0.0.0": false} {
		if got := isLocal(fakeConn{remote: &net.TCPAddr{IP: net.ParseIP(addr)}}); got != local {
			t.Errorf("%s: local %v", addr, got)
		}
	}
	var passwordless atomic.Bool
	passwordless.Store(true)
	s := startServer(t, false, func(cfg *ServerConfig, _ *testExecutor) {
		cfg.NoPassword = passwordless.Load
	})
	// From another address of this host, if it has one.
	if host := otherAddress(); host != "" {
		ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Skip(err)
		}
		s.Serve(ln)
		c := dial(t, "tcp", ln.Addr().String())
		c.expect(replyProtected)
		c.expectEOF()
		if err := s.SetLimits(func(l *Limits) { l.ProtectedMode = false }); err != nil {
			t.Fatal(err)
		}
		if got := dial(t, "tcp", ln.Addr().String()).do("PING"); got != "+PONG" {
			t.Fatal(got)
		}
		s.SetLimits(func(l *Limits) { l.ProtectedMode = true })
		passwordless.Store(false)
		if got := dial(t, "tcp", ln.Addr().String()).do("PING"); got != "+PONG" {
			t.Fatal(got)
		}
	}
}

func otherAddress() string {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return ""
}

func TestListen(t *testing.T) {
	opened, err := listenTCP([]string{"127.0.0.1", "-::1", "-192.0.2.1"}, 0, 16)
	if err != nil || len(opened) == 0 {
		t.Fatal(opened, err)
	}
	port := opened[0].Addr().(*net.TCPAddr).Port
	if _, err := listenTCP([]string{"127.0.0.1"}, port, 0); err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) {
		t.Errorf("port in use: %v", err)
	}
	closeAll(opened)
	if _, err := listenTCP([]string{"192.0.2.1"}, port, 0); err == nil {
		t.Error("foreign address accepted")
	}
	path := t.TempDir() + "/socket"
	for range 2 { // the second replaces what the first left
		ln, err := listenUnix(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatal(info, err)
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(false)
		ln.Close()
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, false, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	nc, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(connectionTime))
	c := &testConn{Conn: nc, t: t, r: bufio.NewReader(nc)}
	defer c.Close()
	go io.WriteString(nc, strings.Repeat(wireCommand("ECHO", "secret"), 3000)+wireCommand("WAIT-FOR", "k")+"PING\r\n")
	c.expect(strings.Repeat("$6\r\nsecret\r\n", 3000))
	giver := s.dial(t)
	for giver.do("GIVE", "k", "v") != ":1" {
	}
	c.expect("$1\r\nv\r\n+PONG\r\n")
}

// The line of CLIENT LIST has the fields of redis-server in its order.
func TestInfoAsRedis(t *testing.T) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	fields := func(line string) string {
		return strings.Join(regexp.MustCompile(`[a-z-]+=`).FindAllString(line, -1), "")
	}
	want := dial(t, "tcp", startRedis(t, binary)).do("CLIENT", "INFO")
	s := startServer(t, false, nil)
	got := s.dial(t).do("INFO")
	if fields(got) != fields(want)+"lib-name=lib-ver=" {
		t.Errorf("got %s\nredis-server has %s", got, want)
	}
	values := regexp.MustCompile(`^id=1 addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=\d+ name= age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 .* events=r cmd=info user=default redir=-1 resp=2 `)
	if !values.MatchString(got) {
		t.Error(got)
	}
}

func TestFlagLetters(t *testing.T) {
	for flags, want := range map[Flags]string{
		0: "N", FlagAsking: "N", FlagMonitor | FlagReplica: "O", FlagReplica: "S",
		FlagPubSub | FlagMulti | FlagBlocked | FlagTracking: "Pxbt", FlagReadOnly | FlagNoEvict | FlagUnixSocket: "Ure",
	} {
		if got := string(appendFlags(nil, flags)); got != want {
			t.Errorf("%b: %s, want %s", flags, got, want)
		}
	}
}
