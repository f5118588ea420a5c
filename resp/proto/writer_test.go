package proto

import (
	"math"
	"strings"
	"testing"
)

func TestWriter(t *testing.T) {
	for _, c := range []struct {
		name         string
		write        func(w *Writer)
		resp2, resp3 string
	}{
		{"ok", (*Writer).OK, "+OK\r\n", "+OK\r\n"},
		{"simple", func(w *Writer) { w.Simple("a\r\nb") }, "+a  b\r\n", "+a  b\r\n"},
		{"error", func(w *Writer) { w.Error("ERR a\nb") }, "-ERR a b\r\n", "-ERR a b\r\n"},
		{"int", func(w *Writer) { w.Int(0); w.Int(-7); w.Int(math.MinInt64) }, ":0\r\n:-7\r\n:-9223372036854775808\r\n", ":0\r\n:-7\r\n:-9223372036854775808\r\n"},
		{"uint", func(w *Writer) { w.Uint(math.MaxUint64) }, ":18446744073709551615\r\n", ":18446744073709551615\r\n"},
		{"bulk", func(w *Writer) { w.Bulk(nil); w.Bulk([]byte("a\r\n")); w.BulkString("é") }, "$0\r\n\r\n$3\r\na\r\n\r\n$2\r\né\r\n", "$0\r\n\r\n$3\r\na\r\n\r\n$2\r\né\r\n"},
		{"bulk int", func(w *Writer) { w.BulkInt(-12) }, "$3\r\n-12\r\n", "$3\r\n-12\r\n"},
		{"null", (*Writer).Null, "$-1\r\n", "_\r\n"},
		{"null array", (*Writer).NullArray, "*-1\r\n", "_\r\n"},
		{"array", func(w *Writer) { w.Array(12) }, "*12\r\n", "*12\r\n"},
		{"map", func(w *Writer) { w.Map(3) }, "*6\r\n", "%3\r\n"},
		{"set", func(w *Writer) { w.Set(3) }, "*3\r\n", "~3\r\n"},
		{"push", func(w *Writer) { w.Push(3) }, "*3\r\n", ">3\r\n"},
		{"attribute", func(w *Writer) {
			if w.Attribute(1) {
				w.Simple("k")
				w.Simple("v")
			}
			w.Int(1)
		}, ":1\r\n", "|1\r\n+k\r\n+v\r\n:1\r\n"},
		{"bool", func(w *Writer) { w.Bool(true); w.Bool(false) }, ":1\r\n:0\r\n", "#t\r\n#f\r\n"},
		{"big number", func(w *Writer) { w.BigNumber("-123456789012345678901234567890") }, "$31\r\n-123456789012345678901234567890\r\n", "(-123456789012345678901234567890\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "a b") }, "$3\r\na b\r\n", "=7\r\ntxt:a b\r\n"},
		{"double", func(w *Writer) { w.Double(0.1) }, "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n"},
		{"inf", func(w *Writer) { w.Double(math.Inf(1)); w.Double(math.Inf(-1)) }, "$3\r\ninf\r\n$4\r\n-inf\r\n", ",inf\r\n,-inf\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for version, want := range map[int]string{2: c.resp2, 3: c.resp3} {
				w := NewWriter(nil, version)
				c.write(w)
				if got := string(w.Bytes()); got != want {
					t.Errorf("RESP%d: got %q, want %q", version, got, want)
				}
			}
		})
	}
}

// The expected digits are what C's printf("%.17g") prints.
func TestAppendDouble(t *testing.T) {
	for want, f := range map[string]float64{
		"0": 0, "-0": math.Copysign(0, -1), "3": 3, "100": 100, "0.5": 0.5, "-1.5": -1.5,
		"10000000000000000": 1e16, "1e+17": 1e17, "1.0000000000000001e-05": 1e-5, "0.0001": 1e-4,
		"3.1415926535897931": math.Pi, "1.7976931348623157e+308": math.MaxFloat64,
		"4.9406564584124654e-324": math.SmallestNonzeroFloat64, "nan": math.NaN(), "12345678901234568": 12345678901234567,
	} {
		if got := string(AppendDouble(nil, f)); got != want {
			t.Errorf("%g: got %q, want %q", f, got, want)
		}
	}
}

func TestDeferred(t *testing.T) {
	w := NewWriter(nil, 3)
	w.Int(1)
	outer := w.Defer()
	w.BulkString("a")
	inner := w.Defer()
	for range 12 {
		w.Int(2)
	}
	w.SetMap(inner, 6)
	empty := w.Defer()
	w.SetSet(empty, 0)
	w.SetArray(outer, 3)
	w.OK()
	want := ":1\r\n*3\r\n$1\r\na\r\n%6\r\n" + strings.Repeat(":2\r\n", 12) + "~0\r\n+OK\r\n"
	if got := string(w.Bytes()); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// A large value is copied once: into a buffer that fits it.
func TestLargeBulkIsCopiedOnce(t *testing.T) {
	value := make([]byte, 8<<20)
	w := NewWriter(make([]byte, 0, 4096), 2)
	if n := testing.AllocsPerRun(3, func() {
		w.Reset(make([]byte, 0, 16))
		w.Bulk(value)
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
	if w.Cap() > len(value)+len(value)/8 {
		t.Errorf("%d bytes allocated for %d", w.Cap(), len(value))
	}
}

func TestTakeAndTruncate(t *testing.T) {
	w := NewWriter(nil, 2)
	w.OK()
	n := w.Len()
	w.Error("ERR x")
	w.Truncate(n)
	if got := string(w.Take()); got != "+OK\r\n" || w.Len() != 0 || w.Cap() != 0 {
		t.Fatalf("%q, %d, %d", got, w.Len(), w.Cap())
	}
}

// TestDeferRoom: the header of a long reply is the same as that of a short one, what came
// before stays, and offsets noted before hold.
func TestDeferRoom(t *testing.T) {
	for _, n := range []int{0, 1, 12, 123456789, math.MaxInt} {
		for _, before := range []string{"", "+OK\r\n", strings.Repeat("x", 100)} {
			w, want := NewWriter(nil, 3), NewWriter(nil, 3)
			w.RawString(before)
			want.RawString(before)
			mark := w.Len()
			d, inner := w.DeferRoom(), w.Defer()
			w.BulkString("field")
			w.SetArray(inner, 1)
			w.SetMap(d, n)
			want.Map(n)
			want.Array(1)
			want.BulkString("field")
			if string(w.Bytes()) != string(want.Bytes()) {
				t.Fatalf("%q, want %q", w.Bytes(), want.Bytes())
			}
			if w.Truncate(mark); string(w.Bytes()) != before {
				t.Fatalf("%q is left of %q", w.Bytes(), before)
			}
		}
	}
}

// TestReserve: what was written stays, and room is made.
func TestReserve(t *testing.T) {
	w := NewWriter(nil, 2)
	for i := range 1000 {
		w.Int(int64(i))
		w.Reserve(100)
		if room := w.Cap() - w.Len(); room < 100 {
			t.Fatalf("room for %d", room)
		}
	}
	if !strings.HasPrefix(string(w.Bytes()), ":0\r\n:1\r\n") || !strings.HasSuffix(string(w.Bytes()), ":999\r\n") {
		t.Errorf("%.20q", w.Bytes())
	}
}
