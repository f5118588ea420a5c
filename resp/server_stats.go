package resp

import "sync/atomic"

// ServerStats is a snapshot of the counters that INFO prints.
type ServerStats struct {
	ConnectionsReceived     int64 // total_connections_received
	ConnectionsRejected     int64 // rejected_connections: maxclients, protected mode
	InputBytes              int64 // total_net_input_bytes
	OutputBytes             int64 // total_net_output_bytes
	QueryBufferDisconnects  int64 // client_query_buffer_limit_disconnections
	OutputBufferDisconnects int64 // client_output_buffer_limit_disconnections
	EvictedClients          int64 // evicted_clients
	Reads, Writes           int64 // total_reads_processed, total_writes_processed
	ConnectedClients        int   // connected_clients
	BlockedClients          int   // blocked_clients
}

type stats struct {
	received, rejected, queryLimit, outputLimit, evicted atomic.Int64
	input, output                                        counter
}

// counter is spread over cache lines: it is added to by all connections.
type counter [8]struct {
	n     atomic.Int64
	times atomic.Int64
	_     [48]byte
}

func (c *counter) add(id uint64, n int) {
	part := &c[id%uint64(len(c))]
	part.n.Add(int64(n))
	part.times.Add(1)
}

// times is how often something was added.
func (c *counter) times() (n int64) {
	for i := range c {
		n += c[i].times.Load()
	}
	return n
}

func (c *counter) sum() (n int64) {
	for i := range c {
		n += c[i].n.Load()
	}
	return n
}

func (c *counter) reset() {
	for i := range c {
		c[i].n.Store(0)
		c[i].times.Store(0)
	}
}

// Stats reads the counters.
func (s *Server) Stats() ServerStats {
	return ServerStats{
		ConnectionsReceived:     s.stats.received.Load(),
		ConnectionsRejected:     s.stats.rejected.Load(),
		InputBytes:              s.stats.input.sum(),
		OutputBytes:             s.stats.output.sum(),
		QueryBufferDisconnects:  s.stats.queryLimit.Load(),
		OutputBufferDisconnects: s.stats.outputLimit.Load(),
		EvictedClients:          s.stats.evicted.Load(),
		Reads:                   s.stats.input.times(),
		Writes:                  s.stats.output.times(),
		ConnectedClients:        s.clients.Len(),
		BlockedClients:          int(s.blocked.Load()),
	}
}

// ResetStats sets the counters to zero (CONFIG RESETSTAT); numbers of clients
// are not counters.
func (s *Server) ResetStats() {
	s.stats.received.Store(0)
	s.stats.rejected.Store(0)
	s.stats.queryLimit.Store(0)
	s.stats.outputLimit.Store(0)
	s.stats.evicted.Store(0)
	s.stats.input.reset()
	s.stats.output.reset()
}
