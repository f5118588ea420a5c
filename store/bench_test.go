package store

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// benchKey writes the i-th 16-byte key into buf.
func benchKey(buf []byte, i int) []byte {
	buf = append(buf[:0], "key:000000000000"...)
	for p := 15; i > 0; p-- {
		buf[p] = byte('0' + i%10)
		i /= 10
	}
	return buf
}

// residentBytes is the resident set of this process.
func residentBytes(t testing.TB) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestMemoryPerKey holds the resident bytes per key of small data to the
// targets; 10 % above is a failure. -v prints what was measured.
func TestMemoryPerKey(t *testing.T) {
	if testing.Short() {
		t.Skip("loads a million keys, three times")
	}
	const keys = 1_000_000
	for _, c := range []struct {
		name     string
		value    int
		deadline int64
		target   int64
	}{
		{"64-byte values", 64, 0, 102},
		{"64-byte values with TTL", 64, 1 << 50, 110},
		{"10-byte values", 10, 0, 46},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openStore(t, Options{})
			before := residentBytes(t)
			load(t, s, keys, c.value, c.deadline)
			got := (residentBytes(t) - before) / keys
			m := s.Memory(false)
			t.Logf("resident %d bytes per key; data %.1f index %.1f unused %.1f", got,
				float64(m.Data)/keys, float64(m.Index)/keys, float64(m.Free)/keys)
			if got > c.target*11/10 {
				t.Errorf("resident %d bytes per key, target %d", got, c.target)
			}
		})
	}
}

func load(t testing.TB, s *Store, keys, valueSize int, deadline int64) {
	value := []byte(strings.Repeat("v", valueSize))
	var buf [16]byte
	tx := Tx{Store: s, Now: 1}
	for i := range keys {
		k := MakeKey(benchKey(buf[:], i))
		if ok, err := tx.Set(k, value, SetOptions{Deadline: deadline}); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
}

// TestSmallDataIsSmall bounds what little data of many sizes takes: 256 shards
// times many size classes must not hold a run each.
func TestSmallDataIsSmall(t *testing.T) {
	s := openStore(t, Options{})
	if m := s.Memory(false); m.Resident > 1<<20 {
		t.Errorf("empty store: %+v", m)
	}
	tx := Tx{Store: s, Now: 1}
	rng := testSeed(t)
	before := residentBytes(t)
	total := 0
	for i := range 50_000 {
		value := make([]byte, 1+rng.Intn(600))
		total += len(value) + 16
		if _, err := tx.Set(MakeKey(fmt.Appendf(nil, "key:%012d", i)), value, SetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	resident := residentBytes(t) - before
	t.Logf("%d bytes of keys and values take %d; %+v", total, resident, s.Memory(false))
	if resident > int64(total)*2 && !raceEnabled {
		t.Errorf("%d bytes of keys and values take %d", total, resident)
	}
}

// threadTime is the CPU time of this thread: on a loaded machine the clock on
// the wall says little about single operations.
func threadTime(t testing.TB) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Skip("no thread clock: ", err)
	}
	return ts.Nano()
}

// BenchmarkInsert reports the worst single insert beside the mean.
func BenchmarkInsert(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := openStore(b, Options{})
	value := make([]byte, 64)
	var buf [16]byte
	tx := Tx{Store: s, Now: 1}
	times := make([]int64, b.N)
	b.ResetTimer()
	for i := range b.N {
		start := threadTime(b)
		if _, err := tx.Set(MakeKey(benchKey(buf[:], i)), value, SetOptions{}); err != nil {
			b.Fatal(err)
		}
		times[i] = threadTime(b) - start
	}
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(times[b.N*9999/10000])/1000, "µs-p99.99")
	b.ReportMetric(float64(times[b.N-1])/1000, "µs-worst")
}

const benchKeys = 1_000_000

func BenchmarkGet(b *testing.B) { benchmarkLookup(b, 1, false) }

// BenchmarkGetPrefetched looks keys up in batches of 32, as the dispatcher
// does.
func BenchmarkGetPrefetched(b *testing.B) { benchmarkLookup(b, 32, false) }

func BenchmarkOverwrite(b *testing.B) { benchmarkLookup(b, 32, true) }

func benchmarkLookup(b *testing.B, batch int, write bool) {
	s := openStore(b, Options{})
	load(b, s, benchKeys, 64, 0)
	rng := testSeed(b)
	names := make([]byte, 16*(1<<16))
	for i := range 1 << 16 {
		benchKey(names[i*16:i*16+16], rng.Intn(benchKeys))
	}
	value := make([]byte, 64)
	tx := Tx{Store: s, Now: 1}
	keys := make([]Key, batch)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += batch {
		for j := range keys {
			at := (i + j) % (1 << 16) * 16
			keys[j] = MakeKey(names[at : at+16])
		}
		if batch > 1 {
			for j := range keys {
				s.PrefetchIndex(0, keys[j])
			}
			for j := range keys {
				s.PrefetchRecord(0, keys[j])
			}
		}
		for j := range keys {
			s.LockShard(keys[j].Shard())
			if write {
				_, _ = tx.Set(keys[j], value, SetOptions{})
			} else if _, ok, _ := tx.Get(keys[j]); !ok {
				b.Fatal("missing key")
			}
			s.UnlockShard(keys[j].Shard())
		}
	}
}

// BenchmarkCompactStep reports the worst step over 1000 records where 2 of 3
// were deleted.
func BenchmarkCompactStep(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := openStore(b, Options{})
	load(b, s, benchKeys, 64, 0)
	tx := Tx{Store: s, Now: 1}
	var buf [16]byte
	for i := range benchKeys {
		if i%3 > 0 {
			tx.Delete(MakeKey(benchKey(buf[:], i)))
		}
	}
	before := s.Memory(false)
	worst, moved := int64(0), 0
	b.ResetTimer()
	for i, idle := 0, 0; i < b.N && idle < Shards; i++ {
		start := threadTime(b)
		n, more := s.CompactStep(i%Shards, 1000)
		worst = max(worst, threadTime(b)-start)
		if moved += n; more {
			idle = 0
		} else {
			idle++
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(worst)/1000, "µs-worst")
	b.ReportMetric(float64(moved), "moved")
	b.ReportMetric(float64(s.Memory(false).Free)/float64(before.Free), "free-left")
}
