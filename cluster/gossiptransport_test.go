package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/control"
)

// packField is a field of a message as memberlist writes it.
type packField struct {
	name  string
	value any // int, bool, string, []byte
}

func packRaw(b []byte, v string) []byte {
	if len(v) < 32 {
		return append(append(b, 0xa0|byte(len(v))), v...)
	}
	return append(append(b, 0xda, byte(len(v)>>8), byte(len(v))), v...)
}

// pack encodes a map.
func pack(b []byte, fields ...packField) []byte {
	b = append(b, 0x80|byte(len(fields)))
	for _, f := range fields {
		b = packRaw(b, f.name)
		switch v := f.value.(type) {
		case int:
			b = append(b, 0xd3)
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		case bool:
			b = append(b, 0xc2)
			if v {
				b[len(b)-1] = 0xc3
			}
		case string:
			b = packRaw(b, v)
		case []byte:
			if v == nil {
				b = append(b, 0xc0)
			} else {
				b = packRaw(b, string(v))
			}
		}
	}
	return b
}

// change is fields with one of them replaced.
func change(fields []packField, name string, value any) []packField {
	out := append([]packField(nil), fields...)
	for i := range out {
		if out[i].name == name {
			out[i].value = value
		}
	}
	return out
}

var (
	memberA  = gossipName(idA, 1)
	memberB  = gossipName(idB, 2)
	goodMeta = meta{Host: "127.0.0.1", Port: 9}.encode()
	versions = []byte{1, 5, 2, 0, 0, 0}

	pingFields  = []packField{{"Node", memberA}, {"SeqNo", 7}, {"SourceAddr", []byte{127, 0, 0, 1}}, {"SourceNode", memberB}, {"SourcePort", 9}}
	aliveFields = []packField{{"Addr", []byte{127, 0, 0, 1}}, {"Incarnation", 3}, {"Meta", goodMeta}, {"Node", memberB}, {"Port", 9}, {"Vsn", versions}}
	stateFields = []packField{{"Addr", []byte{127, 0, 0, 1}}, {"Incarnation", 3}, {"Meta", goodMeta}, {"Name", memberB}, {"Port", 9}, {"State", 0}, {"Vsn", versions}}
	pushFields  = []packField{{"Join", true}, {"Nodes", 1}, {"UserStateLen", 0}}
	deadFields  = []packField{{"From", memberA}, {"Incarnation", 3}, {"Node", memberB}}
)

func compound(parts ...[]byte) []byte {
	out := []byte{gossipCompound, byte(len(parts))}
	for _, p := range parts {
		out = binary.BigEndian.AppendUint16(out, uint16(len(p)))
	}
	return append(out, bytes.Join(parts, nil)...)
}

func goodPackets() [][]byte {
	ping := pack([]byte{gossipPing}, pingFields...)
	alive := pack([]byte{gossipAlive}, aliveFields...)
	return [][]byte{
		ping, alive,
		pack([]byte{gossipIndirectPing}, packField{"Nack", true}, packField{"Node", memberA}, packField{"Port", 9}, packField{"SeqNo", 1},
			packField{"SourceAddr", []byte{127, 0, 0, 1}}, packField{"SourceNode", memberB}, packField{"SourcePort", 9}, packField{"Target", []byte{127, 0, 0, 1}}),
		pack([]byte{gossipAck}, packField{"Payload", []byte(nil)}, packField{"SeqNo", 7}),
		pack([]byte{gossipNack}, packField{"SeqNo", 7}),
		pack([]byte{gossipSuspect}, deadFields...),
		pack([]byte{gossipDead}, deadFields...),
		compound(ping, alive),
	}
}

func goodStreams() [][]byte {
	return [][]byte{
		pack(pack([]byte{gossipPushPull}, pushFields...), stateFields...),
		pack([]byte{gossipPing}, pingFields...),
	}
}

func TestGossipCheckAccepts(t *testing.T) {
	for _, p := range goodPackets() {
		if _, err := checkGossipPacket(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range goodStreams() {
		if err := checkGossipStream(p, false); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	if n, err := checkGossipPacket(compound(goodPackets()[2], goodPackets()[2])); n != 2 || err != nil {
		t.Errorf("%d indirect pings, %v", n, err)
	}
}

// TestGossipCheckRefuses: each of these ends, blocks or bloats a memberlist that
// reads it, or has no business here.
func TestGossipCheckRefuses(t *testing.T) {
	ping := goodPackets()[0]
	packets := map[string][]byte{
		"nothing":               {},
		"only a checksum":       {gossipCRC, 0, 0, 0, 0},
		"user message":          {8, 1, 2, 3},
		"compressed":            pack([]byte{9}, packField{"Algo", 0}, packField{"Buf", "x"}),
		"encrypted":             {10, 0, 0, 0, 1},
		"labelled":              append([]byte{244, 1, 'x'}, ping...),
		"compound in compound":  compound(compound(ping)),
		"compound of nothing":   compound([]byte{}),
		"compound cut short":    compound(ping)[:9],
		"compound and more":     append(compound(ping), 1),
		"a field twice":         pack([]byte{gossipNack}, packField{"SeqNo", 1}, packField{"SeqNo", 2}),
		"a field that is none":  pack([]byte{gossipNack}, packField{"Seq", 1}),
		"a missing field":       pack([]byte{gossipAlive}, aliveFields[1:]...),
		"trailing data":         append(bytes.Clone(ping), 0),
		"a large map":           {gossipPing, 0xdf, 0xff, 0xff, 0xff, 0xff},
		"a claimed length":      {gossipPing, 0x81, 0xdb, 0xff, 0xff, 0xff, 0xff},
		"a name that is none":   pack([]byte{gossipAlive}, change(aliveFields, "Node", "x")...),
		"no versions":           pack([]byte{gossipAlive}, change(aliveFields, "Vsn", []byte(nil))...),
		"one version":           pack([]byte{gossipAlive}, change(aliveFields, "Vsn", []byte{1})...),
		"versions of no one":    pack([]byte{gossipAlive}, change(aliveFields, "Vsn", []byte{5, 5, 5, 0, 0, 0})...),
		"an address of 3 bytes": pack([]byte{gossipAlive}, change(aliveFields, "Addr", []byte{1, 2, 3})...),
		"metadata that is none": pack([]byte{gossipAlive}, change(aliveFields, "Meta", "{}")...),
		"a negative number":     pack([]byte{gossipNack}, packField{"SeqNo", -1}),
		"a large number":        pack([]byte{gossipNack}, packField{"SeqNo", 1 << 32}),
		"too large":             bytes.Repeat([]byte{1}, maxGossipPacket+1),
	}
	for name, p := range packets {
		if _, err := checkGossipPacket(p); err == nil {
			t.Errorf("packet accepted: %s", name)
		}
	}
	push := func(fields []packField, state []packField) []byte {
		return pack(pack([]byte{gossipPushPull}, fields...), state...)
	}
	streams := map[string][]byte{
		"nothing":              {},
		"more than announced":  push(change(pushFields, "Nodes", 0), stateFields),
		"less than announced":  push(change(pushFields, "Nodes", 2), stateFields),
		"a negative count":     push(change(pushFields, "Nodes", -1), stateFields),
		"a huge count":         push(change(pushFields, "Nodes", 1<<40), stateFields),
		"state of the user":    push(change(pushFields, "UserStateLen", 1<<40), stateFields),
		"one version":          push(pushFields, change(stateFields, "Vsn", []byte{1})),
		"a state that is none": push(pushFields, change(stateFields, "State", 4)),
		"user message":         pack([]byte{8}, packField{"UserMsgLen", 1 << 40}),
		"compressed":           {9, 0x80},
		"an answer":            pack([]byte{gossipAck}, packField{"Payload", []byte(nil)}, packField{"SeqNo", 7}),
	}
	for name, p := range streams {
		if err := checkGossipStream(p, false); err == nil {
			t.Errorf("stream accepted: %s", name)
		}
	}
}

func TestGossipAdmission(t *testing.T) {
	now := time.Unix(1, 0)
	a := &gossipAdmission{known: map[string]time.Time{}, limit: 2, forget: time.Minute, now: func() time.Time { return now }}
	for _, name := range []string{"a", "b"} {
		if err := a.admit(name); err != nil {
			t.Fatal(err)
		}
		a.joined(name)
	}
	if a.admit("c") == nil || a.admit("a") != nil {
		t.Fatal("the limit does not hold, or holds for those known")
	}
	a.left("a")
	now = now.Add(time.Minute)
	if a.admit("c") == nil {
		t.Fatal("forgotten while memberlist may keep it")
	}
	now = now.Add(time.Second)
	if a.admit("c") != nil {
		t.Fatal("never forgotten")
	}
}

// testGossip is a real memberlist behind the transport, alone.
func testGossip(t testing.TB) (*gossipTransport, *memberlist.Memberlist) {
	t.Helper()
	m := testMux(t)
	tr, err := newGossipTransport(m, []string{""}, "127.0.0.1", m.Addr().Port, newMemory(receiveBytes), quiet())
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	own := meta{Host: "127.0.0.1", Port: m.Addr().Port}.encode()
	d := &gossipDelegate{meta: func() []byte { return own }, aloof: new(atomic.Bool), change: func(*memberlist.Node, control.Life) {}}
	list, err := memberlist.Create(gossipConfig(&cfg, memberA, tr, d, quiet()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = list.Shutdown() })
	return tr, list
}

// FuzzGossipPacket lets a stranger who has the key, as everybody has where there
// is no secret, send packets. memberlist panics on its own goroutines.
func FuzzGossipPacket(f *testing.F) {
	for _, p := range goodPackets() {
		f.Add(p)
	}
	tr, list := testGossip(f)
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, err := (&gossipReader{gossipTransport: tr}).openPacket(tr.seal().Seal(nil, nil, data, packetPurpose), time.Now())
		if err != nil {
			return
		}
		tr.packets <- &memberlist.Packet{Buf: plain, From: from, Timestamp: time.Now()}
		if n := list.NumMembers(); n > maxGossipMembers+1 {
			t.Fatalf("%d members", n)
		}
	})
}

// FuzzGossipStream does the same with streams, as the side that calls and as the
// one that answers.
func FuzzGossipStream(f *testing.F) {
	for _, p := range goodStreams() {
		f.Add(p)
	}
	tr, _ := testGossip(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var sealed bytes.Buffer
		_ = writeFrame(&sealed, tr.seal().Seal(nil, nil, data, streamPurpose))
		conn := newScript(sealed.Bytes())
		tr.accept(conn)
		<-conn.closed
		answer := &gossipStream{Conn: newScript(sealed.Bytes()), transport: tr, dialed: true}
		_, _ = answer.Read(make([]byte, 1))
		_ = answer.Close()
	})
}

// FuzzGossipSealed is the view of those without the key.
func FuzzGossipSealed(f *testing.F) {
	f.Add([]byte{})
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31))
	tr, _ := testGossip(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := (&gossipReader{gossipTransport: tr}).openPacket(data, time.Now()); err == nil {
			t.Fatal("a packet was forged")
		}
		s := &gossipStream{Conn: newScript(data), transport: tr, dialed: true}
		if _, err := s.Read(make([]byte, 1)); err == nil {
			t.Fatal("a stream was forged")
		}
		_ = s.Close()
		if left := tr.mem.left.Load(); left != receiveBytes {
			t.Fatalf("%d bytes of the account are left", left)
		}
	})
}

// countDropped counts log lines about gossip that was refused.
type countDropped struct {
	slog.Handler
	n    *atomic.Int64
	text *atomic.Value
}

func (c countDropped) Enabled(context.Context, slog.Level) bool { return true }
func (c countDropped) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c countDropped) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "gossip packet dropped") || strings.HasPrefix(r.Message, "gossip stream dropped") {
		r.Attrs(func(a slog.Attr) bool {
			if strings.Contains(fmt.Sprint(a.Value.Any()), errGossip.Error()) {
				c.n.Add(1)
				c.text.Store(fmt.Sprint(a.Value.Any()))
			}
			return true
		})
	}
	return nil
}

// TestGossipIsUnderstood: nothing that nodes of a cluster say is refused, with
// one of them dead too.
func TestGossipIsUnderstood(t *testing.T) {
	c := &testNodes{t: t}
	var dropped atomic.Int64
	var text atomic.Value
	c.log = slog.New(countDropped{slog.DiscardHandler, &dropped, &text})
	quick := func(cfg *Config) { cfg.NodeTimeout = 300 * time.Millisecond }
	nodes := []*Node{c.start(0, 0, quick)}
	c.seeds = []string{nodes[0].mux.Addr().String()}
	for i := 1; i < 4; i++ {
		nodes = append(nodes, c.start(i, 0, quick))
	}
	sees := func(count int) func() bool {
		return func() bool {
			for _, n := range nodes[:3] {
				if n.gossip.NumMembers() != count {
					return false
				}
			}
			return true
		}
	}
	eventually(t, patience, "all see all", sees(4))
	port := nodes[3].port()
	_ = nodes[3].Close()
	eventually(t, patience, "the dead one is missed", sees(3))
	c.start(3, port, quick)
	eventually(t, patience, "it is back", sees(4))
	if n := dropped.Load(); n > 0 {
		t.Fatalf("%d messages refused, the last: %v", n, text.Load())
	}
}
