package quote

import "testing"

func TestAppend(t *testing.T) {
	const want = `x"a\"\\\n\r\t\a\b\x00\x7f\xff~ "`
	if got := string(Append([]byte("x"), []byte("a\"\\\n\r\t\a\b\x00\x7f\xff~ "))); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
