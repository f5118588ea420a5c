package resp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// TestReplicaBacklog: what is held is the end of what was appended, at least as much as its size
// and a block at most beyond, and the same from any position.
func TestReplicaBacklog(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const size = 3 * largestBlock
	l := &backlog{size: size, start: 1000}
	all := make([]byte, 1000)
	for len(all) < 10*size {
		part := make([]byte, rnd.IntN(1<<rnd.IntN(18))+1)
		for i := range part {
			part[i] = byte(rnd.Uint32())
		}
		l.append(part)
		all = append(all, part...)
		held := int64(len(all)) - int64(l.start)
		if held > size+largestBlock || held < min(size, int64(len(all))-1000) || l.memory() > size+largestBlock {
			t.Fatalf("%d bytes are held in %d, of %d", held, l.memory(), len(all)-1000)
		}
		from := l.start + rnd.Uint64N(uint64(held)+1)
		var got []byte
		l.from(from, func(b []byte) { got = append(got, b...) })
		if !bytes.Equal(got, all[from:]) {
			t.Fatalf("from %d on other bytes", from)
		}
	}
}

// TestSpool: the reader gets what was written, whatever waits in memory and file.
func TestSpool(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := newSpool(t.TempDir())
	defer s.close()
	var written, got []byte
	read := func(n int) error {
		b := make([]byte, n)
		n, err := s.Read(b)
		got = append(got, b[:n]...)
		return err
	}
	for range 60 {
		for range rnd.IntN(8) {
			part := make([]byte, 1+rnd.IntN(2<<20))
			part[0], part[len(part)-1] = byte(len(written)), byte(len(part))
			if _, err := s.Write(part); err != nil {
				t.Fatal(err)
			}
			written = append(written, part...)
		}
		for n := rnd.IntN(12); n > 0 && len(got) < len(written); n-- {
			if err := read(1 + rnd.IntN(2<<20)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s.file == nil {
		t.Error("no file was needed: the test does not test it")
	}
	s.finish(nil)
	for {
		if err := read(1 << 20); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, written) {
		t.Error("other bytes were read than written")
	}
}

// TestSpoolFails: the reader learns that the writer failed.
func TestSpoolFails(t *testing.T) {
	s, failure := newSpool(t.TempDir()), errors.New("no")
	s.finish(failure)
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}
