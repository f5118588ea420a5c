package resp

import (
	"strings"
	"testing"
)

func TestSortScore(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "1.5": true, " 7": true, "0x10": true, "1\x00x": true, "-inf": true, "0e-999": true, "0x1p-1022": true,
		" ": false, "7 ": false, "nan": false, "1e400": false, "1e-400": false, "1e-310": false, "x": false, "1_0": false,
	} {
		if _, ok := parseSortScore([]byte(text)); ok != want {
			t.Errorf("%q: %v, want %v", text, ok, want)
		}
	}
}

// A pattern finds keys of other shards, whoever writes them meanwhile.
func TestSortLocksOtherKeys(t *testing.T) {
	n := serveNode(t, servedOptions{})
	sorter, writer := n.dial(t), n.dial(t)
	sorter.call("rpush", "ids", "1", "2", "3")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			writer.call("mset", "w1", "3", "w2", "2", "w3", "1")
			writer.call("mset", "w1", "1", "w2", "2", "w3", "3")
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		const up, down = "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"
		if got := sorter.call("sort", "ids", "by", "w*"); got != up && got != down {
			t.Fatalf("got %q", got)
		}
	}
}

// In cluster mode keys that are not named may be elsewhere.
func TestSortInCluster(t *testing.T) {
	n := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	n.do("RPUSH", "l", "2", "1")
	for _, s := range []struct{ option, want string }{
		{"BY w*", "-" + errSortBy + "\r\n"},
		{"GET w*", "-" + errSortGet + "\r\n"},
		{"GET #", "-" + errSortGet + "\r\n"},
		{"BY nosort", "*2\r\n$1\r\n2\r\n$1\r\n1\r\n"},
		{"STORE other", "-" + errCrossSlot + "\r\n"},
	} {
		first, second, _ := strings.Cut(s.option, " ")
		if got := n.do("SORT", "l", first, second); got != s.want {
			t.Errorf("%s: got %q, want %q", s.option, got, s.want)
		}
	}
}
