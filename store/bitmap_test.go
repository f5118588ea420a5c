package store

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

func bitsRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	fill := [...]byte{0, 0xff, byte(rng.Uint32())}[rng.IntN(3)]
	for i := range b {
		if b[i] = fill; rng.IntN(20) == 0 {
			b[i] = byte(rng.Uint32())
		}
	}
	return b
}

// TestBitRanges compares counting and searching with looking at each bit.
func TestBitRanges(t *testing.T) {
	rng := bitsRand(t)
	for range 5000 {
		value := randomBytes(rng, 1+rng.IntN(120))
		total := int64(len(value)) * 8
		first := rng.Int64N(total)
		last := first + rng.Int64N(total-first)
		set, firstOf := int64(0), [2]int64{-1, -1}
		for i := first; i <= last; i++ {
			bit := 0
			if Bit(value, i) {
				bit = 1
				set++
			}
			if firstOf[bit] < 0 {
				firstOf[bit] = i
			}
		}
		if got := CountBits(value, first, last); got != set {
			t.Fatalf("%x: %d bits in %d..%d, want %d", value, got, first, last, set)
		}
		for bit, want := range firstOf {
			if got := FindBit(value, bit == 1, first, last); got != want {
				t.Fatalf("%x: first %d in %d..%d at %d, want %d", value, bit, first, last, got, want)
			}
		}
	}
}

// TestCombine compares the operations with those byte by byte.
func TestCombine(t *testing.T) {
	rng := bitsRand(t)
	for range 3000 {
		sources := make([][]byte, 1+rng.IntN(4))
		length := 0
		for i := range sources {
			sources[i] = randomBytes(rng, rng.IntN(100))
			length = max(length, len(sources[i]))
		}
		for _, op := range []BitOperation{BitAnd, BitOr, BitXor, BitNot} {
			if op == BitNot {
				sources, length = sources[:1], len(sources[0])
			}
			want := make([]byte, length)
			for i := range want {
				for j, src := range sources {
					var b byte
					if i < len(src) {
						b = src[i]
					}
					switch {
					case op == BitNot:
						b = ^b
					case j == 0:
					case op == BitAnd:
						b &= want[i]
					case op == BitOr:
						b |= want[i]
					case op == BitXor:
						b ^= want[i]
					}
					want[i] = b
				}
			}
			got := make([]byte, length)
			combine(op, got, sources)
			if !bytes.Equal(got, want) {
				t.Fatalf("operation %d of %x: %x, want %x", op, sources, got, want)
			}
		}
	}
}

// TestBitOpLarge stores results that have a mapping of their own, also over a
// source.
func TestBitOpLarge(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1, AllLocked: true}
	s.LockAll()
	defer s.UnlockAll()
	rng := bitsRand(t)
	a, b := MakeKey([]byte("a")), MakeKey([]byte("b"))
	one, two := randomBytes(rng, 3<<20), randomBytes(rng, 2<<20+5)
	for k, v := range map[string][]byte{"a": one, "b": two} {
		if _, err := tx.Set(MakeKey([]byte(k)), v, SetOptions{Deadline: 1 << 40}); err != nil {
			t.Fatal(err)
		}
	}
	x, _, _ := tx.Get(a)
	y, _, _ := tx.Get(b)
	r, err := tx.BitOp(BitXor, [][]byte{x, y})
	if err != nil || r.Len() != len(one) {
		t.Fatal(r.Len(), err)
	}
	if _, err := r.Store(a); err != nil {
		t.Fatal(err)
	}
	for i := range two {
		one[i] ^= two[i]
	}
	if got, _, _ := tx.Get(a); !bytes.Equal(got, one) || tx.Deadline(a) > 0 {
		t.Error("BITOP XOR over one of its sources")
	}
}

// TestBitFieldModel compares reads and wrapping writes with big integers.
func TestBitFieldModel(t *testing.T) {
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1, AllLocked: true}
	s.LockAll()
	defer s.UnlockAll()
	rng := bitsRand(t)
	k := MakeKey([]byte("k"))
	model := new(big.Int) // bit 0 of the string is its highest of 2048
	const width = 2048
	field := func(op *BitFieldOp) *big.Int {
		n := new(big.Int).Rsh(model, uint(width-op.Offset)-op.Bits)
		return n.And(n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), op.Bits), big.NewInt(1)))
	}
	number := func(op *BitFieldOp) int64 {
		n := field(op)
		if op.Signed && n.Bit(int(op.Bits)-1) == 1 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), op.Bits))
		}
		return n.Int64()
	}
	for range 20_000 {
		op := BitFieldOp{Signed: rng.IntN(2) == 0, Offset: rng.Int64N(1900), Value: int64(rng.Uint64())}
		op.Bits = 1 + uint(rng.IntN(63))
		if op.Signed && rng.IntN(8) == 0 {
			op.Bits = 64
		}
		op.Kind = BitFieldSet + BitFieldKind(rng.IntN(2))
		before := number(&op)
		ops := []BitFieldOp{op, {Signed: op.Signed, Offset: op.Offset, Bits: op.Bits}}
		if _, _, err := tx.BitField(k, ops); err != nil {
			t.Fatal(err)
		}
		after := big.NewInt(op.Value)
		if op.Kind == BitFieldIncrBy {
			after.Add(after, big.NewInt(before))
		}
		shift := uint(width-op.Offset) - op.Bits
		mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), op.Bits), big.NewInt(1))
		model.AndNot(model, new(big.Int).Lsh(mask, shift))
		model.Or(model, new(big.Int).Lsh(after.And(after, mask), shift))
		want := before
		if op.Kind == BitFieldIncrBy {
			want = number(&op)
		}
		if ops[0].Result != want || ops[1].Result != number(&op) {
			t.Fatalf("%+v: %d, then %d, want %d, %d", op, ops[0].Result, ops[1].Result, want, number(&op))
		}
	}
	value, _, _ := tx.Get(k)
	want := model.FillBytes(make([]byte, width/8))
	if !bytes.Equal(value, want[:len(value)]) || bytes.ContainsFunc(want[len(value):], func(r rune) bool { return r != 0 }) {
		t.Error("neighbours were changed")
	}
}

func BenchmarkBitCount(b *testing.B) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		CountBits(value, 3, int64(len(value))*8-5)
	}
}

func BenchmarkBitOpAnd(b *testing.B) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	dst := make([]byte, len(value))
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		combine(BitAnd, dst, [][]byte{value, value})
	}
}

func BenchmarkBitPos(b *testing.B) {
	value := make([]byte, 1<<20)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		FindBit(value, true, 3, int64(len(value))*8-5)
	}
}
