package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/hashslot"
	"respkv/cluster/slotmap"
	"respkv/internal/freeport"
)

// fakePlane has no data: copies are complete as soon as they are asked for.
type fakePlane struct {
	mu     sync.Mutex
	id     slotmap.NodeID
	boot   uint64
	m      *slotmap.Map
	paused slotmap.Ranges
}

func (p *fakePlane) Apply(m *slotmap.Map) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m = m
}

func (p *fakePlane) current() (*slotmap.Map, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		return slotmap.New(), false
	}
	n := p.m.Node(p.id)
	return p.m, n != nil && n.Boot == p.boot
}

func (p *fakePlane) Positions(rs slotmap.Ranges) []slotmap.SlotPosition {
	m, known := p.current()
	var out []slotmap.SlotPosition
	for _, r := range m.HeldBy(p.id).Intersect(rs) {
		for slot := int(r.First); known && slot <= int(r.Last); slot++ {
			out = append(out, slotmap.SlotPosition{Slot: uint16(slot), Epoch: m.Slot(uint16(slot)).Epoch, Seq: 1, Complete: true})
		}
	}
	return out
}

func (p *fakePlane) Pause(_ context.Context, rs slotmap.Ranges) ([]slotmap.SlotPosition, error) {
	return p.Positions(rs), nil
}
func (p *fakePlane) Resume(slotmap.Ranges)                                 {}
func (p *fakePlane) WaitFor(context.Context, []slotmap.SlotPosition) error { return nil }

func (p *fakePlane) Status() []slotmap.RangeStatus {
	m, known := p.current()
	var out []slotmap.RangeStatus
	if !known {
		return nil
	}
	for _, s := range m.Spans() {
		if s.Holds(p.id) {
			out = append(out, slotmap.RangeStatus{Range: s.Range, Primary: s.Primary == p.id, CaughtUp: true})
		}
	}
	return out
}

type testNodes struct {
	t     *testing.T
	dirs  []string
	nodes []*Node
	seeds []string
	log   *slog.Logger // nil: none, or what CLUSTER_TEST_LOG asks for

	prepare func(*Node) // called before a node starts
}

func (c *testNodes) start(i, port int, change func(*Config)) *Node {
	c.t.Helper()
	for len(c.dirs) <= i {
		c.dirs = append(c.dirs, c.t.TempDir())
		c.nodes = append(c.nodes, nil)
	}
	if port == 0 {
		port = freeport.Find(c.t, 1)
	}
	cfg := DefaultConfig()
	cfg.DataDir, cfg.BindPort, cfg.ClientPort = c.dirs[i], port, 7000+i
	cfg.Expect, cfg.Seeds = 3, c.seeds
	// A node of a busy machine must not look like a dead one: what was placed or
	// taken over as a test asked for would be taken over again.
	cfg.NodeTimeout = 3 * time.Second
	if change != nil {
		change(&cfg)
	}
	plane := &fakePlane{}
	out := io.Writer(io.Discard)
	level := slog.LevelInfo
	if os.Getenv("CLUSTER_TEST_LOG") != "" {
		out, level = os.Stderr, slog.LevelDebug
	}
	log := c.log
	if log == nil {
		log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	}
	n, err := New(Options{Config: cfg, Plane: plane, Logger: log})
	if err != nil {
		c.t.Fatal(err)
	}
	plane.id, plane.boot = n.ID(), n.Boot()
	if c.prepare != nil {
		c.prepare(n)
	}
	if err := n.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[i] = n
	c.t.Cleanup(func() { _ = n.Close() })
	return n
}

func (n *Node) port() int { return n.mux.Addr().Port }

// patience is how long the tests wait for what is to happen: much longer than it
// takes, since the machine may be busy with other tests. How long it may take is
// measured by tests/process.
const patience = time.Minute

func eventually(t *testing.T, within time.Duration, what string, cond func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < within {
		if cond() {
			return time.Since(began)
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("not within %v: %s", within, what)
	return 0
}

// settled: every given node serves, and every slot has a living primary among
// them with copies in sync.
func settled(nodes []*Node, replicas int) bool {
	ids := map[slotmap.NodeID]bool{}
	for _, n := range nodes {
		ids[n.id] = true
	}
	for _, n := range nodes {
		m := n.Map()
		if !n.Serving() || !m.Formed() || m.Version() != nodes[0].Map().Version() {
			return false
		}
		for _, s := range m.Spans() {
			if !ids[s.Primary] || len(s.InSync) != replicas || len(s.Replicas) != replicas || s.Move != nil {
				return false
			}
		}
	}
	return true
}

// owners counts for a slot the nodes that would run a write.
func owners(nodes []*Node, slot uint16) int {
	count := 0
	for _, n := range nodes {
		if n.Route(slot, false, false, true).Verdict == Here && n.Admit(slot, true).Gate == Run {
			count++
		}
	}
	return count
}

func allOwned(nodes []*Node) bool {
	for slot := 0; slot < hashslot.Count; slot += 97 {
		if owners(nodes, uint16(slot)) != 1 {
			return false
		}
	}
	return true
}

func TestThreeNodes(t *testing.T) {
	c := &testNodes{t: t}
	first := c.start(0, 0, nil)
	c.seeds = []string{fmt.Sprintf("127.0.0.1:%d", first.port())}
	c.start(1, 0, nil)
	c.start(2, 0, nil)
	took := eventually(t, patience, "formation", func() bool { return settled(c.nodes, 1) && allOwned(c.nodes) })
	t.Logf("formed in %v", took)
	var shares []string
	for _, s := range first.Map().Spans() {
		shares = append(shares, s.Range.String())
	}
	if got := strings.Join(shares, " "); got != "0-5460 5461-10922 10923-16383" {
		t.Fatalf("shares: %s", got)
	}

	t.Run("links", func(t *testing.T) {
		eventually(t, patience, "each node shows its connections with the controller", func() bool {
			for _, n := range c.nodes {
				for _, other := range c.nodes {
					isController := *other.controller.Load() == other.id
					links := n.Info().Links
					if n != other && isController && !(slices.ContainsFunc(links, func(l LinkStat) bool { return l.To && l.Node == other.id }) &&
						slices.ContainsFunc(links, func(l LinkStat) bool { return !l.To && l.Node == other.id && l.CreateTimeMillis > 0 })) {
						return false
					}
				}
			}
			return true
		})
	})

	t.Run("crash", func(t *testing.T) {
		for i, n := range c.nodes {
			if *n.controller.Load() == n.id {
				c.crash(t, i) // the hardest one: the controller itself
				return
			}
		}
		t.Fatal("no controller")
	})

	t.Run("restart of all", func(t *testing.T) {
		ports := make([]int, 3)
		for i, n := range c.nodes {
			ports[i] = n.port()
			_ = n.Close()
		}
		before := c.nodes[0].id
		if !raceEnabled {
			clear(ports) // other addresses: a peer's is changed by raft while it reads the peer's ID
		}
		for i := range 3 {
			c.start(i, ports[i], func(cfg *Config) {
				cfg.Seeds = nil
				for _, n := range c.nodes[:i] {
					cfg.Seeds = append(cfg.Seeds, fmt.Sprintf("127.0.0.1:%d", n.port()))
				}
			})
		}
		if c.nodes[0].id != before {
			t.Fatal("another node ID")
		}
		eventually(t, patience, "everybody back", func() bool { return settled(c.nodes, 1) && allOwned(c.nodes) })
		if c.nodes[0].Map().LostSlots() == 0 {
			t.Fatal("a cluster without persistence came back and did not count its empty slots")
		}
	})

	t.Run("fourth joins and leaves", func(t *testing.T) {
		c.seeds = []string{fmt.Sprintf("127.0.0.1:%d", c.nodes[0].port())}
		fourth := c.start(3, 0, nil)
		eventually(t, patience, "a quarter moved", func() bool {
			return settled(c.nodes, 1) && fourth.Map().PrimaryOf(fourth.id).Len() == hashslot.Count/4 && allOwned(c.nodes)
		})
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := fourth.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		c.nodes = c.nodes[:3]
		eventually(t, patience, "three again, and the fourth forgotten", func() bool {
			return settled(c.nodes, 1) && allOwned(c.nodes) && c.nodes[0].Map().IsForgotten(fourth.id)
		})
	})

	t.Run("shutdown hands over", func(t *testing.T) {
		n := c.nodes[1]
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		lost := c.nodes[0].Map().LostSlots()
		handed := false
		err := n.Shutdown(ctx, func() {
			handed = true
			// Clients that still come are told where to go.
			eventually(t, patience, "redirections", func() bool {
				for slot := range uint16(hashslot.Count) {
					if n.Route(slot, false, false, true).Verdict != Moved {
						return false
					}
				}
				return true
			})
		})
		if err != nil || !handed {
			t.Fatal(err, handed)
		}
		rest := []*Node{c.nodes[0], c.nodes[2]}
		// The others hear of it when they do.
		eventually(t, patience, "the others serve", func() bool {
			return allOwned(rest) && rest[0].Map().Node(n.id).State == slotmap.NodeStopped
		})
		if now := rest[0].Map().LostSlots(); now != lost {
			t.Fatalf("lost %d slots", now-lost)
		}
	})
}

func (c *testNodes) crash(t *testing.T, i int) {
	t.Helper()
	victim := c.nodes[i]
	var rest []*Node
	for _, n := range c.nodes {
		if n != victim {
			rest = append(rest, n)
		}
	}
	port := victim.port()
	_ = victim.Close()
	took := eventually(t, patience, "failover", func() bool { return allOwned(rest) })
	t.Logf("service back after %v", took)
	c.start(i, port, func(cfg *Config) { cfg.Seeds = []string{fmt.Sprintf("127.0.0.1:%d", rest[0].port())} })
	eventually(t, patience, "the node is back", func() bool { return settled(c.nodes, 1) && allOwned(c.nodes) })
}

func TestTimingsFollowNodeTimeout(t *testing.T) {
	a, b := control.TimingFor(time.Second), control.TimingFor(2*time.Second)
	if b.Lease != 2*a.Lease || a.Renew*3 > a.Lease+3 {
		t.Fatalf("%+v %+v", a, b)
	}
}

// TestCrashTimes kills each of three nodes in turn, the controller among them.
func TestCrashTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("several failovers")
	}
	c := &testNodes{t: t}
	first := c.start(0, 0, nil)
	c.seeds = []string{fmt.Sprintf("127.0.0.1:%d", first.port())}
	c.start(1, 0, nil)
	c.start(2, 0, nil)
	eventually(t, patience, "formation", func() bool { return settled(c.nodes, 1) && allOwned(c.nodes) })
	for i := range c.nodes {
		t.Logf("controller: %v", *c.nodes[i].controller.Load() == c.nodes[i].id)
		c.crash(t, i)
	}
}
