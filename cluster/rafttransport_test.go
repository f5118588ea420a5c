package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

const (
	idA = slotmap.NodeID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	idB = slotmap.NodeID("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func testMux(t testing.TB) *mux.Mux {
	t.Helper()
	m, err := mux.Listen([]string{"127.0.0.1"}, 0, mux.Config{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	m.Serve()
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// transports are two that know each other.
func transports(t testing.TB) (a, b *raftTransport) {
	ma, mb := testMux(t), testMux(t)
	addr := func(id slotmap.NodeID) (string, bool) {
		switch id {
		case idA:
			return ma.Addr().String(), true
		case idB:
			return mb.Addr().String(), true
		}
		return "", false
	}
	a = newRaftTransport(idA, ma, addr, patience, newMemory(receiveBytes), quiet())
	b = newRaftTransport(idB, mb, addr, patience, newMemory(receiveBytes), quiet())
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func testHeader() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(idA), Addr: []byte("127.0.0.1:1")}
}

func testConfiguration() raft.Configuration {
	return raft.Configuration{Servers: []raft.Server{
		{ID: raft.ServerID(idA), Address: "127.0.0.1:1"},
		{ID: raft.ServerID(idB), Address: "127.0.0.1:2", Suffrage: raft.Nonvoter},
	}}
}

func testEntry(t testing.TB, factor int) []byte {
	t.Helper()
	data, err := slotmap.Encode(&slotmap.Replicas{Factor: factor})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func testRequests(t testing.TB) []any {
	at := time.Unix(0, 1234567890)
	leader := []byte("127.0.0.1:1")
	return []any{
		&raft.AppendEntriesRequest{RPCHeader: testHeader(), Term: 3, Leader: leader, PrevLogEntry: 4, PrevLogTerm: 2, LeaderCommitIndex: 4,
			Entries: []*raft.Log{
				{Index: 5, Term: 2, Type: raft.LogCommand, Data: testEntry(t, 2), AppendedAt: at},
				{Index: 6, Term: 3, Type: raft.LogNoop, Data: []byte{}},
				{Index: 7, Term: 3, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(testConfiguration()), AppendedAt: at},
				{Index: 8, Term: 3, Type: raft.LogBarrier, Data: []byte{}},
			}},
		&raft.AppendEntriesRequest{RPCHeader: testHeader(), Term: 3, Leader: leader},
		&raft.RequestVoteRequest{RPCHeader: testHeader(), Term: 3, Candidate: leader, LastLogIndex: 9, LastLogTerm: 2, LeadershipTransfer: true},
		&raft.RequestPreVoteRequest{RPCHeader: testHeader(), Term: 3, LastLogIndex: 9, LastLogTerm: 2},
		&raft.InstallSnapshotRequest{RPCHeader: testHeader(), SnapshotVersion: 1, Term: 3, Leader: leader, LastLogIndex: 9, LastLogTerm: 2,
			Configuration: raft.EncodeConfiguration(testConfiguration()), ConfigurationIndex: 7, Size: 123},
		&raft.TimeoutNowRequest{RPCHeader: testHeader()},
	}
}

func TestRaftRequestsSurviveTheWire(t *testing.T) {
	for _, m := range testRequests(t) {
		data, err := encodeRaftRequest(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRaftRequest(idA, data)
		if err != nil || !reflect.DeepEqual(m, back) {
			t.Errorf("%T: %+v, %v", m, back, err)
		}
		for cut := range data {
			if _, err := decodeRaftRequest(idA, data[:cut]); !errors.Is(err, errRaftMessage) {
				t.Fatalf("%T cut to %d of %d: %v", m, cut, len(data), err)
			}
		}
	}
}

func TestRaftAnswersSurviveTheWire(t *testing.T) {
	for _, m := range []any{
		&raft.AppendEntriesResponse{RPCHeader: testHeader(), Term: 3, LastLog: 9, Success: true, NoRetryBackoff: true},
		&raft.RequestVoteResponse{RPCHeader: testHeader(), Term: 3, Granted: true},
		&raft.RequestPreVoteResponse{RPCHeader: testHeader(), Term: 3, Granted: true},
		&raft.InstallSnapshotResponse{RPCHeader: testHeader(), Term: 3, Success: true},
		&raft.TimeoutNowResponse{RPCHeader: testHeader()},
	} {
		back := reflect.New(reflect.TypeOf(m).Elem()).Interface()
		if err := decodeRaftAnswer(idA, encodeRaftAnswer(raft.RPCResponse{Response: m}), back); err != nil || !reflect.DeepEqual(m, back) {
			t.Errorf("%T: %+v, %v", m, back, err)
		}
		err := decodeRaftAnswer(idA, encodeRaftAnswer(raft.RPCResponse{Response: m, Error: errors.New(strings.Repeat("x", 9999))}), back)
		var refused *raftRefused
		if !errors.As(err, &refused) {
			t.Errorf("%T: %v", m, err)
		}
	}
}

// TestRaftRefuses: what raft itself would store first and stumble over later.
func TestRaftRefuses(t *testing.T) {
	base := func() *raft.AppendEntriesRequest {
		return &raft.AppendEntriesRequest{RPCHeader: testHeader(), Term: 3, PrevLogEntry: 4, PrevLogTerm: 2,
			Entries: []*raft.Log{{Index: 5, Term: 3, Data: testEntry(t, 2)}}}
	}
	for name, spoil := range map[string]func(m *raft.AppendEntriesRequest){
		"a gap":                 func(m *raft.AppendEntriesRequest) { m.Entries[0].Index = 7 },
		"falling terms":         func(m *raft.AppendEntriesRequest) { m.Entries[0].Term = 1 },
		"a term to come":        func(m *raft.AppendEntriesRequest) { m.Entries[0].Term = 4 },
		"a huge term":           func(m *raft.AppendEntriesRequest) { m.Term = 1 << 63 },
		"no entry":              func(m *raft.AppendEntriesRequest) { m.Entries[0].Data = []byte{1, 1, '{'} },
		"an unknown entry":      func(m *raft.AppendEntriesRequest) { m.Entries[0].Data = []byte{200, 1, '{', '}'} },
		"an unknown type":       func(m *raft.AppendEntriesRequest) { m.Entries[0].Type = 9 },
		"a type no longer used": func(m *raft.AppendEntriesRequest) { m.Entries[0].Type = raft.LogAddPeerDeprecated },
		"data in a no-op":       func(m *raft.AppendEntriesRequest) { m.Entries[0].Type = raft.LogNoop },
		"no voter": func(m *raft.AppendEntriesRequest) {
			m.Entries[0].Type = raft.LogConfiguration
			m.Entries[0].Data = raft.EncodeConfiguration(raft.Configuration{})
		},
		"values without end": func(m *raft.AppendEntriesRequest) {
			m.Entries[0].Data = append([]byte{byte(slotmap.TypePlace), 1}, `{"list":[`+strings.Repeat("{},", maxElements/2+1)+`{}]}`...)
		},
	} {
		if data, err := encodeRaftRequest(base()); err != nil {
			t.Fatal(err)
		} else if _, err := decodeRaftRequest(idA, data); err != nil {
			t.Fatal(err)
		}
		m := base()
		spoil(m)
		data, err := encodeRaftRequest(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := decodeRaftRequest(idA, data); !errors.Is(err, errRaftMessage) {
			t.Errorf("%s: %v", name, err)
		} else if name == "an unknown entry" && !errors.Is(err, slotmap.ErrUnknownEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type fixedState struct{ applied uint64 }

func (s fixedState) IsServer(slotmap.NodeID) bool          { return false }
func (s fixedState) AppliedIndex() uint64                  { return s.applied }
func (s fixedState) EntryTerm(index uint64) (uint64, bool) { return 2, index > 3 }
func (s fixedState) TakeBeat(uint64, func()) (bool, <-chan struct{}) {
	return false, nil
}

// TestRaftKeepsWhatIsApplied: no request takes applied entries back.
func TestRaftKeepsWhatIsApplied(t *testing.T) {
	a, _ := transports(t)
	var s raftState = fixedState{6}
	a.state.Store(&s)
	entry := func(index, term uint64) any {
		return &raft.AppendEntriesRequest{Entries: []*raft.Log{{Index: index, Term: term}}}
	}
	for _, c := range []struct {
		command any
		ok      bool
	}{
		{entry(6, 2), true}, {entry(6, 3), false}, {entry(7, 3), true}, {entry(2, 1), true},
		{&raft.InstallSnapshotRequest{LastLogIndex: 6}, true}, {&raft.InstallSnapshotRequest{LastLogIndex: 5}, false},
	} {
		if err := a.check(c.command); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.command, err)
		}
	}
}

// answerAll has b's raft answer appends with the last index they hold.
func answerAll(b *raftTransport, seen chan<- raft.RPC) {
	for {
		select {
		case rpc := <-b.Consumer():
			if seen != nil {
				seen <- rpc
			}
			switch m := rpc.Command.(type) {
			case *raft.AppendEntriesRequest:
				last := m.PrevLogEntry + uint64(len(m.Entries))
				rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: testHeader(), Term: m.Term, LastLog: last, Success: true}, nil)
			case *raft.InstallSnapshotRequest:
				rpc.Respond(&raft.InstallSnapshotResponse{Success: true}, nil)
			default:
				rpc.Respond(nil, errors.New("not now"))
			}
		case <-b.done:
			return
		}
	}
}

func TestRaftCalls(t *testing.T) {
	a, b := transports(t)
	seen := make(chan raft.RPC, 10)
	go answerAll(b, seen)
	to := raft.ServerID(idB)
	var resp raft.AppendEntriesResponse
	if err := a.AppendEntries(to, "", testRequests(t)[0].(*raft.AppendEntriesRequest), &resp); err != nil || resp.LastLog != 8 {
		t.Fatalf("%+v %v", resp, err)
	}
	<-seen
	// A kept connection that the other side has closed is replaced.
	a.mu.Lock()
	_ = a.idle[idB][0].Close()
	a.mu.Unlock()
	if err := a.AppendEntries(to, "", testRequests(t)[0].(*raft.AppendEntriesRequest), &resp); err != nil {
		t.Fatal(err)
	}
	<-seen
	var refused *raftRefused
	if err := a.TimeoutNow(to, "", &raft.TimeoutNowRequest{RPCHeader: testHeader()}, &raft.TimeoutNowResponse{}); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	<-seen
	// A snapshot arrives whole, or not at all.
	data, err := slotmap.New().EncodeSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	snapshot := *testRequests(t)[4].(*raft.InstallSnapshotRequest)
	snapshot.Size = int64(len(data))
	var installed raft.InstallSnapshotResponse
	if err := a.InstallSnapshot(to, "", &snapshot, &installed, bytes.NewReader(data)); err != nil || !installed.Success {
		t.Fatalf("%+v %v", installed, err)
	}
	if got, _ := io.ReadAll((<-seen).Reader); !bytes.Equal(got, data) {
		t.Fatalf("%d bytes of %d", len(got), len(data))
	}
	data[len(data)-1] = '['
	if err := a.InstallSnapshot(to, "", &snapshot, &installed, bytes.NewReader(data)); err == nil || len(seen) > 0 {
		t.Fatalf("a snapshot that is none: %v, %d seen", err, len(seen))
	}
	// b answers before it gives the room back.
	eventually(t, patience, "the snapshot's room is given back", func() bool {
		return len(b.snapshot) == 0 && b.mem.left.Load() == receiveBytes
	})
}

// TestRaftAppendIsCut: many large entries go in several requests.
func TestRaftAppendIsCut(t *testing.T) {
	large := func(n int) []byte {
		ranges := make(slotmap.Ranges, 0, 5000)
		for i := range 5000 {
			ranges = append(ranges, slotmap.Range{First: uint16(3 * i), Last: uint16(3*i + n%2)})
		}
		data, err := slotmap.Encode(&slotmap.InSync{Node: idA, Boot: 1, Add: ranges})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	m := &raft.AppendEntriesRequest{RPCHeader: testHeader(), Term: 1}
	for i := range 64 {
		m.Entries = append(m.Entries, &raft.Log{Index: uint64(i + 1), Term: 1, Data: large(i)})
	}
	size := len(m.Entries[0].Data)
	if 64*size < maxRaftRequest {
		for i := range m.Entries { // make them large enough
			m.Entries[i].Data = append(bytes.Clone(m.Entries[i].Data), bytes.Repeat([]byte{' '}, maxRaftRequest/40)...)
		}
	}
	data, err := encodeRaftRequest(m)
	if err != nil || len(data) > maxRaftRequest {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if len(m.Entries) == 0 || len(m.Entries) == 64 {
		t.Fatalf("%d entries", len(m.Entries))
	}
	if _, err := decodeRaftRequest(idA, data); err != nil {
		t.Fatal(err)
	}
}

// TestRaftIsForOneNode: a node that has another's former address refuses.
func TestRaftIsForOneNode(t *testing.T) {
	a, b := transports(t)
	go answerAll(b, nil)
	for _, c := range []struct {
		from, to slotmap.NodeID
	}{{idA, idA}, {idB, idB}, {"x" + idA[1:], idB}, {"0" + idA[1:], idB}} {
		conn, err := a.mux.Dial(context.Background(), b.mux.Addr().String(), mux.Raft)
		if err != nil {
			t.Fatal(err)
		}
		request, _ := encodeRaftRequest(testRequests(t)[0])
		_, _ = conn.Write([]byte(c.from + c.to))
		_ = writeFrame(conn, request)
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s to %s: answered", c.from.Short(), c.to.Short())
		}
		_ = conn.Close()
	}
}

// scriptConn says what it is given, then ends, and forgets what it is told.
type scriptConn struct {
	net.Conn // nil: only what is below is used
	in       *bytes.Reader
	closed   chan struct{}
}

func newScript(data []byte) *scriptConn {
	return &scriptConn{in: bytes.NewReader(data), closed: make(chan struct{})}
}

func (c *scriptConn) Read(b []byte) (int, error)  { return c.in.Read(b[:min(len(b), 700)]) }
func (c *scriptConn) Write(b []byte) (int, error) { return len(b), nil }
func (c *scriptConn) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }
func (c *scriptConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *scriptConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }

// raftProgram turns bytes into requests that are nearly right: what somebody
// would send who knows the form. Each request takes some bytes.
func raftProgram(t testing.TB, program []byte) []byte {
	var out bytes.Buffer
	next := func(n int) int {
		if len(program) == 0 {
			return 0
		}
		v := int(program[0]) % n
		program = program[1:]
		return v
	}
	for i := 0; len(program) > 0 && i < 50; i++ {
		term := uint64(1 + next(4))
		var m any
		switch next(8) {
		default:
			a := &raft.AppendEntriesRequest{RPCHeader: testHeader(), Term: term, PrevLogEntry: uint64(next(8)), LeaderCommitIndex: uint64(next(12))}
			if a.PrevLogEntry > 0 {
				a.PrevLogTerm = uint64(next(4))
			}
			for i := range next(5) {
				e := &raft.Log{Index: a.PrevLogEntry + 1 + uint64(i), Term: max(1, a.PrevLogTerm+uint64(next(2))), Type: raft.LogType(next(7))}
				switch e.Type {
				case raft.LogCommand:
					e.Data = testEntry(t, next(3))
				case raft.LogConfiguration:
					e.Data = raft.EncodeConfiguration(testConfiguration())
				}
				if next(10) == 9 {
					e.Index++
				}
				a.Entries = append(a.Entries, e)
			}
			m = a
		case 5:
			m = &raft.RequestVoteRequest{RPCHeader: testHeader(), Term: term, Candidate: []byte("127.0.0.1:1"), LastLogIndex: uint64(next(9)), LastLogTerm: uint64(next(9)), LeadershipTransfer: next(2) == 1}
		case 6:
			m = &raft.RequestPreVoteRequest{RPCHeader: testHeader(), Term: term, LastLogIndex: uint64(next(9)), LastLogTerm: uint64(next(9))}
		case 7:
			data, _ := slotmap.New().EncodeSnapshot()
			m = &raft.InstallSnapshotRequest{RPCHeader: testHeader(), SnapshotVersion: 1, Term: term, LastLogIndex: uint64(1 + next(12)), LastLogTerm: uint64(1 + next(3)),
				Configuration: raft.EncodeConfiguration(testConfiguration()), ConfigurationIndex: 1, Size: int64(len(data))}
			request, _ := encodeRaftRequest(m)
			_ = writeFrame(&out, request)
			out.Write(data)
			continue
		}
		request, err := encodeRaftRequest(m)
		if err != nil {
			t.Fatal(err)
		}
		_ = writeFrame(&out, request)
	}
	return out.Bytes()
}

// testRaft is raft in memory behind a transport.
func testRaft(t testing.TB, m *mux.Mux) (*raftTransport, *raft.Raft) {
	known := func(id slotmap.NodeID) (string, bool) {
		return "127.0.0.1:1", id == idA || id == idB
	}
	tr := newRaftTransport(idB, m, known, 200*time.Millisecond, newMemory(receiveBytes), quiet())
	store := raft.NewInmemStore()
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(idB)
	c.Logger = hclog.NewNullLogger()
	fsm := newFSM(newValueFeed(nil), func() {}, func(err error) { panic(fmt.Sprintf("the log holds what cannot be applied: %v", err)) })
	r, err := raft.NewRaft(c, fsm, store, store, raft.NewInmemSnapshotStore(), tr)
	if err != nil {
		t.Fatal(err)
	}
	var state raftState = memoryState{r, store}
	tr.state.Store(&state)
	return tr, r
}

type memoryState struct {
	*raft.Raft
	store *raft.InmemStore
}

func (s memoryState) IsServer(slotmap.NodeID) bool { return false }

func (s memoryState) TakeBeat(uint64, func()) (bool, <-chan struct{}) { return false, nil }

func (s memoryState) EntryTerm(index uint64) (uint64, bool) {
	var l raft.Log
	if s.store.GetLog(index, &l) != nil {
		return 0, false
	}
	return l.Term, true
}

// FuzzRaftTransport lets a stranger speak to raft: bytes as they are, or a
// program of requests that are nearly right. Raft panics on its own goroutines.
func FuzzRaftTransport(f *testing.F) {
	var all bytes.Buffer
	for _, m := range testRequests(f) {
		request, err := encodeRaftRequest(m)
		if err != nil {
			f.Fatal(err)
		}
		var one bytes.Buffer
		_ = writeFrame(&one, request)
		f.Add(false, one.Bytes())
		all.Write(one.Bytes())
	}
	f.Add(false, all.Bytes())
	f.Add(false, binary.BigEndian.AppendUint32(nil, maxRaftRequest))
	f.Add(true, []byte{1, 0, 0, 2, 3, 0, 0, 1, 0, 5, 1, 0, 2, 7, 9, 1, 3, 7, 2, 1, 0, 3, 3, 1, 1, 1, 1})
	f.Add(true, bytes.Repeat([]byte{3, 1, 7, 2, 9, 4}, 20))
	m := testMux(f)
	f.Fuzz(func(t *testing.T, program bool, data []byte) {
		if program {
			data = raftProgram(t, data)
		}
		tr, r := testRaft(t, m)
		tr.accept(newScript(append([]byte(idA+idB), data...)))
		// Whatever was stored is applied or not, and raft goes on.
		if err := r.GetConfiguration().Error(); err != nil {
			t.Fatal(err)
		}
		if err := r.Shutdown().Error(); err != nil {
			t.Fatal(err)
		}
		if left := tr.mem.left.Load(); left != receiveBytes {
			t.Fatalf("%d bytes of the account are left", left)
		}
	})
}

func FuzzRaftAnswer(f *testing.F) {
	f.Add(encodeRaftAnswer(raft.RPCResponse{Response: &raft.AppendEntriesResponse{RPCHeader: testHeader(), Term: 3}}))
	f.Add(encodeRaftAnswer(raft.RPCResponse{Error: errors.New("no")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, response := range []any{&raft.AppendEntriesResponse{}, &raft.RequestVoteResponse{}, &raft.RequestPreVoteResponse{},
			&raft.InstallSnapshotResponse{}, &raft.TimeoutNowResponse{}} {
			if decodeRaftAnswer(idA, data, response) == nil && len(data) > 1<<10 {
				t.Fatalf("%T from %d bytes", response, len(data))
			}
		}
	})
}
