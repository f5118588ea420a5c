package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"respkv/tests/process/harness"
)

const countingLibrary = `#!lua name=counting
local function add(keys, args) return redis.call('incrby', keys[1], args[1]) end
redis.register_function('add', add)
redis.register_function{function_name='peek', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}
`

// requireLibraries waits until a node has these libraries, by name.
func requireLibraries(t *testing.T, n *harness.Node, want ...string) {
	t.Helper()
	client := n.Client()
	harness.Eventually(t, harness.Patience, func() error {
		libraries, err := client.Do(context.Background(), "function", "list").Slice()
		if err != nil {
			return err
		}
		var names []string
		for _, l := range libraries {
			fields, _ := l.(map[any]any)
			names = append(names, fmt.Sprint(fields["library_name"]))
		}
		if fmt.Sprint(names) != fmt.Sprint(want) {
			return fmt.Errorf("node %s has the libraries %q, want %q", n.Addr(), names, want)
		}
		return nil
	})
}

// TestFunctionsInCluster: a library that was loaded on one node is on all, on one that
// is added later, and there again after all were killed; functions work after a failover.
func TestFunctionsInCluster(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := harness.StartCluster(t, 3, 1)
	must(t, c.Nodes[0].Client(), "function", "load", countingLibrary)
	must(t, c.Nodes[1].Client(), "function", "load", "#!lua name=other\nredis.register_function('other', function() return 1 end)")
	must(t, c.Nodes[2].Client(), "function", "load", "#!lua name=passing\nredis.register_function('passing', function() return 1 end)")
	for _, n := range c.Nodes {
		requireLibraries(t, n, "counting", "other", "passing")
	}
	must(t, c.Nodes[1].Client(), "function", "delete", "passing")
	fourth := c.Add()
	c.WaitComplete(harness.FormLimit)
	for _, n := range c.Nodes {
		requireLibraries(t, n, "counting", "other")
	}

	const keys = 200
	client := c.Client(nil)
	count := func(want int) error {
		for i := range keys {
			key := fmt.Sprint("count:", i)
			got, err := client.FCallRo(ctx, "peek", []string{key}).Int()
			if err != nil || got != want {
				return fmt.Errorf("%s is %d, want %d: %v", key, got, want, err)
			}
		}
		return nil
	}
	add := func() {
		t.Helper()
		for i := range keys {
			if err := client.FCall(ctx, "add", []string{fmt.Sprint("count:", i)}, 2).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	add()
	if err := count(2); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.Patience, func() error {
		if len(fourth.PrimarySlots(fourth)) == 0 {
			return fmt.Errorf("the node that was added is primary of nothing")
		}
		return nil
	})
	waitReplicated(t, c)
	fourth.Kill()
	harness.Eventually(t, harness.Patience, func() error {
		client.ReloadState(ctx)
		return count(2)
	})
	add() // by the new primaries
	if err := count(4); err != nil {
		t.Fatal(err)
	}

	harness.Kill(c.Nodes[:3])
	for _, n := range c.Nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	for _, n := range c.Nodes {
		requireLibraries(t, n, "counting", "other")
	}
}

// TestFunctionsInFiles: libraries in a file of SAVE, and in a payload of FUNCTION DUMP,
// are loaded by redis-server, and the reverse.
func TestFunctionsInFiles(t *testing.T) {
	ours, theirs := harness.StartStandalone(t), startRedis(t, "")
	client := ours.Client()
	long := countingLibrary + "-- " + strings.Repeat("a comment that can be compressed; ", 3000)
	must(t, client, "function", "load", long)
	if got := must(t, client, "fcall", "add", "1", "k", "5"); got != int64(5) {
		t.Fatalf("FCALL: %v", got)
	}
	must(t, client, "save")
	file := filepath.Join(ours.Dir, "data", "dump.rdb")
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	loaded := startRedis(t, file)
	if got := must(t, loaded.Client, "fcall", "add", "1", "k", "5"); got != int64(10) {
		t.Errorf("FCALL in redis-server: %v", got)
	}
	if got := fmt.Sprint(must(t, loaded.Client, "function", "list", "withcode")); !strings.Contains(got, long) {
		t.Errorf("redis-server has another source: %.200s", got)
	}

	// A payload of theirs, and a file.
	must(t, theirs.Client, "function", "restore", must(t, client, "function", "dump"))
	must(t, theirs.Client, "set", "k", "1")
	must(t, theirs.Client, "save")
	back := harness.StartStandalone(t, "--rdb="+theirs.file)
	if got := must(t, back.Client(), "fcall", "add", "1", "k", "5"); got != int64(6) {
		t.Errorf("FCALL of a library in redis-server's file: %v", got)
	}
	must(t, client, "function", "restore", must(t, theirs.Client, "function", "dump"), "replace")
	if got := must(t, client, "fcall_ro", "peek", "1", "k"); got != "5" {
		t.Errorf("FCALL_RO of a library in redis-server's payload: %v", got)
	}
}
