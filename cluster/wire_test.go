package cluster

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"respkv/cluster/control"
	"respkv/cluster/slotmap"
)

func FuzzGossipMeta(f *testing.F) {
	f.Add(meta{Host: "10.0.0.1", Port: 17000, Vote: slotmap.NodeID(strings.Repeat("a", 40))}.encode())
	f.Add(meta{Host: strings.Repeat("h", 255), Port: 17000, Slots: 1 << 14, Given: shownGiven(slotmap.Ranges{{First: 0, Last: 8191}, {First: 8193, Last: 8193}})}.encode())
	f.Add([]byte(`{"h":"x","p":1,"c":"zz"}`))
	f.Add([]byte(`{"h":"x","p":1,"g":"5-4"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMeta(data)
		if err != nil {
			return
		}
		if again, err := decodeMeta(m.encode()); err == nil && again != m {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 1, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		mem := newMemory(1 << 20)
		got, err := readFrame(bytes.NewReader(data), control.MaxMessage, mem, 2, func() {})
		if err == nil {
			if len(got.data) > control.MaxMessage || uint32(len(got.data)) != binary.BigEndian.Uint32(data) {
				t.Fatalf("%d bytes", len(got.data))
			}
			got.free()
		}
		if left := mem.left.Load(); left != 1<<20 {
			t.Fatalf("%d bytes of the account are left", left)
		}
	})
}

// TestFrameAllocatesWhatArrives announces the most and sends little.
func TestFrameAllocatesWhatArrives(t *testing.T) {
	data := binary.BigEndian.AppendUint32(nil, control.MaxMessage)
	data = append(data, 1, 2, 3)
	allocated := testing.AllocsPerRun(10, func() {
		if _, err := readFrame(bytes.NewReader(data), control.MaxMessage, newMemory(receiveBytes), 1, func() {}); err == nil {
			t.Fatal("a short frame was accepted")
		}
	})
	if allocated > 10 {
		t.Fatalf("%v allocations", allocated)
	}
}

func TestGossipName(t *testing.T) {
	id := slotmap.NodeID(strings.Repeat("b", 40))
	if got, boot, err := parseGossipName(gossipName(id, 77)); got != id || boot != 77 || err != nil {
		t.Fatalf("%v %v %v", got, boot, err)
	}
	for _, bad := range []string{"", ":", "x:1", string(id), string(id) + ":zz"} {
		if _, _, err := parseGossipName(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}
