package resp

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"respkv/internal/certs/certstest"
)

// tlsServer is a server on a port for TLS, that asks for certificates.
func tlsServer(t *testing.T, ca *certstest.CA) (*Server, string) {
	t.Helper()
	f := ca.Issue("server")
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	limits := DefaultLimits()
	s, err := NewServer(ServerConfig{Limits: limits}, echoName{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: ca.Client(certstest.Files{}).RootCAs, ClientAuth: tls.RequireAndVerifyClientCert}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	return s, ln.Addr().String()
}

// echoName answers each command with its name, and TLS or not.
type echoName struct{}

func (echoName) Connected(*Client)    {}
func (echoName) Disconnected(*Client) {}
func (echoName) Batch(c *Client, cmds [][][]byte) int {
	for _, cmd := range cmds {
		c.W.BulkString(fmt.Sprintf("%s %v", cmd[0], c.TLS()))
	}
	return len(cmds)
}

func TestTLSClient(t *testing.T) {
	ca := certstest.NewCA(t, "authority")
	_, addr := tlsServer(t, ca)
	conn, err := tls.Dial("tcp", addr, ca.Client(ca.Issue("client")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PING\r\nPONG\r\n"); err != nil {
		t.Fatal(err)
	}
	want := "$9\r\nPING true\r\n$9\r\nPONG true\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

// TestUnfinishedHandshakes: who is refused, babbles or says nothing takes a place
// among the clients, for a time, and does not hold up the end of the server.
func TestUnfinishedHandshakes(t *testing.T) {
	ca := certstest.NewCA(t, "authority")
	s, addr := tlsServer(t, ca)
	for _, say := range []string{"", "PING\r\n", "\x16\x03\x01\xff\xff", strings.Repeat("x", 1<<16)} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, say)
	}
	refused, err := tls.Dial("tcp", addr, ca.Client(certstest.Files{}))
	if err == nil {
		if _, err = refused.Read(make([]byte, 1)); err == nil {
			t.Error("a client without a certificate was served")
		}
		_ = refused.Close()
	}
	eventually(t, "babblers and the refused one are counted", func() bool { return s.Stats().ConnectionsRejected >= 3 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	began := time.Now()
	_ = s.Shutdown(ctx)
	if took := time.Since(began); took > handshakeTime-2*time.Second {
		t.Errorf("the end of the server took %v", took)
	}
	eventually(t, "the silent ones leave too", func() bool { return s.Clients().Len() == 0 })
}
