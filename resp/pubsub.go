package resp

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"respkv/cluster/hashslot"
	"respkv/internal/glob"
	"respkv/resp/proto"
)

// pubsub knows who has subscribed to what on this node. Publishing takes read
// locks and never waits for a subscriber: Client.Push queues, and cuts off who
// does not read.
//
// A subscription is made and ended by the client's own goroutine, a shard
// channel's also by the loss of its slot. It is in the client's set before it is
// here, and here no longer than there but for a moment.
type pubsub struct {
	channels channelTable
	shards   channelTable // shard channels

	patternCount atomic.Int64
	patternMu    sync.RWMutex // guards patterns; held while messages are pushed
	patterns     map[string][]*Client
	patternOrder []string // as they were first subscribed to
}

// channelTable is channels and their subscribers, in parts with a lock each.
type channelTable struct {
	count atomic.Int64 // channels
	parts [64]channelPart
}

type channelPart struct {
	mu   sync.RWMutex // held while messages are pushed
	subs map[string][]*Client
}

var channelSeed = maphash.MakeSeed()

func (t *channelTable) part(channel []byte) *channelPart {
	return &t.parts[maphash.Bytes(channelSeed, channel)%uint64(len(t.parts))]
}

func (t *channelTable) add(channel string, client *Client) {
	p := t.part([]byte(channel))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.subs == nil {
		p.subs = make(map[string][]*Client)
	}
	if len(p.subs[channel]) == 0 {
		t.count.Add(1)
	}
	p.subs[channel] = append(p.subs[channel], client)
}

func (t *channelTable) remove(channel string, client *Client) {
	p := t.part([]byte(channel))
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.subs[channel]
	i := slices.Index(list, client)
	switch {
	case i < 0:
	case len(list) == 1:
		delete(p.subs, channel)
		t.count.Add(-1)
	default:
		p.subs[channel] = slices.Delete(list, i, i+1)
	}
}

// deliver pushes a message to the subscribers of a channel and returns their
// number.
func (t *channelTable) deliver(m *message) int {
	if t.count.Load() == 0 {
		return 0
	}
	p := t.part(m.channel)
	p.mu.RLock()
	defer p.mu.RUnlock()
	list := p.subs[string(m.channel)]
	for _, client := range list {
		m.pushTo(client)
	}
	return len(list)
}

// subscribers is the number of subscribers of a channel.
func (t *channelTable) subscribers(channel []byte) int {
	p := t.part(channel)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.subs[string(channel)])
}

// names returns the channels that match a pattern, all for nil, in order.
func (t *channelTable) names(pattern []byte) []string {
	var names []string
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.RLock()
		for name := range p.subs {
			if pattern == nil || glob.Match(pattern, []byte(name)) {
				names = append(names, name)
			}
		}
		p.mu.RUnlock()
	}
	slices.Sort(names)
	return names
}

func (s *pubsub) addPattern(pattern string, client *Client) {
	s.patternMu.Lock()
	defer s.patternMu.Unlock()
	if s.patterns == nil {
		s.patterns = make(map[string][]*Client)
	}
	if len(s.patterns[pattern]) == 0 {
		s.patternOrder = append(s.patternOrder, pattern)
		s.patternCount.Add(1)
	}
	s.patterns[pattern] = append(s.patterns[pattern], client)
}

func (s *pubsub) removePattern(pattern string, client *Client) {
	s.patternMu.Lock()
	defer s.patternMu.Unlock()
	list := s.patterns[pattern]
	i := slices.Index(list, client)
	switch {
	case i < 0:
	case len(list) == 1:
		delete(s.patterns, pattern)
		at := slices.Index(s.patternOrder, pattern)
		s.patternOrder = slices.Delete(s.patternOrder, at, at+1)
		s.patternCount.Add(-1)
	default:
		s.patterns[pattern] = slices.Delete(list, i, i+1)
	}
}

// counts are the numbers of channels, patterns and shard channels.
func (s *pubsub) counts() (channels, patterns, shardChannels int) {
	return int(s.channels.count.Load()), int(s.patternCount.Load()), int(s.shards.count.Load())
}

// publish delivers to the subscribers of this node, first those of the channel,
// then those of patterns, and returns their number. self, which may be nil, is
// the publisher's context: what is for that client itself goes before its reply.
func (s *pubsub) publish(self *Ctx, channel, text []byte) (receivers int) {
	m := &message{self: self, kind: "message", channel: channel, text: text}
	receivers = s.channels.deliver(m)
	if s.patternCount.Load() == 0 {
		return receivers
	}
	s.patternMu.RLock()
	defer s.patternMu.RUnlock()
	for _, pattern := range s.patternOrder {
		if !glob.Match([]byte(pattern), channel) {
			continue
		}
		m := &message{self: self, kind: "pmessage", pattern: pattern, channel: channel, text: text}
		for _, client := range s.patterns[pattern] {
			m.pushTo(client)
		}
		receivers += len(s.patterns[pattern])
	}
	return receivers
}

// publishShard is publish for shard channels.
func (s *pubsub) publishShard(self *Ctx, channel, text []byte) (receivers int) {
	return s.shards.deliver(&message{self: self, kind: "smessage", channel: channel, text: text})
}

// message is one message on its way to any number of subscribers. It is encoded
// once for each version of the protocol.
type message struct {
	self          *Ctx
	kind, pattern string
	channel, text []byte
	encoded       [2][]byte // RESP2, RESP3
}

func (m *message) pushTo(client *Client) {
	version := client.Proto()
	encoded := &m.encoded[version-2]
	if *encoded == nil {
		w := proto.NewWriter(make([]byte, 0, 64+len(m.pattern)+len(m.channel)+len(m.text)), version)
		if m.pattern == "" {
			w.Push(3)
			w.BulkString(m.kind)
		} else {
			w.Push(4)
			w.BulkString(m.kind)
			w.BulkString(m.pattern)
		}
		w.Bulk(m.channel)
		w.Bulk(m.text)
		*encoded = w.Bytes()
	}
	// The publisher's own message comes before its reply; not inside the reply
	// of EXEC, though, which it would tear apart.
	if m.self != nil && m.self.Client == client && !m.self.inExec {
		client.W.Raw(*encoded)
		m.self.pushEnd = client.W.Len()
		return
	}
	client.Push(*encoded)
}

// subscriptions are those of one client.
type subscriptions struct {
	mu       sync.Mutex // guards below; no other lock is taken while it is held
	channels map[string]struct{}
	patterns []string // in the order of subscribing
	shards   map[string]struct{}
	size     int // bytes that they occupy
}

// subscriptionSize is what a subscription takes beside its name, some 100 bytes:
// an entry here, and one in the table of channels or patterns.
const subscriptionSize = 100

// note tells CLIENT LIST that a subscription to name was added, removed or
// neither. The caller holds mu.
func (s *subscriptions) note(client *Client, name []byte, added, removed bool) {
	switch {
	case added:
		s.size += len(name) + subscriptionSize
		client.server.clientGrew(len(name) + subscriptionSize)
	case removed:
		s.size -= len(name) + subscriptionSize
	}
	client.info.subsMem.Store(int64(s.size))
	client.SetSubs(len(s.channels), len(s.patterns), len(s.shards))
}

// unsubscribeAll ends all subscriptions of a client without a word.
func (d *Dispatcher) unsubscribeAll(client *Client, s *session) {
	s.subs.mu.Lock()
	channels, patterns, shards := s.subs.channels, s.subs.patterns, s.subs.shards
	s.subs.channels, s.subs.patterns, s.subs.shards = nil, nil, nil
	s.subs.size = 0
	s.subs.note(client, nil, false, false)
	s.subs.mu.Unlock()
	for channel := range channels {
		d.pubsub.channels.remove(channel, client)
	}
	for _, pattern := range patterns {
		d.pubsub.removePattern(pattern, client)
	}
	for channel := range shards {
		d.pubsub.shards.remove(channel, client)
	}
}

// SlotsLost ends the subscriptions to shard channels of slots that this node no
// longer holds, and tells the subscribers. The map that says so is in force: no
// new ones are made, since SSUBSCRIBE looks at it under the lock of the shard.
func (d *Dispatcher) SlotsLost(lost func(slot uint16) bool) {
	if d.pubsub.shards.count.Load() == 0 {
		return
	}
	for _, channel := range d.pubsub.shards.names(nil) {
		slot := hashslot.Slot([]byte(channel))
		if !lost(slot) {
			continue
		}
		// Who looked at the map before is done once its lock was free.
		d.withSlot(slot, func() {
			part := d.pubsub.shards.part([]byte(channel))
			part.mu.RLock()
			clients := slices.Clone(part.subs[channel])
			part.mu.RUnlock()
			for _, client := range clients {
				d.loseChannel(client, channel)
			}
		})
	}
}

// loseChannel ends the subscription of another goroutine's client.
func (d *Dispatcher) loseChannel(client *Client, channel string) {
	s, ok := client.Session.(*session)
	if !ok {
		return
	}
	s.subs.mu.Lock()
	_, subscribed := s.subs.shards[channel]
	delete(s.subs.shards, channel)
	left := len(s.subs.shards)
	s.subs.note(client, []byte(channel), false, subscribed)
	s.subs.mu.Unlock()
	if !subscribed {
		return
	}
	d.pubsub.shards.remove(channel, client)
	w := proto.NewWriter(nil, client.Proto())
	w.Push(3)
	w.BulkString("sunsubscribe")
	w.BulkString(channel)
	w.Int(int64(left))
	client.Push(w.Bytes())
}
