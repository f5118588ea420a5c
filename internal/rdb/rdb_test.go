package rdb

import (
	"bytes"
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
