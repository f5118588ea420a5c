package resp

import "testing"

func TestParseLong(t *testing.T) {
	good := map[string]int64{
		"0": 0, "1": 1, "-1": -1, "10": 10,
		"9223372036854775807":  1<<63 - 1,
		"-9223372036854775808": -1 << 63,
	}
	for text, want := range good {
		if n, ok := parseLong([]byte(text)); !ok || n != want {
			t.Errorf("parseLong(%q) = %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{
		"", "-", "+1", "-0", "00", "01", " 1", "1 ", "1.0", "0x1", "1e3", "\x00", "--1",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999",
		"9999999999999999999",
	} {
		if n, ok := parseLong([]byte(text)); ok {
			t.Errorf("parseLong(%q) = %d", text, n)
		}
	}
}

func TestParseCursor(t *testing.T) {
	good := map[string]uint64{
		"": 0, "0": 0, "007": 7, "+7": 7, "-1": 1<<64 - 1,
		"18446744073709551615": 1<<64 - 1,
	}
	for text, want := range good {
		if n, ok := parseCursor([]byte(text)); !ok || n != want {
			t.Errorf("parseCursor(%q) = %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{" 1", "1 ", "x", "+", "-", "0x1", "1_0", "18446744073709551616"} {
		if n, ok := parseCursor([]byte(text)); ok {
			t.Errorf("parseCursor(%q) = %d", text, n)
		}
	}
}
