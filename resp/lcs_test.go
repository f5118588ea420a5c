package resp

import (
	"strings"
	"testing"
)

// TestLCSBounded: what would take too much memory, alone or with others, is
// refused before anything is allocated.
func TestLCSBounded(t *testing.T) {
	const refused = "-" + errLCSMemory + "\r\n"
	n := newTestNode(t, nil, nil)
	n.do("SET", "{k}large", strings.Repeat("x", 1<<20))
	n.do("SET", "{k}a", strings.Repeat("ab", 500))
	n.do("SET", "{k}b", strings.Repeat("ba", 500))
	n.expect("LCS {k}large {k}large", refused)
	n.expect("LCS {k}large {k}large LEN", refused)
	n.expect("LCS {k}large none LEN", ":0\r\n")

	lcsMemory.Add(lcsMaxBytes - 1<<20) // as if others ran
	n.expect("LCS {k}a {k}b", refused)
	n.expect("LCS {k}a {k}b LEN", ":999\r\n")
	lcsMemory.Add(1<<20 - lcsMaxBytes)
	if left := lcsMemory.Load(); left != 0 {
		t.Errorf("%d bytes are still taken", left)
	}
	if got := n.do("LCS", "{k}a", "{k}b"); len(got) != len("$999\r\n\r\n")+999 {
		t.Errorf("%d bytes of reply", len(got))
	}
}
