package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"respkv/cluster/shared"
)

// heard is what an observer of one node knows.
type heard struct {
	mu     sync.Mutex
	values map[string]string
	order  []string
}

func (h *heard) observe(n *Node, kind string) {
	n.Observe(kind, func(name string, value []byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.order = append(h.order, fmt.Sprintf("%s=%s", name, value))
		if value == nil {
			delete(h.values, name)
			return
		}
		h.values[name] = string(value)
	})
}

func (h *heard) get(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.values[name]
}

func newHeard() *heard { return &heard{values: map[string]string{}} }

// startHearing starts a node whose observer is there before it starts.
func (c *testNodes) startHearing(i int) *heard {
	h := newHeard()
	c.prepare = func(n *Node) { h.observe(n, "test") }
	c.start(i, 0, nil)
	c.prepare = nil
	return h
}

func TestValuesAreShared(t *testing.T) {
	c := &testNodes{t: t}
	hs := []*heard{c.startHearing(0)}
	if err := c.nodes[0].Propose(t.Context(), "test", "a", []byte("1")); !errors.Is(err, ErrNotFormed) {
		t.Fatalf("without a cluster: %v", err)
	}
	c.seeds = []string{fmt.Sprintf("127.0.0.1:%d", c.nodes[0].port())}
	hs = append(hs, c.startHearing(1), c.startHearing(2))
	eventually(t, patience, "formation", func() bool { return settled(c.nodes, 1) })
	propose := func(i int, name, value string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		data := []byte(value)
		if value == "" {
			data = nil
		}
		if err := c.nodes[i].Propose(ctx, "test", name, data); err != nil {
			t.Fatalf("node %d: %s=%.20s: %v", i, name, value, err)
		}
		if got := hs[i].get(name); got != value {
			t.Fatalf("node %d was answered for %s=%.20s and has %.20q", i, name, value, got)
		}
	}
	everywhere := func(name, value string) {
		t.Helper()
		eventually(t, patience, name+" on all nodes", func() bool {
			for _, h := range hs {
				if h.get(name) != value {
					return false
				}
			}
			return true
		})
	}
	for i := range c.nodes { // the controller and the others
		propose(i, "by", fmt.Sprint(i))
		propose(i, fmt.Sprint("of", i), "x")
	}
	everywhere("by", "2")
	propose(1, "of0", "")
	everywhere("of0", "")
	big := strings.Repeat("v", shared.MaxValue)
	propose(2, "big", big)
	everywhere("big", big)
	if err := c.nodes[1].Propose(t.Context(), "test", "bigger", []byte(big+"v")); !errors.Is(err, shared.ErrLimit) {
		t.Fatalf("a value over the limit: %v", err)
	}
	hs[0].mu.Lock()
	for i, h := range hs[1:] {
		h.mu.Lock()
		if got, want := strings.Join(h.order, " "), strings.Join(hs[0].order, " "); got != want {
			t.Errorf("node %d heard other changes, or in another order", i+1)
		}
		h.mu.Unlock()
	}
	hs[0].mu.Unlock()

	t.Run("a late observer", func(t *testing.T) {
		late := newHeard()
		late.observe(c.nodes[1], "test")
		other := newHeard()
		other.observe(c.nodes[1], "other")
		if late.get("by") != "2" || late.get("of1") != "x" || len(other.order) > 0 {
			t.Fatalf("%v, of another kind %v", late.values, other.order)
		}
	})

	t.Run("a node that joins later", func(t *testing.T) {
		hs = append(hs, c.startHearing(3))
		eventually(t, patience, "its primaries", func() bool { return len(c.nodes[3].Map().PrimaryOf(c.nodes[3].id)) > 0 })
		if hs[3].get("by") != "2" || hs[3].get("big") != big {
			t.Fatal("it serves and does not know the values")
		}
		propose(3, "by", "3")
		everywhere("by", "3")
	})

	t.Run("no majority", func(t *testing.T) {
		state, _ := c.nodes[1].feed.current()
		eventually(t, patience, "values saved", func() bool { return c.nodes[1].savedValues(t).Equal(state) })
		for _, i := range []int{1, 2, 3} {
			_ = c.nodes[i].Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.nodes[0].Propose(ctx, "test", "by", []byte("nobody")); !errors.Is(err, ErrNotConfirmed) {
			t.Fatalf("without a majority: %v", err)
		}
		_ = c.nodes[0].Close()
	})

	t.Run("restart alone", func(t *testing.T) {
		// Nobody is there to say what is committed: what was saved is known when
		// Start returns.
		c.seeds = nil
		h := c.startHearing(1)
		if h.get("by") != "3" || h.get("big") != big {
			t.Fatalf("it knows %d values", len(h.values))
		}
	})
}

// savedValues are the values in the newest snapshot on disk.
func (n *Node) savedValues(t *testing.T) *shared.State {
	t.Helper()
	r := n.raft.running.Load()
	list, err := r.snapshots.List()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return shared.New()
	}
	_, file, err := r.snapshots.Open(list[0].ID)
	if err != nil {
		return shared.New() // replaced by a newer one
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	_, values, err := decodeSnapshot(data)
	if err != nil {
		t.Fatal(err)
	}
	return values
}
