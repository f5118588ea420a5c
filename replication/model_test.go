package replication

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	modelSeed = flag.Uint64("seed", 0, "of TestModel: run this one only")
	modelRuns = flag.Int("runs", 150, "of TestModel: how many seeds")
)

// cutConn breaks after some bytes, in either direction, and reads slowly if told
// to.
type cutConn struct {
	net.Conn
	left atomic.Int64
	slow time.Duration
}

func (c *cutConn) count(n int) {
	if c.left.Add(-int64(n)) < 0 {
		c.Conn.Close()
	}
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.slow > 0 {
		time.Sleep(c.slow)
	}
	if left := c.left.Load(); left >= 0 && int64(len(b)) > left+1 {
		b = b[:left+1]
	}
	n, err := c.Conn.Read(b)
	c.count(n)
	return n, err
}

func (c *cutConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.count(n)
	return n, err
}

// TestModel runs random writers against random link cuts, slow readers, a tiny
// log, epochs, promotions with forks, and slots that come and go on live links.
// In the end all copies and positions of a slot must be equal.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		runModel(t, *modelSeed)
		return
	}
	first := uint64(time.Now().UnixNano())
	for i := range *modelRuns {
		seed := first + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, seed)
		})
	}
}

func runModel(t *testing.T, seed uint64) {
	t.Logf("seed %d (again: go test -run TestModel -seed %d)", seed, seed)
	r := rand.New(rand.NewPCG(seed, 1))
	slots := []uint16{0, 1, 63, 64, 9000, 16383}
	config := testConfig()
	config.Timeout = 2 * time.Second
	config.CopyParallel = 1 + r.IntN(2)
	if r.IntN(3) == 0 {
		config.CopyBytesPerSecond = 1 << 20
	}
	var healed atomic.Bool
	var lock sync.Mutex // guards faults
	faults := rand.New(rand.NewPCG(seed, 2))
	wrap := func(c net.Conn) net.Conn {
		if healed.Load() {
			return c
		}
		lock.Lock()
		defer lock.Unlock()
		cut := &cutConn{Conn: c}
		cut.left.Store(faults.Int64N(1 << (4 + faults.Int64N(14))))
		if faults.IntN(4) == 0 {
			cut.slow = time.Duration(faults.IntN(1000)) * time.Microsecond
		}
		return cut
	}
	written := &oracle{sums: make(map[SlotPosition]uint64)}
	var nodes []*fakeNode
	t.Cleanup(func() { // after all links have ended
		for _, n := range nodes {
			if open := n.store.open.Load(); open != 0 {
				t.Errorf("%d readings of large values were not closed", open)
			}
		}
	})
	for i := range 3 {
		n := newFakeNode(t, fmt.Sprint("n", i), config)
		n.shrink(t, int64(1<<10)<<(3+r.IntN(8))) // 8 KiB to 1 MiB
		n.oracle = written
		n.store.load = func(slot uint16) {
			if p := n.log.Position(slot); !p.IsZero() {
				t.Errorf("node %s slot %d at %v while it is being copied", n.id, slot, p)
			}
		}
		nodes = append(nodes, n)
	}
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				a.follow(t, b, wrap)
			}
		}
	}
	primary := make(map[uint16]*fakeNode)
	epoch := uint64(0)
	followAll := func(slot uint16) {
		for _, n := range nodes {
			if n != primary[slot] {
				n.links[primary[slot].id].AddSlots([]uint16{slot})
			}
		}
	}
	for _, slot := range slots {
		epoch++
		primary[slot] = nodes[r.IntN(len(nodes))]
		primary[slot].lead(t, epoch, slot)
		for range r.IntN(200) {
			primary[slot].writeRandom(r, slot)
		}
		followAll(slot)
	}
	writing, stop := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(seed, 10+uint64(i)))
			for writing.Err() == nil {
				// Everyone tries: only the primary of the moment succeeds.
				slot := slots[r.IntN(len(slots))]
				for _, n := range nodes {
					n.writeRandom(r, slot)
				}
				if r.IntN(30) == 0 {
					time.Sleep(time.Duration(r.IntN(500)) * time.Microsecond)
				}
			}
		})
	}
	for range 5 + r.IntN(20) {
		slot := slots[r.IntN(len(slots))]
		old := primary[slot]
		switch r.IntN(5) {
		case 0: // failover, perhaps with a fork
			next := nodes[r.IntN(len(nodes))]
			if next == old || next.log.Position(slot).IsZero() {
				break
			}
			for _, n := range nodes {
				if n != old {
					n.links[old.id].RemoveSlots([]uint16{slot})
				}
			}
			if next.log.Position(slot).IsZero() {
				followAll(slot) // a copy began meanwhile: not this one
				break
			}
			if r.IntN(2) == 0 {
				for range r.IntN(30) {
					old.writeRandom(r, slot)
				}
			}
			old.store.WithSlot(slot, func() { old.log.EndEpoch(slot) })
			epoch++
			written.check(t, next, slot)
			next.lead(t, epoch, slot)
			primary[slot] = next
			followAll(slot)
		case 1: // a new epoch, same primary
			epoch++
			old.lead(t, epoch, slot)
		case 2: // a replica lets go, and perhaps comes back at once
			n := nodes[r.IntN(len(nodes))]
			if n != old {
				n.links[old.id].RemoveSlots([]uint16{slot})
				if r.IntN(2) == 0 {
					time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
				}
				n.links[old.id].AddSlots([]uint16{slot})
			}
		case 3: // a paused role
			old.store.WithSlot(slot, func() { old.log.EndEpoch(slot) })
			time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond)
			old.store.WithSlot(slot, func() {
				if err := old.log.BeginEpoch(slot, old.log.Position(slot).Epoch); err != nil {
					t.Error(err)
				}
			})
		default:
			time.Sleep(time.Duration(r.IntN(4000)) * time.Microsecond)
		}
	}
	healed.Store(true)
	stop()
	writers.Wait()
	for _, slot := range slots {
		for _, n := range nodes {
			if n != primary[slot] {
				same(t, primary[slot], n, slot)
				written.check(t, n, slot)
				if h, own := primary[slot].log.History(slot), n.log.History(slot); h[len(h)-1] != own[len(own)-1] {
					t.Errorf("slot %d: epochs %v and %v", slot, h, own)
				}
			}
		}
	}
	large, changed := int64(0), int64(0)
	for _, n := range nodes {
		large, changed = large+n.store.large.Load(), changed+n.store.changed.Load()
	}
	t.Logf("%d large values copied, %d readings given up", large, changed)
	if large == 0 {
		t.Error("no large value was copied")
	}
	for _, n := range nodes {
		for _, l := range n.links {
			if info := l.Info(); info.ApplyErrors != 0 {
				t.Errorf("%s from %s: %+v", n.id, l.PrimaryID, info)
			}
		}
	}
}
