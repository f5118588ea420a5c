package resp

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// Client eviction (maxmemory-clients): while all clients together take more than
// the limit, those that take most are closed. The clock of the server looks at
// them at every tick, and at once after they grew by a part of the limit.

// clientGrowth is by how much clients grew since they were last looked at.
type clientGrowth struct {
	bytes atomic.Int64
	much  chan struct{} // of capacity 1: they grew by growthShare
}

// growthShare: clients are looked at when they grew by 1/16 of the limit.
const growthShare = 4

// clientGrew notes that a client takes n more bytes for input, output or a
// transaction. Without a limit it costs one atomic load.
func (s *Server) clientGrew(n int) {
	limit := s.limits.Load().ClientMemory
	if limit == 0 || n <= 0 {
		return
	}
	if s.clientGrowth.bytes.Add(int64(n)) > limit>>growthShare {
		select {
		case s.clientGrowth.much <- struct{}{}:
		default: // it is known already
		}
	}
}

// evictClients closes clients until the rest is within the limit. Replicas, our
// primary and clients that ask for it (CLIENT NO-EVICT) neither count nor are
// closed.
func (s *Server) evictClients() {
	limit := s.limits.Load().ClientMemory
	if limit == 0 {
		return
	}
	s.clientGrowth.bytes.Store(0)
	type candidate struct {
		client *Client
		memory int64
	}
	var candidates []candidate
	total := int64(0)
	for _, c := range s.clients.All() {
		if c.Has(FlagNoEvict|FlagMaster|FlagCloseASAP) || replicaClient.is(c) {
			continue
		}
		memory := c.Memory()
		total += memory
		candidates = append(candidates, candidate{c, memory})
	}
	if total <= limit {
		return
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.memory, a.memory) })
	for _, e := range candidates {
		if total <= limit {
			return
		}
		s.log.Warn("client closed: clients take more than maxmemory-clients", "id", e.client.ID, "addr", e.client.addr,
			"bytes", e.memory, "limit", limit)
		s.stats.evicted.Add(1)
		e.client.Close()
		total -= e.memory
	}
}
