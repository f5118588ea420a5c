package hashslot

import (
	"bytes"
	"math/rand"
	"testing"
)

func TestCRC16CheckValue(t *testing.T) {
	if got := CRC16([]byte("123456789")); got != 0x31C3 {
		t.Fatalf("CRC16 check value = %#x, want 0x31c3", got)
	}
}

// TestCRC16FoldedEqualsBitwise compares the folded loop with the definition,
// one bit at a time, over every length around the fold width.
func TestCRC16FoldedEqualsBitwise(t *testing.T) {
	bitwise := func(data []byte) uint16 {
		var crc uint16
		for _, b := range data {
			crc ^= uint16(b) << 8
			for range 8 {
				carry := crc&0x8000 != 0
				crc <<= 1
				if carry {
					crc ^= 0x1021
				}
			}
		}
		return crc
	}
	rng := rand.New(rand.NewSource(1))
	for n := range 70 {
		data := make([]byte, n)
		rng.Read(data)
		if got, want := CRC16(data), bitwise(data); got != want {
			t.Fatalf("CRC16 of %d bytes %x = %#x, want %#x", n, data, got, want)
		}
	}
}

func TestTag(t *testing.T) {
	for _, c := range []struct{ key, tag string }{
		{"", ""},
		{"plain", "plain"},
		{"{user1000}.following", "user1000"},
		{"foo{}{bar}", "foo{}{bar}"},
		{"foo{{bar}}zap", "{bar"},
		{"foo{bar}{zap}", "bar"},
		{"foo{bar", "foo{bar"},
		{"}foo{a}", "a"},
	} {
		if got := Tag([]byte(c.key)); !bytes.Equal(got, []byte(c.tag)) {
			t.Errorf("Tag(%q) = %q, want %q", c.key, got, c.tag)
		}
	}
}

// The slots below are those that the cluster specification and redis-cli give.
func TestSlot(t *testing.T) {
	for key, slot := range map[string]uint16{"foo": 12182, "bar": 5061, "hello": 866, "{foo}x": 12182, "": 0} {
		if got := Slot([]byte(key)); got != slot {
			t.Errorf("Slot(%q) = %d, want %d", key, got, slot)
		}
	}
}

func BenchmarkSlot(b *testing.B) {
	key := []byte("key:000000012345")
	b.ReportAllocs()
	for b.Loop() {
		Slot(key)
	}
}
