package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"respkv/store"
)

// gate stands where a dispatcher has its own.
type gate struct {
	mu  sync.Mutex
	cut *store.Cut
}

func (g *gate) Begin(cut *store.Cut) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = cut
}

func (g *gate) End() { g.Begin(nil) }

func (g *gate) current() *store.Cut {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cut
}

// change runs fn on a key under its lock, after the cut has let it.
func (g *gate) change(s *store.Store, db int, name string, fn func(tx *store.Tx, k store.Key) error) error {
	k := store.MakeKey([]byte(name))
	for {
		s.LockShard(k.Shard())
		var wait <-chan struct{}
		if cut := g.current(); cut != nil {
			wait = cut.Before(db, k, false)
		}
		if wait == nil {
			break
		}
		s.UnlockShard(k.Shard())
		<-wait
	}
	defer s.UnlockShard(k.Shard())
	return fn(&store.Tx{Store: s, DB: db, Now: 1}, k)
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Databases: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// randomChange makes, changes or deletes a key.
func randomChange(random *rand.Rand, g *gate, s *store.Store) error {
	db, kind, i := random.IntN(3), random.IntN(5), random.IntN(300)
	if random.IntN(10) == 0 {
		i = 0 // these grow large
	}
	return g.change(s, db, fmt.Sprint(kind, ":", i), func(tx *store.Tx, k store.Key) error {
		if i > 0 && random.IntN(4) == 0 {
			tx.Delete(k)
			return nil
		}
		value := []byte(strings.Repeat(fmt.Sprint(random.IntN(1000)), 1+random.IntN(20)))
		var err error
		switch kind {
		case 0:
			_, err = tx.Append(k, value)
		case 1:
			l, _ := tx.OpenList(k)
			_, err = l.Push(random.IntN(2) == 0, value)
		case 2:
			set, _ := tx.OpenSet(k)
			_, _, err = set.Add(value)
		case 3:
			z, _ := tx.OpenZSet(k)
			_, err = z.Add(0, store.Scored{Member: value, Score: random.Float64()})
		case 4:
			h, _ := tx.Hash(k)
			_, _, err = h.Set(value, value)
		}
		return err
	})
}

// TestSnapshotUnderChanges: the file has the keyspace of the moment of Begin, and
// loading it gives an equal one.
func TestSnapshotUnderChanges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range 5 {
		s, g := openStore(t), &gate{}
		random := rand.New(rand.NewPCG(seed, uint64(round)))
		for range 20000 {
			if err := randomChange(random, g, s); err != nil {
				t.Fatal(err)
			}
		}
		want := s.Digest(false)
		snapshot := &Snapshot{Store: s, Gate: g, Compress: round%2 == 0, Checksum: true}
		snapshot.Begin()
		stop, started := make(chan struct{}), make(chan struct{}, 3)
		var writers sync.WaitGroup
		for w := range 3 {
			random := rand.New(rand.NewPCG(seed, uint64(100+w)))
			writers.Go(func() {
				for n := 0; ; n++ {
					if n == 100 {
						started <- struct{}{}
					}
					select {
					case <-stop:
						return
					default:
					}
					if err := randomChange(random, g, s); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		<-started // a hundred changes were made
		var file bytes.Buffer
		err := snapshot.Write(context.Background(), &file)
		close(stop)
		writers.Wait()
		if err != nil {
			t.Fatal(err)
		}
		again := openStore(t)
		l := Loader{Store: again, MaxString: 1 << 20, Checksum: true, Logger: slog.New(slog.DiscardHandler)}
		if _, err := l.Load(&file); err != nil {
			t.Fatal(err)
		}
		if got := again.Digest(false); got != want {
			t.Fatalf("round %d: the file has %x, at its moment it was %x", round, got, want)
		}
		if s.Digest(false) == want {
			t.Error("nothing was changed meanwhile: nothing was tested")
		}
	}
}

// failing is a disk that becomes full.
type failing struct {
	*os.File
	room int
}

var errFull = errors.New("no space left on device")

func (f *failing) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return f.File.Write(b)
}

// TestSaveFails: the file of before stays, nothing is left, the gate is open again.
func TestSaveFails(t *testing.T) {
	s, g := openStore(t), &gate{}
	for i := range 5000 {
		err := g.change(s, 0, fmt.Sprint(i), func(tx *store.Tx, k store.Key) error {
			_, err := tx.Append(k, bytes.Repeat([]byte{byte(i)}, 100))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "dump.rdb")
	save := func(f File) error {
		snapshot := &Snapshot{Store: s, Gate: g}
		snapshot.Begin()
		return f.Save(context.Background(), snapshot, path)
	}
	if err := save(File{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for room := 0; room < len(before); room += 100_000 {
		err := save(File{Create: func(path string) (Output, error) {
			f, err := create(path)
			return &failing{f.(*os.File), room}, err
		}})
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), path) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
	if err := save(File{Create: func(string) (Output, error) { return nil, errFull }}); !errors.Is(err, errFull) {
		t.Errorf("without room for a file: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file is not what it was: %v", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	if g.current() != nil {
		t.Error("the gate is still in use")
	}
}

// TestInterruptedSaveBeginsAnew: after a flush the file has what came after it.
func TestInterruptedSaveBeginsAnew(t *testing.T) {
	s, g := openStore(t), &gate{}
	add := func(name string) {
		_ = g.change(s, 0, name, func(tx *store.Tx, k store.Key) error {
			_, err := tx.Append(k, []byte("v"))
			return err
		})
	}
	for i := range 1000 {
		add(fmt.Sprint(i))
	}
	snapshot := &Snapshot{Store: s, Gate: g}
	snapshot.Begin()
	s.LockAll()
	s.FlushDB(0)
	g.current().Cancel()
	s.UnlockAll()
	add("after")
	path := filepath.Join(t.TempDir(), "dump.rdb")
	if err := (File{}).Save(context.Background(), snapshot, path); err != nil {
		t.Fatal(err)
	}
	again := openStore(t)
	loaded, err := (&Loader{Store: again, MaxString: 1 << 20, Logger: slog.New(slog.DiscardHandler)}).LoadFile(path)
	if err != nil || loaded.Keys != 1 {
		t.Errorf("%d keys, %v", loaded.Keys, err)
	}
}
