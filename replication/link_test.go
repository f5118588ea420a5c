package replication

import (
	"fmt"
	"testing"
)

func TestFullCopyThenStream(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 1, 5, 6, 7000)
	for i := range 500 {
		p.write(5, 0, "SET", fmt.Sprint("k", i), "v")
		p.write(7000, 1, "SET", fmt.Sprint("k", i), "v")
	}
	l := r.follow(t, p, nil)
	l.AddSlots([]uint16{5, 6, 7000})
	for _, slot := range []uint16{5, 6, 7000} {
		same(t, p, r, slot)
	}
	p.write(5, 0, "DEL", "k7")
	p.write(6, 0, "SET", "a", "b")
	same(t, p, r, 5)
	same(t, p, r, 6)
	if got := p.source.Stats(); got.FullSyncs != 3 {
		t.Errorf("%+v", got)
	}
}
