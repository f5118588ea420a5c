package replication

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

func args(list ...string) [][]byte {
	raw := make([][]byte, len(list))
	for i := range list {
		raw[i] = []byte(list[i])
	}
	return raw
}

func newTestLog(t testing.TB, change func(*Config)) *Log {
	t.Helper()
	c := testConfig()
	if change != nil {
		change(&c)
	}
	l, err := NewLog(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestRecordRoundTrip(t *testing.T) {
	for _, list := range [][]string{{}, {""}, {"SET", "k", strings.Repeat("v", 127)}, {"SET", "k", strings.Repeat("v", 128)}, {"DEL", "", "x"}} {
		in := args(list...)
		b := make([]byte, recordSize(1<<40, 65535, in))
		putRecord(b, 16383, recordEffect, FlagGroup, 65535, 1<<40, 1<<50, in)
		r, err := parseRecord(append(b, "more"...))
		if err != nil || r.size != len(b) || r.slot != 16383 || r.flags != FlagGroup || r.db != 65535 || r.epoch != 1<<40 || r.seq != 1<<50 {
			t.Fatalf("%+v %v", r, err)
		}
		out, err := r.args(nil)
		if err != nil || len(out) != len(in) {
			t.Fatal(out, err)
		}
		for i := range in {
			if !bytes.Equal(in[i], out[i]) {
				t.Errorf("%q, want %q", out[i], in[i])
			}
		}
	}
}

func FuzzDecodeEffect(f *testing.F) {
	for _, list := range [][]string{{}, {"SET", "k", "v"}, {"DEL", "", strings.Repeat("x", 300)}} {
		b := make([]byte, recordSize(7, 3, args(list...)))
		putRecord(b, 77, recordEffect, 0, 3, 7, 9, args(list...))
		f.Add(b)
	}
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		out, err := r.args(nil)
		if err != nil {
			return
		}
		again := make([]byte, recordSize(r.epoch, r.db, out))
		putRecord(again, r.slot, r.kind, r.flags, r.db, r.epoch, r.seq, out)
		r2, err := parseRecord(again)
		if err != nil || r2.slot != r.slot || r2.seq != r.seq || r2.epoch != r.epoch {
			t.Fatalf("%+v, then %+v (%v)", r, r2, err)
		}
	})
}

// TestRingAgainstModel appends random records, and compares what a reader gets,
// and what the ring says it holds, with a plain list.
func TestRingAgainstModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	ring := newRing(4 << 10)
	if err := ring.open(); err != nil {
		t.Fatal(err)
	}
	defer func() { ring.close() }()
	type entry struct {
		offset uint64
		slot   uint16
		seq    uint64
		bytes  []byte
	}
	var all []entry
	seqs := map[uint16]uint64{}
	for range 20000 {
		slot := uint16(r.IntN(5))
		seqs[slot]++
		in := args(strings.Repeat("a", r.IntN(200)))
		b := make([]byte, recordSize(1, 0, in))
		putRecord(b, slot, recordEffect, 0, 0, 1, seqs[slot], in)
		all = append(all, entry{ring.end, slot, seqs[slot], b})
		ring.appendAll(b, time.Now())
		if r.IntN(500) == 0 {
			if err := ring.resize(int64(1<<10) << (1 + r.IntN(4))); err != nil {
				t.Fatal(err)
			}
		}
		for len(all) > 0 && all[0].offset < ring.first {
			all = all[1:]
		}
		if len(all) > 0 && all[0].offset != ring.first || int64(ring.end-ring.first) > ring.size {
			t.Fatalf("oldest at %d, not %d", ring.first, all[0].offset)
		}
		if r.IntN(20) > 0 {
			continue
		}
		got, start := ring.copyFrom(nil, all[r.IntN(len(all))].offset, 1+r.IntN(3000))
		for _, e := range all {
			if e.offset < start || len(got) == 0 {
				continue
			}
			if !bytes.HasPrefix(got, e.bytes) {
				t.Fatalf("at %d: not the record", e.offset)
			}
			got = got[len(e.bytes):]
		}
		if len(got) > 0 {
			t.Fatal("part of a record")
		}
		for slot, seq := range seqs {
			oldest := seq
			for i := len(all) - 1; i >= 0; i-- {
				if all[i].slot == slot {
					oldest = all[i].seq - 1
				}
			}
			if !ring.holds(slot, oldest, seq) || oldest > 0 && ring.holds(slot, oldest-1, seq) || ring.holds(slot, oldest, seq+1) {
				t.Fatalf("slot %d: holds from %d of %d: %+v", slot, oldest, seq, ring.slots[slot])
			}
		}
	}
}

// TestAppendConcurrently writes from several shards at once, with taps so small
// that writers drain them themselves, and reads everything back in order.
func TestAppendConcurrently(t *testing.T) {
	for _, interval := range []time.Duration{0, 100 * time.Millisecond} {
		t.Run(interval.String(), func(t *testing.T) {
			l := newTestLog(t, func(c *Config) { c.SweepInterval = interval; c.LogBytes = 64 << 20 })
			reader, err := l.reader()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.close()
			const shards, each = 4, 20000
			var writers sync.WaitGroup
			for shard := range shards {
				writers.Go(func() {
					r := rand.New(rand.NewPCG(1, uint64(shard)))
					for range each {
						l.Append(uint16(shard<<tapShift+r.IntN(64)), 0, 0, args("SET", strings.Repeat("k", r.IntN(100))))
					}
				})
			}
			last := map[uint16]uint64{}
			total := 0
			read := func() {
				for {
					records, _, _, lost := reader.next(8 << 10)
					if lost {
						t.Error("lost")
					}
					if len(records) == 0 {
						return
					}
					for len(records) > 0 {
						r, err := parseRecord(records)
						if err != nil {
							t.Fatal(err)
						}
						if r.seq != last[r.slot]+1 {
							t.Fatalf("slot %d: %d after %d", r.slot, r.seq, last[r.slot])
						}
						last[r.slot] = r.seq
						total++
						records = records[r.size:]
					}
				}
			}
			finished := make(chan struct{})
			go func() { writers.Wait(); close(finished) }()
			for running := true; running; {
				select {
				case <-reader.more:
				case <-finished:
					running = false
				}
				read()
			}
			l.Flush()
			read()
			if total != shards*each {
				t.Errorf("%d records of %d", total, shards*each)
			}
		})
	}
}

func TestPositionsWithoutLog(t *testing.T) {
	l := newTestLog(t, nil)
	if err := l.BeginEpoch(3, 5); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		l.Append(3, 0, 0, args("DEL", "k"))
	}
	if got := l.Position(3); got != (Position{5, 10}) {
		t.Error(got)
	}
	if got := l.Stats(); got.Offset != 0 || got.Wanted || l.taps[0].buf != nil || l.ring.mem != nil {
		t.Errorf("%+v", got)
	}
	// Wanted from here on: what was not logged must not seem to be there.
	if err := l.SetWanted(true); err != nil {
		t.Fatal(err)
	}
	l.Append(3, 0, 0, args("DEL", "k"))
	l.Flush()
	if l.ring.holds(3, 9, 11) || !l.ring.holds(3, 10, 11) {
		t.Errorf("%+v", l.ring.slots[3])
	}
}

func TestEpochs(t *testing.T) {
	l := newTestLog(t, nil)
	if err := l.BeginEpoch(1, 0); !errors.Is(err, ErrEpoch) {
		t.Error(err)
	}
	for _, epoch := range []uint64{2, 2, 5} {
		if err := l.BeginEpoch(1, epoch); err != nil {
			t.Error(err)
		}
		l.Append(1, 0, 0, args("X"))
	}
	if err := l.BeginEpoch(1, 4); !errors.Is(err, ErrEpoch) || !l.IsPrimary(1) {
		t.Error(err)
	}
	if got := fmt.Sprint(l.History(1), l.Position(1)); got != "[{2 0} {5 2}] 5:3" {
		t.Error(got)
	}
	if !l.Contains(1, Position{2, 2}) || l.Contains(1, Position{2, 3}) || !l.Contains(1, Position{5, 3}) || l.Contains(1, Position{5, 4}) {
		t.Error("Contains")
	}
	l.EndEpoch(1)
	if l.IsPrimary(1) || l.Position(1) != (Position{5, 3}) {
		t.Error("EndEpoch")
	}
	l.Forget(1)
	if !l.Position(1).IsZero() || l.History(1) != nil && len(l.History(1)) > 0 {
		t.Error(l.Position(1), l.History(1))
	}
	// A node that only followed epoch 7 cannot begin it.
	l.reset(1, history{{7, 0}}, 4)
	if err := l.BeginEpoch(1, 7); !errors.Is(err, ErrEpoch) {
		t.Error(err)
	}
}

// TestResetEmptiesTap: records of the dropped copy that are still in the tap end
// before the new copy's.
func TestResetEmptiesTap(t *testing.T) {
	l := newTestLog(t, func(c *Config) { c.SweepInterval = 100 * time.Millisecond })
	if err := l.SetWanted(true); err != nil {
		t.Fatal(err)
	}
	if err := l.BeginEpoch(5, 1); err != nil {
		t.Fatal(err)
	}
	until(t, "the sweeper to pause", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.ring.end > 0 })
	for range 10 {
		l.Append(5, 0, 0, args("OLD"))
	}
	l.reset(5, history{{1, 0}, {2, 3}}, 4)
	l.Flush()
	if got, want := l.ring.slots[5], (ringSlot{floor: 4, last: 4, valid: l.ring.end}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestLogStatsAndResize(t *testing.T) {
	l := newTestLog(t, nil)
	if err := l.SetWanted(true); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		l.Append(1, 0, 0, args("SET", "k", strings.Repeat("v", 1000)))
	}
	before := l.Stats()
	if before.Effects != 3000 || before.HistoryBytes > uint64(before.SizeBytes) || before.FirstOffset+before.HistoryBytes != before.Offset {
		t.Errorf("%+v", before)
	}
	if err := l.Resize(2 << 20); err != nil {
		t.Fatal(err)
	}
	if after := l.Stats(); after.FirstOffset != before.FirstOffset || after.SizeBytes != 2<<20 {
		t.Errorf("%+v, then %+v", before, after)
	}
	if err := l.Resize(1); err == nil {
		t.Error("resized to a byte")
	}
}

func benchmarkAppend(b *testing.B, wanted bool, read bool) {
	c := DefaultConfig()
	l, err := NewLog(c)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if err := l.SetWanted(wanted); err != nil {
		b.Fatal(err)
	}
	if read {
		reader, err := l.reader()
		if err != nil {
			b.Fatal(err)
		}
		defer reader.close()
		stop, stopped := make(chan struct{}), make(chan struct{})
		defer func() { close(stop); <-stopped }()
		go func() {
			defer close(stopped)
			for {
				select {
				case <-reader.more:
				case <-stop:
					return
				}
				for {
					if records, _, _, _ := reader.next(c.BatchBytes); len(records) == 0 {
						break
					}
				}
			}
		}()
	}
	effect := args("SET", "key:0000000000000001", strings.Repeat("v", 64))
	var locks [tapCount]struct {
		sync.Mutex
		_ [56]byte
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := rand.New(rand.NewPCG(rand.Uint64(), 1))
		for pb.Next() {
			slot := uint16(r.Uint32()) & (slotCount - 1)
			locks[slot>>tapShift].Lock()
			l.Append(slot, 0, 0, effect)
			locks[slot>>tapShift].Unlock()
		}
	})
}

// BenchmarkAppend is the time of one Append with its shard lock and a random
// slot, sweeper included; "off" is the same when nobody wants the log.
func BenchmarkAppend(b *testing.B) {
	b.Run("off", func(b *testing.B) { benchmarkAppend(b, false, false) })
	b.Run("log", func(b *testing.B) { benchmarkAppend(b, true, false) })
	b.Run("log+reader", func(b *testing.B) { benchmarkAppend(b, true, true) })
}
