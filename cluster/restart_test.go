package cluster

import (
	"testing"
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

// TestRestartRightAfterFormation: the processes end before they have noted that
// the cluster they voted for has formed. Without seeds they find each other all
// the same, from raft's configuration on disk.
func TestRestartRightAfterFormation(t *testing.T) {
	c := &testNodes{t: t}
	nodes := []*Node{c.start(0, 0, nil)}
	c.seeds = []string{nodes[0].mux.Addr().String()}
	for i := 1; i < 3; i++ {
		nodes = append(nodes, c.start(i, 0, nil))
	}
	eventually(t, patience, "the cluster forms", func() bool { return settled(nodes, 1) })
	founder := nodes[0].Map().Founder()
	var ports []int
	for _, n := range nodes {
		ports = append(ports, n.port())
	}
	for i, n := range nodes {
		_ = n.Close()
		if err := saveVote(c.dirs[i], founder); err != nil {
			t.Fatal(err)
		}
	}
	c.seeds = nil
	for i, port := range ports {
		nodes[i] = c.start(i, port, nil)
	}
	eventually(t, patience, "the cluster is back", func() bool { return settled(nodes, 1) })
}
