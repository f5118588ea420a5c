package control

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"respkv/cluster/shared"
	"respkv/cluster/slotmap"
)

func id(c string) slotmap.NodeID { return slotmap.NodeID(strings.Repeat(c, slotmap.NodeIDLen)) }

func samples() []Message {
	node := slotmap.Node{ID: id("a"), Host: "10.0.0.1", ClientPort: 7000, ClusterPort: 17000, Weight: 100, Boot: 3}
	pos := []slotmap.SlotPosition{{Slot: 1, Epoch: 2, Seq: 3, Complete: true}, {Slot: 9}}
	entry, err := shared.Encode(&shared.Entry{ID: 12, Changes: []shared.Change{{Kind: "k", Name: "n", Value: []byte("v")}}})
	if err != nil {
		panic(err)
	}
	return []Message{
		&Hello{ClusterID: string(id("c")), Term: 4},
		&LeaseRequest{SentAt: 5, Node: node, MapVersion: 6, Status: []slotmap.RangeStatus{{Range: slotmap.Range{First: 1, Last: 4}, CaughtUp: true}},
			Given: Given{Slots: slotmap.Ranges{{First: 7, Last: 9}}, Epoch: 2}},
		&LeaseGrant{SentAt: 5, Boot: 3, Length: 100, Fence: 7},
		&Pause{Token: 1, Version: 2},
		&PauseDone{Token: 1, Boot: 3, Positions: pos},
		&Confirm{Token: 1, Positions: pos},
		&ConfirmDone{Token: 1, Boot: 3, Err: "no"},
		&AskPositions{ID: 8, Slots: slotmap.Ranges{{First: 0, Last: 16383}}},
		&Positions{ID: 8, Boot: 3, List: pos},
		&AskTerm{ID: 9},
		&TermIs{ID: 9, Term: 10},
		&LinkBroken{Node: id("b")},
		&Request{ID: 11, Op: OpLeave, Node: id("b")},
		&Request{ID: 11, Op: OpFollow, Node: id("b"), Primary: id("c")},
		&Response{ID: 11, Err: "busy"},
		&Change{ID: 12, Entry: entry},
		&Changed{ID: 12, Version: 13, Refused: "too many"},
	}
}

func TestMessagesSurviveTheWire(t *testing.T) {
	kinds := map[byte]bool{}
	for _, m := range samples() {
		kinds[m.kind()] = true
		data, err := EncodeMessage(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeMessage(data)
		if err != nil || !reflect.DeepEqual(m, back) {
			t.Errorf("%T: %+v, %v", m, back, err)
		}
	}
	if len(kinds) != len(newMessage)-1 {
		t.Errorf("%d kinds tested of %d", len(kinds), len(newMessage)-1)
	}
}

func TestDecodeMessageRefuses(t *testing.T) {
	for _, data := range []string{
		"", "\x01", "\x00\x01{}", "\xff\x01{}", "\x04\x02{}", "\x04\x01{", "\x04\x01{}{}",
		"\x01\x01{\"cluster\":\"zz\"}",
		"\x06\x01{\"positions\":[{\"n\":5},{\"n\":5}]}",
		"\x06\x01{\"positions\":[{\"n\":16384}]}",
		"\x0f\x01{\"id\":12}",
		"\x0f\x01{\"id\":12,\"entry\":\"DgEMAQFrAW4=\"}",
		"\x0f\x01{\"id\":13,\"entry\":\"DgEMAQFrAW4BAXY=\"}",
		"\x08\x01{\"slots\":[{\"f\":5,\"l\":1}]}",
	} {
		if _, err := DecodeMessage([]byte(data)); !errors.Is(err, ErrBadMessage) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, m := range samples() {
		data, _ := EncodeMessage(m)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMessage(data)
		if err != nil {
			return
		}
		if _, err := EncodeMessage(m); err != nil {
			t.Fatal(err)
		}
	})
}
