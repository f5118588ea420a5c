package resp

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"respkv/cluster/hashslot"
	"respkv/resp/proto"
	"respkv/store"
)

// put sets keys, whoever their slots belong to.
func (n *testNode) put(names ...string) {
	n.t.Helper()
	for _, name := range names {
		k := store.MakeKey([]byte(name))
		tx := store.Tx{Store: n.store}
		n.store.LockShard(k.Shard())
		_, err := tx.Set(k, []byte("v"), store.SetOptions{})
		n.store.UnlockShard(k.Shard())
		if err != nil {
			n.t.Fatal(err)
		}
	}
}

// names makes n key names and those of them whose slots are primary's.
func names(n int, primary func(slot uint16) bool) (all, mine []string) {
	for i := range n {
		name := fmt.Sprintf("key:%d", i)
		all = append(all, name)
		if primary(hashslot.Slot([]byte(name))) {
			mine = append(mine, name)
		}
	}
	slices.Sort(all)
	slices.Sort(mine)
	return all, mine
}

// bulks reads the bulk strings of a reply, in any nesting.
func bulks(t testing.TB, reply string) (texts []string) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(reply))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return texts
		}
		if line[0] != '$' {
			continue
		}
		length, err := strconv.Atoi(strings.TrimSpace(line[1:]))
		if err != nil {
			t.Fatalf("reply %q: %v", reply, err)
		}
		if length < 0 {
			continue
		}
		text := make([]byte, length+2)
		for i := range text {
			text[i], _ = r.ReadByte()
		}
		texts = append(texts, string(text[:length]))
	}
}

// scanAll returns what a whole SCAN finds, ordered.
func (n *testNode) scanAll(client *Client, options ...string) (found []string) {
	n.t.Helper()
	for cursor := "0"; ; {
		texts := bulks(n.t, n.doAs(client, append([]string{"SCAN", cursor}, options...)...))
		found = append(found, texts[1:]...)
		if cursor = texts[0]; cursor == "0" {
			slices.Sort(found)
			return found
		}
	}
}

func lowerHalf(slot uint16) bool { return slot < 8192 }
func evenSlot(slot uint16) bool  { return slot%2 == 0 }

// TestOwnSlotsShown: what a node holds as a replica is shown only to
// connections that asked for it.
func TestOwnSlotsShown(t *testing.T) {
	for _, primary := range []func(uint16) bool{lowerHalf, evenSlot} {
		n := newTestNode(t, newRouting(t, primary), &effectLog{})
		all, mine := names(500, primary)
		n.put(all...)
		reader := n.newClient(2)
		reader.SetFlag(FlagReadOnly, true)
		for _, test := range []struct {
			client *Client
			want   []string
		}{{n.client, mine}, {reader, all}} {
			if got, want := n.doAs(test.client, "DBSIZE"), fmt.Sprintf(":%d\r\n", len(test.want)); got != want {
				t.Errorf("DBSIZE: %q, want %q", got, want)
			}
			keys := bulks(t, n.doAs(test.client, "KEYS", "*"))
			slices.Sort(keys)
			if !slices.Equal(keys, test.want) {
				t.Errorf("KEYS: %d keys, want %d", len(keys), len(test.want))
			}
			if found := n.scanAll(test.client, "COUNT", "7"); !slices.Equal(found, test.want) {
				t.Errorf("SCAN: %d keys, want %d", len(found), len(test.want))
			}
			for range 100 {
				if key := bulks(t, n.doAs(test.client, "RANDOMKEY")); len(key) != 1 || !slices.Contains(test.want, key[0]) {
					t.Fatalf("RANDOMKEY: %q", key)
				}
			}
		}
	}
}

// TestRandomKeyRare: one key of the node's own among many it replicates.
func TestRandomKeyRare(t *testing.T) {
	all, mine := names(2000, lowerHalf)
	n := newTestNode(t, newRouting(t, lowerHalf), nil)
	n.expect("RANDOMKEY", "$-1\r\n")
	for _, name := range all {
		if !slices.Contains(mine, name) {
			n.put(name)
		}
	}
	n.expect("RANDOMKEY", "$-1\r\n")
	n.put(mine[0])
	n.expect("RANDOMKEY", fmt.Sprintf("$%d\r\n%s\r\n", len(mine[0]), mine[0]))
}

// TestScanWhileChanging: keys that stay are found, whatever the others do.
func TestScanWhileChanging(t *testing.T) {
	n := newTestNode(t, nil, nil)
	all, _ := names(3000, everySlot)
	n.put(all...)
	other, stop, done := n.newClient(2), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				name := fmt.Sprintf("passing:%d", i%20_000)
				n.doAs(other, "SET", name, "v")
				if i%3 == 0 {
					n.doAs(other, "DEL", fmt.Sprintf("passing:%d", (i/2)%20_000))
				}
			}
		}
	}()
	for range 5 {
		if found := n.scanAll(n.client, "MATCH", "key:*", "COUNT", "50"); !slices.Equal(found, all) {
			t.Errorf("SCAN found %d of %d keys that stayed", len(found), len(all))
		}
	}
	close(stop)
	<-done
}

// TestFlushOwnSlots: only slots of the node's own are emptied, and replicas get
// to the same state, by whatever steps.
func TestFlushOwnSlots(t *testing.T) {
	for name, primary := range map[string]func(uint16) bool{"all": everySlot, "half": lowerHalf, "even": evenSlot} {
		for _, command := range []string{"FLUSHALL", "FLUSHDB ASYNC", "FLUSHALL SYNC"} {
			t.Run(name+"/"+command, func(t *testing.T) {
				n := newTestNode(t, newRouting(t, primary), &effectLog{})
				all, mine := names(500, primary)
				tag := mine[0] // a slot with many keys
				for i := range 3 * flushStep {
					all = append(all, fmt.Sprintf("{%s}%d", tag, i))
				}
				n.put(all...)
				replica := newTestNode(t, nil, nil)
				replica.put(all...)

				n.expect(command, "+OK\r\n")
				n.expect("DBSIZE", ":0\r\n")
				replica.apply(n.log.take())
				if a, b := n.dump(), replica.dump(); !slices.Equal(a, b) {
					t.Errorf("%d keys here, %d on the replica", len(a), len(b))
				}
				if kept, want := len(n.dump()), 500-len(mine); kept != want {
					t.Errorf("%d keys are left, want %d", kept, want)
				}
				n.expect(command, "+OK\r\n")
				if effects := n.log.take(); len(effects) > 0 {
					t.Errorf("flushing nothing logs %q", effects)
				}
			})
		}
	}
}

// TestFlushOneEffectPerSlot: a flush of small slots costs the log one effect
// for each that held something.
func TestFlushOneEffectPerSlot(t *testing.T) {
	for _, primary := range []func(uint16) bool{everySlot, evenSlot} {
		n := newTestNode(t, newRouting(t, primary), &effectLog{})
		all, mine := names(300, primary)
		n.put(all...)
		slots := make(map[uint16]bool)
		for _, name := range mine {
			slots[hashslot.Slot([]byte(name))] = true
		}
		n.expect("FLUSHALL", "+OK\r\n")
		effects := n.log.take()
		if len(effects) != len(slots) {
			t.Errorf("%d effects for %d slots", len(effects), len(slots))
		}
		for _, e := range effects {
			if e.String() != "FLUSHDB" || !slots[e.slot] || e.db != 0 {
				t.Errorf("effect %q in slot %d, database %d", e, e.slot, e.db)
			}
		}
	}
}

// TestFlushWaitsForHandoff: a slot that is being handed over is flushed when
// that has ended, the others of its shard before.
func TestFlushWaitsForHandoff(t *testing.T) {
	r := newRouting(t, everySlot)
	n := newTestNode(t, r, &effectLog{})
	name := "key"
	slot := hashslot.Slot([]byte(name))
	n.put(name, "elsewhere")
	r.pause(slot)
	done := make(chan string)
	go func() { done <- n.doAs(n.newClient(2), "FLUSHALL") }()
	<-r.asked
	select {
	case reply := <-done:
		t.Fatalf("%q while the slot is paused", reply)
	default:
	}
	n.expect("EXISTS key", ":1\r\n")
	r.resume(slot)
	if reply := <-done; reply != "+OK\r\n" {
		t.Errorf("FLUSHALL: %q", reply)
	}
	n.expect("DBSIZE", ":0\r\n")
	if effects := n.log.take(); len(effects) != 2 {
		t.Errorf("effects %q", effects)
	}
}

// TestFlushInterrupted: a large slot is lost in the middle. What was removed up
// to then is in the log.
func TestFlushInterrupted(t *testing.T) {
	r := newRouting(t, evenSlot)
	n := newTestNode(t, r, &effectLog{})
	_, mine := names(100, evenSlot)
	slot := hashslot.Slot([]byte(mine[0]))
	r.admits = map[uint16]int{slot: 2}
	for i := range 5 * flushStep {
		mine = append(mine, fmt.Sprintf("{%s}%d", mine[0], i))
	}
	n.put(mine...)
	replica := newTestNode(t, nil, nil)
	replica.put(mine...)
	n.expect("FLUSHALL", "-CLUSTERDOWN The cluster is down\r\n")
	replica.apply(n.log.take())
	a, b := n.dump(), replica.dump()
	if !slices.Equal(a, b) {
		t.Errorf("%d keys here, %d on the replica", len(a), len(b))
	}
	if left, want := len(a), 3*flushStep+1; left != want {
		t.Errorf("%d keys are left, want %d", left, want)
	}
}

// TestFlushDurable: with replicas to wait for, it waits for those of all slots
// that it emptied.
func TestFlushDurable(t *testing.T) {
	log := &effectLog{durable: 1, acked: 1}
	n := newTestNode(t, newRouting(t, everySlot), log)
	n.put("a", "b", "c")
	n.expect("FLUSHALL", "+OK\r\n")
	if len(log.waited) != 3 {
		t.Errorf("waited for %v, want three slots", log.waited)
	}
	log.acked = 0
	n.put("a")
	n.expect("FLUSHALL", "-"+errNotDurable+"\r\n")
	n.expect("FLUSHALL", "+OK\r\n") // there is nothing to wait for
}

func TestFlushRefused(t *testing.T) {
	r := newRouting(t, lowerHalf)
	r.lost = true
	n := newTestNode(t, r, &effectLog{})
	n.put("a", "b", "c")
	n.expect("FLUSHALL", "-CLUSTERDOWN The cluster is down\r\n")
	if left := len(n.dump()); left != 3 {
		t.Errorf("%d keys are left without a lease, want 3", left)
	}
	replica := newTestNode(t, newRouting(t, func(uint16) bool { return false }), &effectLog{})
	replica.expect("FLUSHALL", "-READONLY You can't write against a read only replica.\r\n")
	replica.expect("FLUSHALL foo", "-ERR syntax error\r\n")
}

// TestClusterDatabases: in cluster mode there is database 0.
func TestClusterDatabases(t *testing.T) {
	n := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	n.expect("SET k v", "+OK\r\n")
	n.expect("SELECT 0", "+OK\r\n")
	n.expect("SELECT 1", "-ERR SELECT is not allowed in cluster mode\r\n")
	n.expect("SELECT 99", "-ERR SELECT is not allowed in cluster mode\r\n")
	n.expect("SELECT x", "-ERR value is not an integer or out of range\r\n")
	n.expect("SWAPDB 0 1", "-ERR SWAPDB is not allowed in cluster mode\r\n")
	n.expect("SWAPDB x y", "-ERR SWAPDB is not allowed in cluster mode\r\n")
	n.expect("MOVE k x", "-ERR MOVE is not allowed in cluster mode\r\n")
	n.expect("COPY k {k}b DB 1", "-ERR Copying to another database is not allowed in cluster mode\r\n")
	n.expect("COPY k {k}b DB 99", "-ERR DB index is out of range\r\n")
	n.expect("COPY k {k}b DB x", "-ERR value is not an integer or out of range\r\n")
	n.expect("COPY k k DB 0", "-ERR source and destination objects are the same\r\n")
	n.expect("COPY k {k}b DB 0", ":1\r\n")
}

// doLocked runs a command as a transaction or script does: with all shards
// locked.
func (n *testNode) doLocked(line string) string {
	n.t.Helper()
	args := bytesOf(strings.Fields(line))
	e := n.d.find(args)
	w := proto.NewWriter(nil, 2)
	c := &Ctx{d: n.d, Client: n.client, W: w, Cmd: e.cmd, Args: args, entry: e}
	n.store.LockAll()
	defer n.store.UnlockAll()
	now, _ := clock()
	c.Tx = store.Tx{Store: n.store, Now: now, AllLocked: true}
	e.handler(c)
	return string(w.Bytes())
}

// TestAllLocked: commands that lock by themselves don't when all is locked; they
// would wait for ever.
func TestAllLocked(t *testing.T) {
	for name, routing := range map[string]Routing{"standalone": nil, "cluster": newRouting(t, evenSlot)} {
		t.Run(name, func(t *testing.T) {
			n := newTestNode(t, routing, &effectLog{})
			_, mine := names(100, evenSlot)
			n.put(mine...)
			for line, want := range map[string]string{
				"DBSIZE":         fmt.Sprintf(":%d\r\n", len(mine)),
				"KEYS nothing":   "*0\r\n",
				"SCAN 0 COUNT 9": "",
				"RANDOMKEY":      "",
				"SWAPDB 1 2":     "",
			} {
				if got := n.doLocked(line); want != "" && got != want || got == "" {
					t.Errorf("%s: %q, want %q", line, got, want)
				}
			}
			for _, line := range []string{"FLUSHDB SYNC", "FLUSHALL ASYNC"} {
				n.put(mine...)
				if got := n.doLocked(line); got != "+OK\r\n" {
					t.Errorf("%s: %q", line, got)
				}
				n.expect("DBSIZE", ":0\r\n")
			}
		})
	}
}

// TestFlushLockedDuringHandoff: who holds all locks cannot wait for a handoff.
func TestFlushLockedDuringHandoff(t *testing.T) {
	r := newRouting(t, everySlot)
	n := newTestNode(t, r, &effectLog{})
	n.put("a", "b")
	r.pause(hashslot.Slot([]byte("a")))
	if got := n.doLocked("FLUSHALL"); got != "-TRYAGAIN Slots of this node are being handed over\r\n" {
		t.Errorf("FLUSHALL: %q", got)
	}
	n.expect("DBSIZE", ":2\r\n")
}

// TestFlushGivesMemoryBack: after SYNC at once, after ASYNC soon.
func TestFlushGivesMemoryBack(t *testing.T) {
	for _, how := range []string{"SYNC", "ASYNC"} {
		n := newTestNode(t, nil, nil)
		empty := n.store.Memory(false).Data
		all, _ := names(20_000, everySlot)
		n.put(all...)
		n.expect("FLUSHALL "+how, "+OK\r\n")
		if how == "ASYNC" {
			n.d.reclaimer.done.Wait()
		}
		if used := n.store.Memory(false).Data; used != empty {
			t.Errorf("%s: %d bytes of data, %d before", how, used, empty)
		}
	}
}

func TestSwapDB(t *testing.T) {
	n := newTestNode(t, nil, nil)
	n.expect("SET k zero", "+OK\r\n")
	n.expect("SELECT 3", "+OK\r\n")
	n.expect("SET k three", "+OK\r\n")
	n.expect("SWAPDB 0 3", "+OK\r\n")
	n.expect("GET k", "$4\r\nzero\r\n")
	n.expect("SWAPDB 3 3", "+OK\r\n")
	n.expect("SWAPDB 3 16", "-ERR DB index is out of range\r\n")
	n.expect("SWAPDB x 16", "-ERR invalid first DB index\r\n")
	n.expect("SWAPDB 3 99999999999", "-ERR invalid second DB index\r\n")
	n.expect("SELECT 0", "+OK\r\n")
	n.expect("GET k", "$5\r\nthree\r\n")
}
