package cluster

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

// FuzzControl lets a stranger send control messages to a node that runs a
// cluster of its own: agent and controller get whatever is well formed.
func FuzzControl(f *testing.F) {
	node := slotmap.Node{ID: idB, Host: "127.0.0.1", ClientPort: 1, ClusterPort: 2, Weight: 100, Boot: 3}
	positions := []slotmap.SlotPosition{{Slot: 1, Epoch: 1, Seq: 1, Complete: true}}
	all := slotmap.Ranges{{First: 0, Last: 16383}}
	for _, m := range []control.Message{
		&control.Hello{ClusterID: string(idA), Term: 4},
		&control.LeaseRequest{SentAt: 5, Node: node, MapVersion: 6, Status: []slotmap.RangeStatus{{Range: slotmap.Range{First: 1, Last: 4}, CaughtUp: true}}},
		&control.LeaseGrant{SentAt: 5, Boot: 3, Length: 100, Fence: 7},
		&control.Pause{Token: 1, Version: 2}, &control.PauseDone{Token: 1, Boot: 3, Positions: positions},
		&control.Confirm{Token: 1, Positions: positions}, &control.ConfirmDone{Token: 1, Boot: 3, Err: "no"},
		&control.AskPositions{ID: 8, Slots: all}, &control.Positions{ID: 8, Boot: 3, List: positions},
		&control.AskTerm{ID: 9}, &control.TermIs{ID: 9, Term: 10}, &control.LinkBroken{Node: idB},
		&control.Request{ID: 11, Op: control.OpTakeover, Node: idB}, &control.Response{ID: 11, Err: "busy"},
	} {
		data, err := control.EncodeMessage(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	cfg := DefaultConfig()
	cfg.DataDir, cfg.ClientPort, cfg.Expect = f.TempDir(), 7000, 1
	plane := &fakePlane{}
	n, err := New(Options{Config: cfg, Plane: plane, Logger: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	plane.id, plane.boot = n.ID(), n.Boot()
	if err := n.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = n.Close() })
	for deadline := time.Now().Add(patience); !n.Map().Formed(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.Fatal("no cluster formed")
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		var frame bytes.Buffer
		frame.WriteString(string(idB))
		_ = writeFrame(&frame, message)
		n.peers.accept(newScript(frame.Bytes()))
		done := make(chan struct{})
		n.post(func() { close(done) })
		select {
		case <-done:
		case <-n.Done():
			t.Fatalf("the node stopped: %v", n.Err())
		case <-time.After(patience):
			t.Fatal("the loop hangs")
		}
	})
}

// TestReceiveMemory: what all connections receive together is bounded, and small
// messages pass when that is used up.
func TestReceiveMemory(t *testing.T) {
	mem := newMemory(1 << 20)
	var held []*frame
	for range 100 {
		large := append(binary.BigEndian.AppendUint32(nil, 200<<10), make([]byte, 200<<10)...)
		if f, err := readFrame(bytes.NewReader(large), control.MaxMessage, mem, 1, func() {}); err == nil {
			held = append(held, f)
		}
	}
	if len(held) != 5 {
		t.Fatalf("%d frames of 200 KB in 1 MB", len(held))
	}
	small := append(binary.BigEndian.AppendUint32(nil, 1000), make([]byte, 1000)...)
	if _, err := readFrame(bytes.NewReader(small), control.MaxMessage, mem, 1, func() {}); err != nil {
		t.Fatal(err)
	}
	for _, f := range held {
		f.free()
		f.free()
	}
	if left := mem.left.Load(); left != 1<<20 {
		t.Fatalf("%d bytes are left", left)
	}
}

// TestControlMessageTooComplex: text that would decode to much more is refused.
func TestControlMessageTooComplex(t *testing.T) {
	p := &peers{receive: func(slotmap.NodeID, control.Message, func()) { t.Error("taken") }}
	data := `{"id":1,"slots":[` + strings.Repeat("{},", maxElements/2) + `{}]}`
	kind, _ := control.EncodeMessage(&control.AskPositions{ID: 1})
	f := &frame{data: append(kind[:2:2], data...), mem: newMemory(1)}
	if err := p.take(idB, f); err == nil {
		t.Fatal("accepted")
	}
}
