package lzf

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestLZF(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		data := make([]byte, random.IntN(5000))
		letters := 1 + random.IntN(1<<random.IntN(9))
		for i := range data {
			data[i] = byte(random.IntN(letters))
			if i > 20 && random.IntN(3) == 0 {
				data[i] = data[i-1-random.IntN(20)]
			}
		}
		packed, ok := Compress([]byte("before"), data, len(data))
		if !ok {
			continue
		}
		if got, ok := Expand(nil, packed[len("before"):], uint64(len(data))); !ok || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes of %d letters come back wrong", len(data), letters)
		}
	}
	if got, ok := Expand(make([]byte, 0, 9), []byte{2, 'a', 'b', 'c'}, 3); !ok || string(got) != "abc" || cap(got) != 3 {
		t.Errorf("into a buffer with room: %q, %v", got, ok)
	}
	long := make([]byte, 100000)
	packed, ok := Compress(nil, long, len(long))
	if !ok || len(packed) > 1300 {
		t.Errorf("zeros take %d bytes", len(packed))
	}
	if got, ok := Expand(nil, packed, 100000); !ok || !bytes.Equal(got, long) {
		t.Error("zeros come back wrong")
	}
	if _, ok := Expand(nil, packed, 1<<50); ok {
		t.Error("a size that cannot be is accepted")
	}
}
