package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStreamFront trims and deletes in steps from streams whose trees are high, with tries
// that are told that the stream has changed, and compares with what the same does at once.
func TestStreamFront(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := openStore(t, Options{})
	limits := DefaultLimits()
	limits.StreamNodeMaxEntries = 2
	s.SetLimits(limits)
	tx := &Tx{Store: s, Now: 1}
	keys := [2]Key{MakeKey([]byte("{s}steps")), MakeKey([]byte("{s}plain"))}
	last := uint64(0)
	opened := func(k Key) Stream {
		stream, err := tx.OpenStream(k)
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}
	free := func(steps int) {
		for n := 0; n < steps && s.FreeStep(keys[0].Shard(), 64); n++ {
		}
	}
	for round := range shorter(30) {
		for range 1000 + rng.IntN(4000) {
			last++
			for _, k := range keys {
				stream := opened(k)
				if err := stream.Append(StreamID{0, last}, []byte("field"), fmt.Append(nil, last)); err != nil {
					t.Fatal(err)
				}
			}
		}
		stream, plain := opened(keys[0]), opened(keys[1])
		var run func(stream *Stream) (any, error)
		if rng.IntN(3) == 0 {
			var ids []StreamID
			from := rng.Uint64N(last)
			for i := range rng.Uint64N(3000) {
				if ids = append(ids, StreamID{0, from + i}); rng.IntN(4) == 0 {
					ids = append(ids, StreamID{0, rng.Uint64N(last + 9)})
				}
			}
			rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
			run = func(stream *Stream) (any, error) { return stream.DeleteMany(ids) }
		} else {
			trim := StreamTrim{ByID: rng.IntN(2) == 0, Approx: rng.IntN(2) == 0, MaxLen: rng.Int64N(int64(stream.Len() + 9)), MinID: StreamID{0, rng.Uint64N(last + 9)}}
			if trim.Approx && rng.IntN(2) == 0 {
				trim.Limit = 1 + rng.Int64N(5000)
			}
			run = func(stream *Stream) (any, error) {
				front, err := stream.Front(trim)
				if err != nil {
					return nil, err
				}
				trim := trim
				trim.Front = front
				return stream.Trim(trim), nil
			}
		}
		want, _ := run(&plain)
		before := tx.DigestValue(keys[0])
		stopAt, pauses := 1+rng.IntN(20), 0
		tx.Pause = func() bool { pauses++; return pauses != stopAt }
		got, err := run(&stream)
		if pauses >= stopAt {
			if !errors.Is(err, ErrChanged) || tx.DigestValue(keys[0]) != before {
				t.Fatalf("round %d: stopped: %v", round, err)
			}
			got, err = run(&stream)
		}
		tx.Pause = nil
		if err != nil || got != want {
			t.Fatalf("round %d: %+v, want %+v: %v", round, got, want, err)
		}
		free(rng.IntN(20))
		if stream.Info() != plain.Info() || tx.DigestValue(keys[0]) != tx.DigestValue(keys[1]) {
			t.Fatalf("round %d: %+v, want %+v", round, stream.Info(), plain.Info())
		}
		// Whatever way leads to an entry, it is found.
		for range 20 {
			id := StreamID{0, rng.Uint64N(last + 9)}
			if got, want := stream.Get(id, nil), plain.Get(id, nil); got != want {
				t.Fatalf("round %d: %v found: %v", round, id, got)
			}
		}
		if round%5 == 4 {
			free(1 << 30)
			checkStore(t, s)
		}
	}
	for _, k := range slices.Backward(keys[:]) {
		tx.Delete(k)
	}
	free(1 << 30)
	checkStore(t, s)
}
