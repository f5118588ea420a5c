package resp

import (
	"slices"
	"testing"

	"respkv/cluster/hashslot"
)

func TestPublishReachesOtherNodes(t *testing.T) {
	routing := newRouting(t, everySlot)
	n := newTestNode(t, routing, nil)
	n.expect("publish c hello", ":0\r\n")
	n.expect("spublish s hi", ":0\r\n")
	if want := []string{"c hello", "s hi"}; !slices.Equal(routing.published, want) {
		t.Errorf("sent %q, want %q", routing.published, want)
	}
}

func TestShardChannelsInCluster(t *testing.T) {
	routing := newRouting(t, func(slot uint16) bool { return slot < 8192 })
	n := newTestNode(t, routing, nil)
	n.expect("ssubscribe b {c}b", "-CROSSSLOT Keys in request don't hash to the same slot\r\n")
	n.expect("ssubscribe b", "*3\r\n$10\r\nssubscribe\r\n$1\r\nb\r\n:1\r\n")
	// A replica has subscribers too, without READONLY.
	n.expect("ssubscribe a", "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:2\r\n")
	n.expect("spublish a x", "-ERR Can't execute 'spublish': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n")
	n.expect("reset", "+RESET\r\n")
	if _, _, shards := n.d.pubsub.counts(); shards != 0 {
		t.Errorf("%d shard channels after RESET", shards)
	}
}

// TestSlotLost: subscribers to shard channels of a slot that goes are told, the
// others stay.
func TestSlotLost(t *testing.T) {
	n := serveNode(t, servedOptions{})
	two, three, other := n.dial(t), n.dial(t), n.dial(t)
	three.call("hello", "3")
	two.check("ssubscribe a", "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n")
	two.check("ssubscribe b", "*3\r\n$10\r\nssubscribe\r\n$1\r\nb\r\n:2\r\n")
	three.send("ssubscribe a\r\n")
	three.expect(">3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n")
	lost := hashslot.Slot([]byte("a"))
	n.d.SlotsLost(func(slot uint16) bool { return slot == lost })
	two.expect("*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:1\r\n")
	three.expect(">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n")
	other.check("pubsub shardchannels", "*1\r\n$1\r\nb\r\n")
	other.check("spublish b x", ":1\r\n")
	two.expect("*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\nx\r\n")
	three.check("get a", "_\r\n")
}

// TestSlowSubscriberIsCutOff: a subscriber that does not read is closed by its
// output buffer limit, and the publisher never waits for it.
func TestSlowSubscriberIsCutOff(t *testing.T) {
	n := serveNode(t, servedOptions{})
	slow, quick, publisher := n.dial(t), n.dial(t), n.dial(t)
	publisher.check("config set client-output-buffer-limit", "-ERR wrong number of arguments for 'config|set' command\r\n")
	publisher.call("config", "set", "client-output-buffer-limit", "pubsub 1mb 0 0")
	slow.check("subscribe c", "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")
	quick.check("subscribe d", "*3\r\n$9\r\nsubscribe\r\n$1\r\nd\r\n:1\r\n")
	text := make([]byte, 64<<10)
	for i := 0; ; i++ {
		if publisher.call("publish", "c", string(text)) == ":0\r\n" {
			break
		}
		if i > 1000 {
			t.Fatal("64 MB were published to who does not read")
		}
	}
	publisher.check("publish d x", ":1\r\n")
	quick.expect("*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$1\r\nx\r\n")
	if n.d.server.Stats().OutputBufferDisconnects != 1 {
		t.Error("not counted")
	}
}
