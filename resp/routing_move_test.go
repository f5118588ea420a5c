package resp

import (
	"sync/atomic"

	"respkv/cluster"
	"respkv/cluster/slotmap"
)

// movableRouting is a testRouting that can be replaced by another one.
type movableRouting struct {
	*testRouting
	next atomic.Pointer[testRouting]
}

func (r *movableRouting) replace(next *testRouting) { r.next.Store(next) }

func (r *movableRouting) now() *testRouting {
	if next := r.next.Load(); next != nil {
		return next
	}
	return r.testRouting
}

func (r *movableRouting) Map() *slotmap.Map { return r.now().Map() }

func (r *movableRouting) Route(slot uint16, readonly, asking, write bool) cluster.Decision {
	return r.now().Route(slot, readonly, asking, write)
}

func (r *movableRouting) Mine(slot uint16) bool { return r.now().Mine(slot) }

func (r *movableRouting) Admit(slot uint16, write bool) cluster.Admission {
	return r.now().Admit(slot, write)
}
