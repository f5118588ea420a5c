package rdb

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestCRC(t *testing.T) {
	if got := CRC(0, []byte("123456789")); got != 0xe9c6d914c4b8d9ca {
		t.Errorf("CRC of the check text is %#x", got)
	}
	if got := CRC(CRC(0, []byte("1234")), []byte("56789")); got != 0xe9c6d914c4b8d9ca {
		t.Errorf("in two parts %#x", got)
	}
}

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
		packed, ok := lzfCompress([]byte("before"), data, len(data))
		if !ok {
			continue
		}
		if got, ok := lzfExpand(packed[len("before"):], uint64(len(data))); !ok || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes of %d letters come back wrong", len(data), letters)
		}
	}
	long := make([]byte, 100000)
	packed, ok := lzfCompress(nil, long, len(long))
	if !ok || len(packed) > 1300 {
		t.Errorf("zeros take %d bytes", len(packed))
	}
	if got, ok := lzfExpand(packed, 100000); !ok || !bytes.Equal(got, long) {
		t.Error("zeros come back wrong")
	}
	if _, ok := lzfExpand(packed, 1<<50); ok {
		t.Error("a size that cannot be is accepted")
	}
}

func TestStrings(t *testing.T) {
	for _, s := range []string{"", "0", "-1", "127", "128", "-129", "32768", "2147483647", "2147483648", "-2147483648",
		"007", "+5", "-0", " 1", "hello", string(bytes.Repeat([]byte("abc"), 100)), string(make([]byte, 70000))} {
		for _, compress := range []bool{false, true} {
			b := AppendString(nil, []byte(s), compress)
			r := reader{mem: b, limit: 1 << 20}
			if got := r.string(nil); string(got) != s || r.err != nil || len(r.mem) > 0 {
				t.Errorf("%.20q comes back as %.20q, %v", s, got, r.err)
			}
			r = reader{stream: bytes.NewReader(b), limit: 1 << 20}
			if got := r.string(nil); string(got) != s || r.err != nil || r.off != int64(len(b)) {
				t.Errorf("%.20q comes back from a stream as %.20q, %v", s, got, r.err)
			}
		}
	}
}
