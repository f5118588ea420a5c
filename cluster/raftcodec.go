package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"respkv/cluster/shared"
	"respkv/cluster/slotmap"
)

// Raft's messages on the wire. Raft's own transport decodes what it reads with a
// general decoder and acts on it without looking: a claimed length, a gap in the
// log, or an entry that cannot be read ends the process. Here each message has
// its own form, and nothing reaches raft that a correct peer could not have
// sent.
//
//	frame:    length u32 (big endian), kind u8, body
//	body:     uvarints, and byte strings as uvarint length and bytes
//	header:   protocol version, sender's address
//	request:  header, then
//	          append    term, leader, previous index and term, commit index,
//	                    number of entries: index, term, type, appended at
//	                    (Unix ns), data. The data of a configuration entry:
//	                    number of servers: suffrage, ID, address
//	          vote      term, candidate, last index and term, transfer (0, 1)
//	          pre-vote  term, last index and term
//	          snapshot  version, term, leader, last index and term, servers,
//	                    their index, size; size bytes follow the frame
//	          timeout   -
//	response: error text; header, then
//	          append    term, last log, success (0, 1), no retry back-off (0, 1)
//	          vote      term, granted (0, 1)         pre-vote the same
//	          snapshot  term, success (0, 1)         timeout  -
//
// A new version of any of these is a new kind.
type raftKind byte

// Append only: these go over the wire.
const (
	raftAppend   raftKind = 1
	raftVote     raftKind = 2
	raftPreVote  raftKind = 3
	raftSnapshot raftKind = 4
	raftTimeout  raftKind = 5
	raftAnswer   raftKind = 6 // to whichever request came before
)

// Limits of raft's messages.
const (
	maxRaftRequest = 8 << 20 // append requests are cut to this
	maxRaftAnswer  = 4 << 10 // error texts are cut to fit
	maxRaftText    = 512     // an address
	maxRaftEntries = 1024    // of one append
	maxRaftServers = 1100    // of a configuration: the map's nodes and some
	maxRaftNumber  = 1 << 62 // terms and indexes: counting on from them must not overflow
	maxRaftError   = 1 << 10 // an error text
	maxRaftEntry   = 4 << 20 // data of one entry; slotmap has the same limit, shared a lower one
)

var errRaftMessage = errors.New("bad raft message")

// raftWriter builds a message.
type raftWriter struct{ b []byte }

func (w *raftWriter) number(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *raftWriter) bytes(b []byte) {
	w.number(uint64(len(b)))
	w.b = append(w.b, b...)
}

func (w *raftWriter) bool(v bool) {
	if v {
		w.number(1)
		return
	}
	w.number(0)
}

func (w *raftWriter) header(h raft.RPCHeader) {
	w.number(uint64(h.ProtocolVersion))
	w.bytes(h.Addr)
}

func (w *raftWriter) servers(c raft.Configuration) {
	w.number(uint64(len(c.Servers)))
	for _, s := range c.Servers {
		w.number(uint64(s.Suffrage))
		w.bytes([]byte(s.ID))
		w.bytes([]byte(s.Address))
	}
}

// raftReader takes a message apart. The first thing that is wrong sticks in bad.
type raftReader struct {
	b     []byte
	bad   string
	cause error // behind bad, if there is one
}

func (r *raftReader) fail(what string) {
	if r.bad == "" {
		r.bad = what
	}
	r.b = nil
}

// number reads a number of at most limit.
func (r *raftReader) number(limit uint64, what string) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail(what)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *raftReader) bool(what string) bool { return r.number(1, what) == 1 }

// bytes reads a byte string of at most limit bytes. It aliases the message.
func (r *raftReader) bytes(limit uint64, what string) []byte {
	n := r.number(limit, what)
	if n > uint64(len(r.b)) {
		r.fail(what)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *raftReader) header(from slotmap.NodeID) raft.RPCHeader {
	return raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersion(r.number(64, "protocol version")),
		ID:              []byte(from),
		Addr:            r.bytes(maxRaftText, "address"),
	}
}

// servers reads a configuration. It has a voter, and no server twice.
func (r *raftReader) servers() raft.Configuration {
	n := r.number(maxRaftServers, "number of servers")
	var c raft.Configuration
	seen, voters := map[raft.ServerID]bool{}, 0
	for range n {
		s := raft.Server{
			Suffrage: raft.ServerSuffrage(r.number(uint64(raft.Nonvoter), "suffrage")),
			ID:       raft.ServerID(r.bytes(slotmap.NodeIDLen, "server ID")),
			Address:  raft.ServerAddress(r.bytes(maxRaftText, "server address")),
		}
		if r.bad != "" {
			return raft.Configuration{}
		}
		if slotmap.NodeID(s.ID).Validate() != nil || s.Address == "" || seen[s.ID] {
			r.fail("server")
			return raft.Configuration{}
		}
		seen[s.ID] = true
		if s.Suffrage == raft.Voter {
			voters++
		}
		c.Servers = append(c.Servers, s)
	}
	if voters == 0 {
		r.fail("configuration without voters")
	}
	return c
}

// encodeRaftRequest gives kind and body. An append request whose entries do not
// fit is cut: raft sends the rest next.
func encodeRaftRequest(command any) ([]byte, error) {
	w := &raftWriter{b: make([]byte, 0, 256)}
	switch m := command.(type) {
	case *raft.AppendEntriesRequest:
		w.b = append(w.b, byte(raftAppend))
		w.header(m.RPCHeader)
		w.number(m.Term)
		w.bytes(m.Leader)
		w.number(m.PrevLogEntry)
		w.number(m.PrevLogTerm)
		w.number(m.LeaderCommitIndex)
		m.Entries = m.Entries[:fitting(m.Entries, maxRaftRequest-len(w.b)-binary.MaxVarintLen64)]
		w.number(uint64(len(m.Entries)))
		for _, e := range m.Entries {
			if err := w.entry(e); err != nil {
				return nil, err
			}
		}
	case *raft.RequestVoteRequest:
		w.b = append(w.b, byte(raftVote))
		w.header(m.RPCHeader)
		w.number(m.Term)
		w.bytes(m.Candidate)
		w.number(m.LastLogIndex)
		w.number(m.LastLogTerm)
		w.bool(m.LeadershipTransfer)
	case *raft.RequestPreVoteRequest:
		w.b = append(w.b, byte(raftPreVote))
		w.header(m.RPCHeader)
		w.number(m.Term)
		w.number(m.LastLogIndex)
		w.number(m.LastLogTerm)
	case *raft.InstallSnapshotRequest:
		w.b = append(w.b, byte(raftSnapshot))
		w.header(m.RPCHeader)
		w.number(uint64(m.SnapshotVersion))
		w.number(m.Term)
		w.bytes(m.Leader)
		w.number(m.LastLogIndex)
		w.number(m.LastLogTerm)
		w.servers(raft.DecodeConfiguration(m.Configuration)) // our own: read from our disk
		w.number(m.ConfigurationIndex)
		w.number(uint64(m.Size))
	case *raft.TimeoutNowRequest:
		w.b = append(w.b, byte(raftTimeout))
		w.header(m.RPCHeader)
	default:
		return nil, fmt.Errorf("%w: %T", errRaftMessage, command)
	}
	if len(w.b) > maxRaftRequest {
		return nil, fmt.Errorf("%w: %d bytes", errRaftMessage, len(w.b))
	}
	return w.b, nil
}

// fitting is how many entries may go into room bytes; at least one, if any.
func fitting(entries []*raft.Log, room int) int {
	for i, e := range entries {
		if room -= len(e.Data) + 4*binary.MaxVarintLen64 + 8; i > 0 && room < 0 || i == maxRaftEntries {
			return i
		}
	}
	return len(entries)
}

func (w *raftWriter) entry(e *raft.Log) error {
	if len(e.Extensions) > 0 {
		return fmt.Errorf("%w: entry with extensions", errRaftMessage)
	}
	w.number(e.Index)
	w.number(e.Term)
	w.number(uint64(e.Type))
	at := int64(0)
	if !e.AppendedAt.IsZero() {
		at = max(0, e.AppendedAt.UnixNano())
	}
	w.number(uint64(at))
	if e.Type != raft.LogConfiguration {
		w.bytes(e.Data)
		return nil
	}
	c := &raftWriter{}
	c.servers(raft.DecodeConfiguration(e.Data)) // our own: from our log
	w.bytes(c.b)
	return nil
}

// decodeRaftRequest reads kind and body of a request of node from. What it
// returns shares memory with data. Every error wraps errRaftMessage.
func decodeRaftRequest(from slotmap.NodeID, data []byte) (any, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: empty", errRaftMessage)
	}
	r := &raftReader{b: data[1:]}
	var command any
	switch raftKind(data[0]) {
	case raftAppend:
		m := &raft.AppendEntriesRequest{RPCHeader: r.header(from)}
		m.Term = r.number(maxRaftNumber, "term")
		m.Leader = r.bytes(maxRaftText, "leader")
		m.PrevLogEntry = r.number(maxRaftNumber, "previous index")
		m.PrevLogTerm = r.number(maxRaftNumber, "previous term")
		m.LeaderCommitIndex = r.number(maxRaftNumber, "commit index")
		m.Entries = r.entries(m)
		command = m
	case raftVote:
		m := &raft.RequestVoteRequest{RPCHeader: r.header(from)}
		m.Term = r.number(maxRaftNumber, "term")
		m.Candidate = r.bytes(maxRaftText, "candidate")
		m.LastLogIndex = r.number(maxRaftNumber, "last index")
		m.LastLogTerm = r.number(maxRaftNumber, "last term")
		m.LeadershipTransfer = r.bool("transfer")
		command = m
	case raftPreVote:
		m := &raft.RequestPreVoteRequest{RPCHeader: r.header(from)}
		m.Term = r.number(maxRaftNumber, "term")
		m.LastLogIndex = r.number(maxRaftNumber, "last index")
		m.LastLogTerm = r.number(maxRaftNumber, "last term")
		command = m
	case raftSnapshot:
		m := &raft.InstallSnapshotRequest{RPCHeader: r.header(from)}
		m.SnapshotVersion = raft.SnapshotVersion(r.number(uint64(raft.SnapshotVersionMax), "snapshot version"))
		m.Term = r.number(maxRaftNumber, "term")
		m.Leader = r.bytes(maxRaftText, "leader")
		m.LastLogIndex = r.number(maxRaftNumber, "last index")
		m.LastLogTerm = r.number(maxRaftNumber, "last term")
		c := r.servers()
		m.ConfigurationIndex = r.number(maxRaftNumber, "configuration index")
		m.Size = int64(r.number(maxStateSnapshot, "snapshot size"))
		if m.SnapshotVersion < 1 || m.LastLogIndex == 0 || m.ConfigurationIndex > m.LastLogIndex || m.LastLogTerm > m.Term {
			r.fail("snapshot")
		}
		if r.bad == "" {
			m.Configuration = raft.EncodeConfiguration(c)
		}
		command = m
	case raftTimeout:
		command = &raft.TimeoutNowRequest{RPCHeader: r.header(from)}
	default:
		return nil, fmt.Errorf("%w: kind %d", errRaftMessage, data[0])
	}
	if r.bad == "" && len(r.b) > 0 {
		r.fail("trailing data")
	}
	if r.bad != "" {
		return nil, errors.Join(fmt.Errorf("%w: kind %d: %s", errRaftMessage, data[0], r.bad), r.cause)
	}
	return command, nil
}

// entries reads the entries of an append request. They follow the previous
// entry without a gap, terms do not fall, and each is one that the slot map can
// apply: raft stores first and looks later.
func (r *raftReader) entries(m *raft.AppendEntriesRequest) []*raft.Log {
	n := r.number(maxRaftEntries, "number of entries")
	index, term := m.PrevLogEntry, m.PrevLogTerm
	if index == 0 && term != 0 || term > m.Term {
		r.fail("previous entry")
	}
	var out []*raft.Log
	for range n {
		e := &raft.Log{
			Index: r.number(maxRaftNumber, "index"),
			Term:  r.number(m.Term, "entry's term"),
			Type:  raft.LogType(r.number(uint64(raft.LogConfiguration), "entry's type")),
		}
		at := r.number(1<<63-1, "time")
		e.Data = r.bytes(maxRaftEntry, "entry")
		if r.bad == "" {
			r.check(e, index+1, term)
		}
		if r.bad != "" {
			return nil
		}
		if at != 0 {
			e.AppendedAt = time.Unix(0, int64(at))
		}
		index, term = e.Index, e.Term
		out = append(out, e)
	}
	return out
}

func (r *raftReader) check(e *raft.Log, index, term uint64) {
	if e.Index != index || e.Term < max(term, 1) {
		r.fail(fmt.Sprintf("entry %d of term %d after %d of %d", e.Index, e.Term, index-1, term))
		return
	}
	switch e.Type {
	case raft.LogCommand:
		var err error
		if !shared.IsEntry(e.Data) {
			err = jsonBounded(e.Data)
		}
		if err == nil {
			_, err = decodeEntry(e.Data)
		}
		if err != nil {
			r.cause = err
			r.fail(fmt.Sprintf("entry %d", e.Index))
		}
	case raft.LogConfiguration:
		c := &raftReader{b: e.Data}
		conf := c.servers()
		if c.bad == "" && len(c.b) > 0 {
			c.fail("trailing data")
		}
		if c.bad != "" {
			r.fail("configuration: " + c.bad)
			return
		}
		e.Data = raft.EncodeConfiguration(conf)
	case raft.LogNoop, raft.LogBarrier:
		if len(e.Data) > 0 {
			r.fail("data in an entry that has none")
		}
	default:
		r.fail("entry's type")
	}
}

// encodeRaftAnswer gives the body of a response.
func encodeRaftAnswer(res raft.RPCResponse) []byte {
	w := &raftWriter{b: []byte{byte(raftAnswer)}}
	text := ""
	if res.Error != nil {
		text = res.Error.Error()
		text = text[:min(len(text), maxRaftError)]
	}
	w.bytes([]byte(text))
	switch m := res.Response.(type) {
	case *raft.AppendEntriesResponse:
		w.header(m.RPCHeader)
		w.number(m.Term)
		w.number(m.LastLog)
		w.bool(m.Success)
		w.bool(m.NoRetryBackoff)
	case *raft.RequestVoteResponse:
		w.header(m.RPCHeader)
		w.number(m.Term)
		w.bool(m.Granted)
	case *raft.RequestPreVoteResponse:
		w.header(m.RPCHeader)
		w.number(m.Term)
		w.bool(m.Granted)
	case *raft.InstallSnapshotResponse:
		w.header(m.RPCHeader)
		w.number(m.Term)
		w.bool(m.Success)
	case *raft.TimeoutNowResponse:
		w.header(m.RPCHeader)
	}
	return w.b
}

// decodeRaftAnswer reads a response of node from into the one that raft wants.
func decodeRaftAnswer(from slotmap.NodeID, data []byte, response any) error {
	if len(data) == 0 || raftKind(data[0]) != raftAnswer {
		return fmt.Errorf("%w: no answer", errRaftMessage)
	}
	r := &raftReader{b: data[1:]}
	if text := r.bytes(maxRaftError, "error"); len(text) > 0 {
		return &raftRefused{string(text)}
	}
	switch m := response.(type) {
	case *raft.AppendEntriesResponse:
		*m = raft.AppendEntriesResponse{RPCHeader: r.header(from), Term: r.number(maxRaftNumber, "term"),
			LastLog: r.number(maxRaftNumber, "last log"), Success: r.bool("success"), NoRetryBackoff: r.bool("back-off")}
	case *raft.RequestVoteResponse:
		*m = raft.RequestVoteResponse{RPCHeader: r.header(from), Term: r.number(maxRaftNumber, "term"), Granted: r.bool("granted")}
	case *raft.RequestPreVoteResponse:
		*m = raft.RequestPreVoteResponse{RPCHeader: r.header(from), Term: r.number(maxRaftNumber, "term"), Granted: r.bool("granted")}
	case *raft.InstallSnapshotResponse:
		*m = raft.InstallSnapshotResponse{RPCHeader: r.header(from), Term: r.number(maxRaftNumber, "term"), Success: r.bool("success")}
	case *raft.TimeoutNowResponse:
		*m = raft.TimeoutNowResponse{RPCHeader: r.header(from)}
	default:
		r.fail(fmt.Sprintf("%T", response))
	}
	if r.bad == "" && len(r.b) > 0 {
		r.fail("trailing data")
	}
	if r.bad != "" {
		return fmt.Errorf("%w: answer: %s", errRaftMessage, r.bad)
	}
	return nil
}

// raftRefused is the error that the other side's raft answered with.
type raftRefused struct{ text string }

func (e *raftRefused) Error() string { return "refused: " + e.text }
