package rdb

import (
	"bytes"
	"errors"
	"testing"

	"respkv/internal/lzf"
)

// strict is a Sink that sees to it that what it gets is what it may get.
type strict struct {
	discard
	t     *testing.T
	limit int
}

func (s strict) check(parts ...[]byte) {
	for _, p := range parts {
		if len(p) > s.limit {
			s.t.Errorf("an element of %d bytes", len(p))
		}
	}
}

func (s strict) String(v []byte) error             { s.check(v); return nil }
func (s strict) Element(v []byte) error            { s.check(v); return nil }
func (s strict) Scored(m []byte, f float64) error  { s.check(m); _ = f == f || s.nan(); return nil }
func (s strict) Field(f, v []byte, at int64) error { s.check(f, v); _ = at >= 0 || s.nan(); return nil }
func (s strict) nan() bool                         { s.t.Error("a score or deadline that is none"); return false }

func (s strict) Key(*Key) (Sink, error)   { return s, nil }
func (s strict) Done(error) error         { return nil }
func (s strict) Aux([]byte, []byte) error { return nil }
func (s strict) Function([]byte) error    { return nil }
func (s strict) ModuleAux(string)         {}

// seeds are values of each type.
func seeds() [][]byte {
	str := func(b []byte, s string) []byte { return AppendString(b, []byte(s), true) }
	lp := AppendListpack([]byte{byte(TypeHashListpack)}, []byte{0x81, 'f', 2, 5, 1}, 2, false)
	list := AppendListNode(AppendLen([]byte{byte(TypeListQuicklist2)}, 2), []byte{0x81, 'f', 2}, 1, false)
	return [][]byte{
		str([]byte{byte(TypeString)}, "hello"),
		str([]byte{byte(TypeString)}, "12345"),
		str([]byte{byte(TypeString)}, string(bytes.Repeat([]byte("abc"), 50))),
		str(str(AppendLen([]byte{byte(TypeSet)}, 2), "a"), "b"),
		AppendScore(str(AppendLen([]byte{byte(TypeZSet2)}, 1), "a"), 1.5),
		str(str(AppendLen([]byte{byte(TypeHash)}, 1), "f"), "v"),
		str([]byte{byte(TypeSetIntset)}, "\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00"),
		str([]byte{byte(TypeHashZipmap)}, "\x01\x01f\x01\x00v\xff"),
		str([]byte{byte(TypeListZiplist)}, "\x0f\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x02ab\xff"),
		lp, AppendListElement(list, []byte("plain"), false),
		AppendStreamID(AppendLen([]byte{byte(TypeStreamListpacks)}, 0), StreamID{5, 6}),
	}
}

// FuzzPayload: no bytes make reading a value panic, or hand out what was not there.
func FuzzPayload(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		payload := AppendFooter(bytes.Clone(b), 0, Version)
		if err := Check(payload); err != nil {
			t.Fatal(err)
		}
		err := ReadPayload(payload, 1<<20, strict{t: t, limit: max(20, len(b)*lzf.Growth)})
		var broken *Error
		if err != nil && !errors.As(err, &broken) && !errors.Is(err, ErrEmpty) {
			t.Errorf("error %v", err)
		}
	})
}

// FuzzFile is FuzzPayload for files, which come as a stream.
func FuzzFile(f *testing.F) {
	for _, s := range seeds() {
		file := AppendAux(AppendHeader(nil, Version), "redis-ver", "7.0.15")
		file = AppendResizeDB(AppendSelectDB(file, 0), 1, 0)
		file = append(AppendKey(file, Type(s[0]), &Key{Name: []byte("k"), Deadline: 5, Idle: 3, Freq: -1}, true), s[1:]...)
		f.Add(append(AppendEnd(file), 0, 0, 0, 0, 0, 0, 0, 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := ReadFile(bytes.NewReader(b), FileOptions{Databases: 16, MaxString: 1 << 20, Checksum: true},
			strict{t: t, limit: max(20, len(b)*lzf.Growth)})
		var broken *Error
		if err != nil && !errors.As(err, &broken) {
			t.Errorf("error %v", err)
		}
		if read > int64(len(b)) {
			t.Errorf("%d bytes read of %d", read, len(b))
		}
	})
}
