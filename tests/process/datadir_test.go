package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"respkv/tests/process/harness"
)

// requireEnd waits for the end of a process that cannot go on, and for a log
// that says why.
func requireEnd(t *testing.T, n *harness.Node, texts ...string) {
	t.Helper()
	n.MayEnd()
	harness.Eventually(t, 30*time.Second, func() error {
		if n.Running() {
			return fmt.Errorf("node %s still runs", n.Addr())
		}
		return nil
	})
	if code := n.ExitCode(); code != 1 {
		t.Errorf("node %s ended with code %d", n.Addr(), code)
	}
	log := n.LogTail(5)
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %q:\n%s", text, log)
		}
	}
}

// TestLostDirectory damages a node's data directory and then removes it: the node
// says what is wrong, and what to do; then it comes back at the same address as
// a new one, and the old one is forgotten.
func TestLostDirectory(t *testing.T) {
	c := harness.StartCluster(t, 3, 1)
	n, other := c.Nodes[2], c.Nodes[0]
	old, dir := n.ID(), filepath.Join(n.Dir, "data")
	second := harness.NewNode(t, "--cluster.enabled=true", "--data_dir="+dir)
	second.Start()
	requireEnd(t, second, dir, "another process uses it")

	n.Kill()
	db := filepath.Join(dir, "raft", "raft.db")
	image, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	for what, damaged := range map[string][]byte{
		"cut":      image[:2*os.Getpagesize()],
		"empty":    {},
		"scrawled": append(make([]byte, len(image)/2), image[len(image)/2:]...),
	} {
		if err := os.WriteFile(db, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		n.Start()
		requireEnd(t, n, db, "remove its data_dir ("+dir+")")
		t.Logf("%s: %s", what, n.LogTail(1))
	}
	if err := os.WriteFile(db, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "node-id")); err != nil {
		t.Fatal(err)
	}
	n.Start()
	requireEnd(t, n, filepath.Join(dir, "node-id"), "write "+old)

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	n.Start()
	n.WaitReady()
	c.WaitComplete(harness.FormLimit)
	if n.ID() == old {
		t.Error("the node has its old ID")
	}
	harness.Eventually(t, harness.FormLimit, func() error {
		nodes, err := other.Client().ClusterNodes(context.Background()).Result()
		if err == nil && strings.Contains(nodes, old) {
			err = fmt.Errorf("the old node is still a member:\n%s", nodes)
		}
		return err
	})
}

// TestCopiedDirectory starts a node with a copy of the data directory of another
// one that lives. One of the two serves, usually the first, and nothing is lost.
func TestCopiedDirectory(t *testing.T) {
	c := harness.StartCluster(t, 3, 1, "--replication.durability=quorum")
	writers := harness.StartWriters(t, c.Client(nil), 4)
	writers.WaitFor(t, 1000, 20*time.Second)
	first := c.Nodes[2]
	first.MayEnd()
	copied := c.Prepare()
	if err := os.CopyFS(filepath.Join(copied.Dir, "data"), os.DirFS(filepath.Join(first.Dir, "data"))); err != nil {
		t.Fatal(err)
	}
	copied.Start()
	harness.Eventually(t, 30*time.Second, func() error {
		if !strings.Contains(copied.LogTail(1000), "another process has this node's ID") {
			return fmt.Errorf("the copy does not say that it is one")
		}
		return nil
	})
	writers.WaitFor(t, 1000, 30*time.Second)
	if first.Running() {
		copied.Kill()
	} else {
		requireEnd(t, first, "has taken its place", copied.ClusterAddr())
		c.Nodes[2] = copied
	}
	c.WaitComplete(harness.FormLimit)
	writers.WaitFor(t, 1000, 30*time.Second)
	writers.RequireNothingLost(t)
}

// TestFullDataDirectory fills the disks of a majority and makes the cluster elect: no
// process ends, and when there is room again all is as before.
func TestFullDataDirectory(t *testing.T) {
	var nodes []*harness.Node
	for range 3 {
		nodes = append(nodes, harness.NewNode(t))
	}
	c := harness.JoinCluster(t, nodes, 1)
	var fill []string
	for _, n := range nodes {
		dir := filepath.Join(n.Dir, "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("respkv-test", dir, "tmpfs", 0, "size=1m"); err != nil {
			t.Skipf("mounting is not permitted here: %v", err)
		}
		t.Cleanup(func() { n.Kill(); _ = unix.Unmount(dir, unix.MNT_DETACH) })
		fill = append(fill, filepath.Join(dir, "fill"))
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	for _, path := range fill {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = f.Write(make([]byte, 1024))
		}
		_ = f.Close()
	}
	// The files have some room inside: it is used up by changes, until the log
	// says that there is no more.
	ctx := context.Background()
	client := nodes[0].Client()
	full := func(n *harness.Node) bool { return strings.Contains(n.LogTail(1000), "state cannot be written") }
	harness.Eventually(t, time.Minute, func() error {
		_ = client.ConfigSet(ctx, "hash-max-listpack-entries", fmt.Sprint(time.Now().UnixMilli()%100_000)).Err()
		for _, n := range nodes {
			if full(n) {
				return nil
			}
		}
		return fmt.Errorf("no node says that its disk is full")
	})
	for _, n := range nodes { // whoever leads: the others elect
		n.Freeze()
		noticed(t, n, nodes)
		n.Thaw()
	}
	for i, n := range nodes {
		if !n.Running() {
			t.Fatalf("node %s has ended", n.Addr())
		}
		if err := os.Remove(fill[i]); err != nil {
			t.Fatal(err)
		}
	}
	c.WaitComplete(harness.FormLimit)
	if err := c.Client(nil).Set(ctx, "k", 1, 0).Err(); err != nil {
		t.Error(err)
	}
}

// noticed waits until one of the other nodes has found out that n does not
// answer: its slots have another primary, or nobody can decide that.
func noticed(t *testing.T, n *harness.Node, nodes []*harness.Node) {
	t.Helper()
	other := nodes[0]
	if other == n {
		other = nodes[1]
	}
	client := other.Client()
	harness.Eventually(t, 20*time.Second, func() error {
		info, err := client.ClusterInfo(context.Background()).Result()
		if err != nil || strings.Contains(info, "cluster_state:fail") {
			return err
		}
		if primarySlotsAt(t, other, n) > 0 {
			return fmt.Errorf("node %s is still primary", n.Addr())
		}
		return nil
	})
}

// primarySlotsAt is of how many slots a node is primary that need not answer
// itself, as asked sees it.
func primarySlotsAt(t *testing.T, asked, n *harness.Node) (count int) {
	t.Helper()
	slots, err := asked.Client().ClusterSlots(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		if len(s.Nodes) > 0 && s.Nodes[0].Addr == n.Addr() {
			count += s.End - s.Start + 1
		}
	}
	return count
}
