package node

import (
	"math"
	"testing"
)

// TestClientRoom: clients never get all descriptors, and always some.
func TestClientRoom(t *testing.T) {
	for _, c := range []struct {
		limit     uint64
		clustered bool
		want      int
	}{
		{64, false, 32}, {64, true, 32}, {1024, false, 992}, {1024, true, 896}, {20, true, 10}, {math.MaxUint64, false, math.MaxUint32},
	} {
		if got := clientRoom(c.limit, c.clustered); got != c.want {
			t.Errorf("of %d open files, clustered %v: %d clients, want %d", c.limit, c.clustered, got, c.want)
		}
	}
}
