package process

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"respkv/cluster/mux"
	"respkv/tests/process/harness"
)

const (
	attackTime = 8 * time.Second
	// mayGrow is what a node under attack may hold beside its data: the account
	// of the cluster port is 128 MiB, connections and goroutines come to less.
	mayGrow = 96 << 20
)

// TestHostileClusterPort attacks the cluster ports of a cluster without secret:
// strangers pass the handshake there. It keeps serving, nobody fails over, and
// memory stays where it was.
func TestHostileClusterPort(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	writers := harness.StartWriters(t, c.Client(nil), 4)
	writers.WaitFor(t, 1000, harness.Patience)
	before := make([]int64, len(c.Nodes))
	for i, n := range c.Nodes {
		before[i] = n.ResidentBytes()
	}
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	attack(t, c, seed)
	writers.WaitFor(t, 1000, harness.Patience)
	for i, n := range c.Nodes {
		if !n.Running() {
			t.Fatalf("node %s has ended", n.Addr())
		}
		now := n.ResidentBytes()
		t.Logf("node %s: %d KB before, %d KB after", n.Addr(), before[i]>>10, now>>10)
		if now > before[i]+mayGrow {
			t.Errorf("node %s grew by %d MB", n.Addr(), (now-before[i])>>20)
		}
	}
	writers.RequireNothingLost(t)
	c.WaitComplete(harness.FormLimit)
}

// attack does everything at once for attackTime, to all nodes.
func attack(t *testing.T, c *harness.Cluster, seed uint64) {
	// A port of its own: the handshake without a secret is known to everybody.
	stranger, err := mux.Listen([]string{"127.0.0.1"}, 0, mux.Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), attackTime)
	defer cancel()
	var attackers sync.WaitGroup
	ids := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		ids[i] = n.ID()
	}
	each := func(count int, one func(random *mathrand.Rand, target int)) {
		for i := range count {
			random := mathrand.New(mathrand.NewPCG(seed, uint64(i)))
			attackers.Go(func() {
				for ctx.Err() == nil {
					one(random, random.IntN(len(c.Nodes)))
				}
			})
		}
	}
	junk := make([]byte, 1<<20)
	_, _ = rand.Read(junk)
	piece := func(random *mathrand.Rand, most int) []byte {
		n := random.IntN(most)
		at := random.IntN(len(junk) - n)
		return junk[at : at+n]
	}
	// Silent and babbling connections, as many as can be opened.
	each(8, func(random *mathrand.Rand, target int) {
		var open []net.Conn
		for range 100 {
			conn, err := net.DialTimeout("tcp", c.Nodes[target].ClusterAddr(), time.Second)
			if err != nil {
				continue
			}
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write(piece(random, 100))
			open = append(open, conn)
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	})
	// Strangers who know the handshake, and how each protocol begins.
	each(8, func(random *mathrand.Rand, target int) {
		p := []mux.Protocol{mux.Gossip, mux.Raft, mux.Control, mux.Replication, mux.Status}[random.IntN(5)]
		conn, err := stranger.Dial(ctx, c.Nodes[target].ClusterAddr(), p)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		var begin []byte
		switch p {
		case mux.Control:
			begin = []byte(ids[(target+1)%len(ids)])
		case mux.Raft:
			begin = []byte(ids[(target+1)%len(ids)] + ids[target])
		}
		if p == mux.Control || p == mux.Raft {
			begin = append(begin, 0, byte(random.IntN(64)), 0, 0) // announces up to 4 MB
			begin = append(begin, byte(random.IntN(16)), 1)
		}
		_, _ = conn.Write(append(begin, piece(random, 256<<10)...))
		_, _ = io.CopyN(io.Discard, conn, 1)
	})
	each(4, func(random *mathrand.Rand, target int) {
		conn, err := net.Dial("udp", c.Nodes[target].ClusterAddr())
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for range 100 {
			_, _ = conn.Write(piece(random, 3000))
		}
		time.Sleep(time.Millisecond) // a rate that leaves the machine to others
	})
	attackers.Wait()
}
