package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"respkv/cluster/slotmap"
)

// TestRestartOfAllWithoutSeeds: nodes made known to each other by hand find each
// other again from what raft has on disk; the map is known only once there is a
// leader.
func TestRestartOfAllWithoutSeeds(t *testing.T) {
	c := &testNodes{t: t}
	nodes := []*Node{c.start(0, 0, nil)}
	c.seeds = []string{nodes[0].mux.Addr().String()}
	for i := 1; i < 3; i++ {
		nodes = append(nodes, c.start(i, 0, nil))
	}
	eventually(t, patience, "the cluster forms", func() bool { return settled(nodes, 1) })
	var ports []int
	for _, n := range nodes {
		ports = append(ports, n.port())
	}
	for _, n := range nodes {
		_ = n.Close()
	}
	c.seeds = nil
	for i, port := range ports {
		nodes[i] = c.start(i, port, nil)
	}
	eventually(t, patience, "the cluster is back", func() bool { return settled(nodes, 1) })
}

// TestRestartRightAfterFormation: the processes end before all of them have noted
// that the cluster they voted for has formed. Without seeds they find each other
// all the same, from raft's configuration on disk, and go on: one of them that has
// noted it tells the others, who hold raft back until they know.
func TestRestartRightAfterFormation(t *testing.T) {
	for name, noted := range map[string]func(id, founder slotmap.NodeID) bool{
		"nobody knows":             func(_, _ slotmap.NodeID) bool { return false },
		"the founder knows":        func(id, founder slotmap.NodeID) bool { return id == founder },
		"all but the founder know": func(id, founder slotmap.NodeID) bool { return id != founder },
	} {
		t.Run(name, func(t *testing.T) {
			c := &testNodes{t: t}
			nodes := []*Node{c.start(0, 0, nil)}
			c.seeds = []string{nodes[0].mux.Addr().String()}
			for i := 1; i < 3; i++ {
				nodes = append(nodes, c.start(i, 0, nil))
			}
			eventually(t, patience, "the cluster forms", func() bool { return settled(nodes, 1) })
			c.waitNoted()
			founder := nodes[0].Map().Founder()
			var ports []int
			for _, n := range nodes {
				ports = append(ports, n.port())
			}
			for i, n := range nodes {
				_ = n.Close()
				if noted(n.ID(), founder) {
					continue
				}
				if err := errors.Join(saveVote(c.dirs[i], founder), os.Remove(filepath.Join(c.dirs[i], formedFile))); err != nil {
					t.Fatal(err)
				}
			}
			c.seeds = nil
			for i, port := range ports {
				nodes[i] = c.start(i, port, nil)
			}
			eventually(t, patience, "the cluster is back", func() bool { return settled(nodes, 1) })
		})
	}
}

// TestAloneRightAfterFormation: a node that had not noted the formation, but has
// saved what was decided since, knows the shared values when it starts alone.
func TestAloneRightAfterFormation(t *testing.T) {
	c := &testNodes{t: t}
	c.start(0, 0, nil)
	c.seeds = []string{c.nodes[0].mux.Addr().String()}
	c.start(1, 0, nil)
	c.start(2, 0, nil)
	eventually(t, patience, "the cluster forms", func() bool { return settled(c.nodes, 1) })
	c.waitNoted()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.nodes[1].Propose(ctx, "test", "password", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	founder := c.nodes[0].Map().Founder()
	eventually(t, patience, "it is saved", func() bool {
		files, _ := filepath.Glob(filepath.Join(c.dirs[1], "raft", "snapshots", "*[0-9]", "state.bin"))
		return slices.ContainsFunc(files, func(file string) bool {
			data, err := os.ReadFile(file)
			return err == nil && bytes.Contains(data, []byte("secret"))
		})
	})
	port := c.nodes[1].port()
	for _, n := range c.nodes {
		_ = n.Close()
	}
	if err := errors.Join(saveVote(c.dirs[1], founder), os.Remove(filepath.Join(c.dirs[1], formedFile))); err != nil {
		t.Fatal(err)
	}
	c.seeds = nil
	h := newHeard()
	c.prepare = func(n *Node) { h.observe(n, "test") }
	c.start(1, port, nil)
	if got := h.get("password"); got != "secret" {
		t.Fatalf("the value is %q when the node has started", got)
	}
	if vote, err := loadVote(c.dirs[1]); err != nil || vote != "" {
		t.Fatalf("its vote is %q, %v", vote, err)
	}
}

// waitNoted waits until every node has noted that the cluster has formed.
func (c *testNodes) waitNoted() {
	c.t.Helper()
	eventually(c.t, patience, "the formation is noted", func() bool {
		for _, dir := range c.dirs {
			vote, err := loadVote(dir)
			f, errFormed := loadFormed(dir)
			if err != nil || errFormed != nil || vote != "" || f.Cluster == "" {
				return false
			}
		}
		return true
	})
}
