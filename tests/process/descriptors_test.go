package process

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

// TestFewDescriptors runs nodes that may open 64 files. More clients than that
// are told so, the node keeps its place in the cluster, and serves when they are
// gone.
func TestFewDescriptors(t *testing.T) {
	limit := harness.Tool(t, "prlimit")
	var nodes []*harness.Node
	for range 3 {
		nodes = append(nodes, harness.NewNodeAt(t, "127.0.0.1", harness.FreePorts(t, 1), []string{limit, "--nofile=64:64"}))
	}
	c := harness.JoinCluster(t, nodes, 1)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	crowded, other := nodes[0], nodes[1]
	before := primarySlotsAt(t, other, crowded)
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	refused := 0
	for range 100 {
		conn, err := net.DialTimeout("tcp", crowded.Addr(), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			refused++ // closed already
			continue
		}
		reply := make([]byte, 100)
		n, err := conn.Read(reply)
		switch text := string(reply[:n]); {
		case err != nil || strings.HasPrefix(text, "-ERR max number of clients reached"):
			refused++
		case text != "+PONG\r\n":
			t.Fatalf("a client got %q", text)
		}
	}
	if refused < 60 || refused == 100 {
		t.Errorf("%d of 100 clients were refused", refused)
	}
	if strings.Contains(crowded.LogTail(1000), "too many open files") {
		t.Error("the process ran out of descriptors")
	}
	if now := primarySlotsAt(t, other, crowded); now != before {
		t.Errorf("the crowded node was primary of %d slots, and is of %d", before, now)
	}
	for _, conn := range conns {
		_ = conn.Close()
	}
	client := crowded.Client()
	harness.Eventually(t, 20*time.Second, func() error {
		if err := client.Ping(context.Background()).Err(); err != nil {
			return fmt.Errorf("after they have gone: %w", err)
		}
		return nil
	})
}
