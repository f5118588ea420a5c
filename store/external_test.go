package store

import (
	"bytes"
	"syscall"
	"testing"
)

// TestLargeStringGrows: the memory of a large string that grows is moved, not
// copied, and what comes behind it is zero, whatever was there.
func TestLargeStringGrows(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	k := MakeKey([]byte("k"))
	const size = 32 << 20
	want := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	if _, err := tx.Set(k, want, SetOptions{}); err != nil {
		t.Fatal(err)
	}
	faults := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return u.Minflt
	}
	// A shorter value in the same memory: the rest is not to come back.
	want = want[:size-5000]
	if _, err := tx.Set(k, want, SetOptions{}); err != nil {
		t.Fatal(err)
	}
	before := faults()
	if n, err := tx.Append(k, []byte("tail")); err != nil || n != len(want)+4 {
		t.Fatal(n, err)
	}
	if n, err := tx.SetRange(k, size+100, []byte("end")); err != nil || n != size+103 {
		t.Fatal(n, err)
	}
	if n, err := tx.SetRange(k, 2*size, []byte("end")); err != nil || n != 2*size+3 {
		t.Fatal(n, err)
	}
	if n := faults() - before; n > size/pageSize/2 {
		t.Errorf("%d pages were touched", n)
	}
	want = append(want[:len(want):len(want)], "tail"...)
	want = append(append(want, make([]byte, size+100-len(want))...), "end"...)
	want = append(append(want, make([]byte, 2*size-len(want))...), "end"...)
	if got, _, err := tx.Get(k); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the value differs: %d bytes, %v", len(got), err)
	}
	if got := s.arena.usage.regions.Load(); got < 2*size || got > 3*size {
		t.Errorf("%d bytes are counted", got)
	}
	checkStore(t, s)
	tx.Delete(k)
	freeAll(s)
	if got := s.arena.usage.regions.Load(); got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}
