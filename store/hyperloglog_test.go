package store

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// TestHLLForms adds the same elements to a dense and to a sparse HyperLogLog:
// registers and counts are equal at every step, and near the truth.
func TestHLLForms(t *testing.T) {
	rng := bitsRand(t)
	s := openStore(t, Options{})
	s.LockAll()
	defer s.UnlockAll()
	tx := Tx{Store: s, Now: 1, AllLocked: true}
	sparse, dense := MakeKey([]byte("sparse")), MakeKey([]byte("dense"))
	s.SetHLLSparseMaxBytes(20_000)
	for _, k := range []Key{sparse, dense} {
		if added, _, err := tx.PFAdd(k, nil); added != 1 || err != nil {
			t.Fatal(added, err)
		}
	}
	if _, converted, err := tx.HLLToDense(dense); !converted || err != nil {
		t.Fatal(converted, err)
	}
	mask := rng.Uint64()
	for n := uint64(1); n <= uint64(shorter(20_000)); n++ {
		element := binary.LittleEndian.AppendUint64(nil, n^mask)
		a, _, err1 := tx.PFAdd(sparse, [][]byte{element})
		b, _, err2 := tx.PFAdd(dense, [][]byte{element})
		if a != b || err1 != nil || err2 != nil {
			t.Fatalf("element %d: %d %v, %d %v", n, a, err1, b, err2)
		}
		if n%1000 != 0 && n > 20 {
			continue
		}
		a64, _, _, err1 := tx.PFCount(sparse, true)
		b64, _, _, err2 := tx.PFCount(dense, false)
		if a64 != b64 || err1 != nil || err2 != nil {
			t.Fatalf("%d elements: %d %v, %d %v", n, a64, err1, b64, err2)
		}
		if off := math.Abs(float64(a64) - float64(n)); off > 1+0.05*float64(n) {
			t.Errorf("%d elements counted as %d", n, a64)
		}
	}
	value, _, _ := tx.Get(sparse)
	if isDense(value) || len(value) > 20_000 {
		t.Errorf("the sparse one has form %d, %d bytes", value[hllForm], len(value))
	}
	converted, ok := sparseToDense(value)
	want, _, _ := tx.Get(dense)
	if !ok || !bytes.Equal(converted[hllHeader:], want[hllHeader:]) {
		t.Error("registers differ")
	}
}

// TestHLLRefused: what is no HyperLogLog, or a broken one, stays as it is.
func TestHLLRefused(t *testing.T) {
	s := openStore(t, Options{})
	s.LockAll()
	defer s.UnlockAll()
	tx := Tx{Store: s, Now: 1, AllLocked: true}
	k := MakeKey([]byte("k"))
	head := string(hllEmpty[:hllHeader-1]) + "\x80"
	for value, want := range map[string]error{
		"":                                 ErrNotHLL,
		"12345678901234567":                ErrNotHLL,
		head[:15]:                          ErrNotHLL,
		"hyll" + head[4:]:                  ErrNotHLL,
		"HYLL\x02" + head[5:]:              ErrNotHLL,
		"HYLL\x00" + head[5:]:              ErrNotHLL,
		head:                               ErrBrokenHLL,
		head + "\x7f":                      ErrBrokenHLL, // half a code
		head + "\x00\x00":                  ErrBrokenHLL, // too short for the element's register
		head + string(make([]byte, 1<<20)): ErrBrokenHLL,
	} {
		if _, err := tx.Set(k, []byte(value), SetOptions{}); err != nil {
			t.Fatal(err)
		}
		_, _, err := tx.PFAdd(k, [][]byte{[]byte("element")})
		_, _, _, countErr := tx.PFCount(k, true)
		u := NewHLLUnion()
		addErr := u.Add([]byte(value))
		u.Release()
		if err != want || countErr != want || addErr != want {
			t.Errorf("%.40q: %v, %v, %v, want %v", value, err, countErr, addErr, want)
		}
		if got, _, _ := tx.Get(k); string(got) != value {
			t.Errorf("%.40q became %.40q", value, got)
		}
	}
}

// FuzzHLL gives hostile strings to all operations. Valid ones stay valid.
func FuzzHLL(f *testing.F) {
	head := string(hllEmpty[:hllHeader])
	f.Add([]byte(head+"\x7f\xff"), []byte("a"))
	f.Add([]byte(head+"\x40\x10\x84\x84\xff\x3f\x7f"), []byte("b"))
	f.Add([]byte("HYLL\x00"+head[5:]+string(make([]byte, 12288))), []byte("c"))
	f.Add([]byte(head+"\xff\xff\xff"), []byte(""))
	s := openStore(f, Options{})
	f.Fuzz(func(t *testing.T, value, element []byte) {
		s.LockAll()
		defer s.UnlockAll()
		tx := Tx{Store: s, Now: 1, AllLocked: true}
		k, d := MakeKey([]byte("k")), MakeKey([]byte("d"))
		tx.Delete(d)
		if _, err := tx.Set(k, value, SetOptions{}); err != nil {
			t.Fatal(err)
		}
		u := NewHLLUnion()
		defer u.Release()
		valid := u.Add(value) == nil
		_, _, _ = DecodeHLL(value)
		_, _, err := tx.PFAdd(k, [][]byte{element})
		if valid != (err == nil) && valid {
			t.Fatalf("PFADD: %v", err)
		}
		if !valid {
			return
		}
		after, _, _ := tx.Get(k)
		if err := u.Add(after); err != nil {
			t.Fatalf("%x is broken after PFADD %x: %v", value, element, err)
		}
		if err := tx.PFMerge(d, u); err != nil {
			t.Fatal(err)
		}
		count, _, _, err := tx.PFCount(d, true)
		if err != nil || count != u.Count() {
			t.Fatalf("PFMERGE counts %d, %v, want %d", count, err, u.Count())
		}
	})
}

// TestHLLSelfTest is what PFSELFTEST runs.
func TestHLLSelfTest(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	if err := SelfTestHLL(bitsRand(t).Uint64(), DefaultHLLSparseMaxBytes); err != nil {
		t.Error(err)
	}
}

func BenchmarkPFAddSparse(b *testing.B) {
	s := openStore(b, Options{})
	s.LockAll()
	defer s.UnlockAll()
	tx := Tx{Store: s, Now: 1, AllLocked: true}
	k := MakeKey([]byte("k"))
	elements := make([][]byte, 500)
	for i := range elements {
		elements[i] = binary.LittleEndian.AppendUint64(nil, uint64(i))
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, _, err := tx.PFAdd(k, elements[n%len(elements):n%len(elements)+1]); err != nil {
			b.Fatal(err)
		}
	}
}
