package replication

import (
	"fmt"
	"testing"
)

// writeGroup logs effects as one unit; open leaves its last one to come.
func (n *fakeNode) writeGroup(slot uint16, open bool, effects ...[]string) {
	n.store.WithSlot(slot, func() {
		for i, words := range effects {
			args := make([][]byte, len(words))
			for j, word := range words {
				args[j] = []byte(word)
			}
			if err := n.store.execute(slot, 0, args); err != nil {
				panic(err)
			}
			flags := FlagGroup
			if i+1 == len(effects) && !open {
				flags = 0
			}
			n.log.Append(slot, 0, flags, args)
		}
	})
}

// TestGroupIsAppliedAtOnce: a replica shows nothing of a group whose end has not
// come, its position stays before it, and a link that breaks in between asks for
// all of it.
func TestGroupIsAppliedAtOnce(t *testing.T) {
	p, r := newFakeNode(t, "p", testConfig()), newFakeNode(t, "r", testConfig())
	p.lead(t, 1, 5, 6)
	l := r.follow(t, p, nil)
	l.AddSlots([]uint16{5, 6})
	p.write(5, 0, "SET", "a", "0")
	same(t, p, r, 5)
	before := r.log.Position(5)

	p.writeGroup(5, true, []string{"SET", "a", "1"}, []string{"SET", "b", "1"})
	p.write(6, 0, "SET", "marker", "1") // logged after it: was shipped after it
	same(t, p, r, 6)
	if got := r.store.contents(5)[0]; got["a"] != "0" || got["b"] != "" {
		t.Errorf("half a group is seen: %v", got)
	}
	if at := r.log.Position(5); at != before {
		t.Errorf("position %v within a group, want %v", at, before)
	}
	// A new attempt begins before the group.
	l.RemoveSlots([]uint16{5})
	l.AddSlots([]uint16{5})
	p.writeGroup(5, false, []string{"APPEND", "a", "2"})
	same(t, p, r, 5)
	if got := r.store.contents(5)[0]; got["a"] != "12" || got["b"] != "1" {
		t.Errorf("after the group: %v", got)
	}
	for i := range 100 {
		p.writeGroup(5, false, []string{"SET", "a", fmt.Sprint(i)}, []string{"APPEND", "a", "x"}, []string{"SET", "b", fmt.Sprint(i)})
	}
	same(t, p, r, 5)
}
