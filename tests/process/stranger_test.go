package process

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"respkv/cluster/mux"
	"respkv/tests/process/harness"
)

// TestStrangers: who does not know the secret of the cluster gets a nonce on the
// cluster port and nothing more, be it that he tries another secret, plays back
// what he was sent, or is a whole node; and the cluster does not take him in.
func TestStrangers(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, 1, "--cluster.secret=between nodes")
	ctx := context.Background()
	before := c.Nodes[0].Client().ClusterNodes(ctx).Val()
	hello := make([]byte, 18)
	answer := func(target *harness.Node, p mux.Protocol, proof func(hello, nonce []byte) []byte) []byte {
		conn, err := net.DialTimeout("tcp", target.ClusterAddr(), harness.Patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(harness.Patience))
		hello[0], hello[1] = byte(p), 1
		_, _ = rand.Read(hello[2:])
		if _, err := conn.Write(hello); err != nil {
			t.Fatal(err)
		}
		nonce := make([]byte, 16)
		if _, err := io.ReadFull(conn, nonce); err != nil {
			t.Fatalf("%v: no nonce: %v", p, err)
		}
		// What follows may meet a connection that is closed already.
		_, _ = conn.Write(append(proof(hello, nonce), "\x00\x00\x00\x02{}"...))
		_ = conn.(*net.TCPConn).CloseWrite()
		rest := make([]byte, 2*sha256.Size)
		n, _ := io.ReadAtLeast(conn, rest, sha256.Size)
		return rest[:n]
	}
	guess := func(secret string) func(hello, nonce []byte) []byte {
		return func(hello, nonce []byte) []byte {
			mac := hmac.New(sha256.New, mux.Key(secret, "mux"))
			mac.Write([]byte("dialer"))
			mac.Write(hello)
			mac.Write(nonce)
			return mac.Sum(nil)
		}
	}
	for _, p := range []mux.Protocol{mux.Gossip, mux.Raft, mux.Replication, mux.Control, mux.Publish} {
		for name, proof := range map[string]func(hello, nonce []byte) []byte{
			"no secret":      guess(""),
			"another secret": guess("between node"),
			"nothing":        func(_, _ []byte) []byte { return nil },
			"zeros":          func(_, _ []byte) []byte { return make([]byte, 32) },
			"its own nonces": func(hello, nonce []byte) []byte { return append(bytes.Clone(hello[2:]), nonce...) },
		} {
			if rest := answer(c.Nodes[0], p, proof); len(rest) != 0 {
				t.Errorf("%v, %s: %d bytes after the nonce", p, name, len(rest))
			}
		}
		// The same with the right secret is let in: the test can tell. What the
		// protocols then say differs; the proof comes first.
		if rest := answer(c.Nodes[0], p, guess("between nodes")); len(rest) < sha256.Size {
			t.Errorf("%v: the right secret was answered with %d bytes", p, len(rest))
		}
	}
	// Packets that nobody sealed with the secret are not answered.
	udp, err := net.Dial("udp", c.Nodes[0].ClusterAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, size := range []int{0, 1, 28, 29, 100, 1400} {
		packet := make([]byte, size)
		_, _ = rand.Read(packet)
		if _, err := udp.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	_ = udp.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if n, err := udp.Read(make([]byte, 2048)); err == nil {
		t.Errorf("a stranger's packet was answered with %d bytes", n)
	}

	// A node with another secret stays outside.
	outside := harness.NewNode(t, "--cluster.enabled=true", "--cluster.secret=other", "--cluster.expect=0", "--cluster.seeds="+c.Nodes[0].ClusterAddr())
	outside.Start()
	outside.WaitReady()
	info := ""
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
		info = outside.Client().ClusterInfo(ctx).Val()
		if !strings.Contains(info, "cluster_known_nodes:1\r\n") {
			t.Fatalf("a node with another secret knows the cluster:\n%s", info)
		}
		if now := c.Nodes[0].Client().ClusterNodes(ctx).Val(); strings.Count(now, "\n") != strings.Count(before, "\n") {
			t.Fatalf("the cluster took in a stranger:\n%s", now)
		}
	}
}
