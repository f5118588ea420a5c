package resp

import (
	"maps"
	"slices"

	"respkv/cluster/hashslot"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"subscribe":            channelKind.subscribe,
		"unsubscribe":          channelKind.unsubscribe,
		"psubscribe":           patternKind.subscribe,
		"punsubscribe":         patternKind.unsubscribe,
		"ssubscribe":           shardKind.subscribe,
		"sunsubscribe":         shardKind.unsubscribe,
		"publish":              publish,
		"spublish":             spublish,
		"pubsub|channels":      func(c *Ctx) { c.channelNames(&c.d.pubsub.channels) },
		"pubsub|numsub":        func(c *Ctx) { c.channelCounts(&c.d.pubsub.channels) },
		"pubsub|numpat":        func(c *Ctx) { c.W.Int(c.d.pubsub.patternCount.Load()) },
		"pubsub|shardchannels": func(c *Ctx) { c.channelNames(&c.d.pubsub.shards) },
		"pubsub|shardnumsub":   func(c *Ctx) { c.channelCounts(&c.d.pubsub.shards) },
		"pubsub|help":          containerHelp,
	})
}

// confirm replies to one subscription or its end; a nil name stands for all
// where there were none.
func (c *Ctx) confirm(kind string, name []byte, count int) {
	c.W.Push(3)
	c.W.BulkString(kind)
	if name == nil {
		c.W.Null()
	} else {
		c.W.Bulk(name)
	}
	c.W.Int(int64(count))
	c.pushEnd = c.W.Len()
}

// subscriptionKind is one of the three kinds of subscriptions: what it keeps for the
// client, under subscriptions.mu, and where it is entered in the server's tables.
type subscriptionKind struct {
	on, off string // as confirmed

	add    func(s *subscriptions, name string) bool // false: it was there
	remove func(s *subscriptions, name string) bool // false: it was not there
	names  func(s *subscriptions) [][]byte
	count  func(s *subscriptions) int // what confirmations say

	enter func(p *pubsub, name string, client *Client)
	leave func(p *pubsub, name string, client *Client)
}

var (
	channelKind = subscriptionKind{
		on: "subscribe", off: "unsubscribe",
		add:    func(s *subscriptions, name string) bool { return addName(&s.channels, name) },
		remove: func(s *subscriptions, name string) bool { return removeName(s.channels, name) },
		names:  func(s *subscriptions) [][]byte { return sortedNames(s.channels) },
		count:  func(s *subscriptions) int { return len(s.channels) + len(s.patterns) },
		enter:  func(p *pubsub, name string, client *Client) { p.channels.add(name, client) },
		leave:  func(p *pubsub, name string, client *Client) { p.channels.remove(name, client) },
	}
	patternKind = subscriptionKind{
		on: "psubscribe", off: "punsubscribe",
		add: func(s *subscriptions, name string) bool {
			if slices.Contains(s.patterns, name) {
				return false
			}
			s.patterns = append(s.patterns, name)
			return true
		},
		remove: func(s *subscriptions, name string) bool {
			i := slices.Index(s.patterns, name)
			if i < 0 {
				return false
			}
			s.patterns = slices.Delete(s.patterns, i, i+1)
			return true
		},
		names: func(s *subscriptions) [][]byte {
			names := make([][]byte, len(s.patterns))
			for i, pattern := range s.patterns {
				names[i] = []byte(pattern)
			}
			return names
		},
		count: channelKind.count,
		enter: (*pubsub).addPattern,
		leave: (*pubsub).removePattern,
	}
	shardKind = subscriptionKind{
		on: "ssubscribe", off: "sunsubscribe",
		add:    func(s *subscriptions, name string) bool { return addName(&s.shards, name) },
		remove: func(s *subscriptions, name string) bool { return removeName(s.shards, name) },
		names:  func(s *subscriptions) [][]byte { return sortedNames(s.shards) },
		count:  func(s *subscriptions) int { return len(s.shards) },
		enter:  func(p *pubsub, name string, client *Client) { p.shards.add(name, client) },
		leave:  func(p *pubsub, name string, client *Client) { p.shards.remove(name, client) },
	}
)

// subscribe is SUBSCRIBE, PSUBSCRIBE and SSUBSCRIBE; the last one runs under the lock
// of the channels' shards, like a command on keys of their slot.
func (k *subscriptionKind) subscribe(c *Ctx) {
	s := &c.session().subs
	defer c.keepAllowed()
	for _, name := range c.Args[1:] {
		s.mu.Lock()
		added := k.add(s, string(name))
		count := k.count(s)
		s.note(c.Client, name, added, false)
		s.mu.Unlock()
		if added {
			k.enter(&c.d.pubsub, string(name), c.Client)
		}
		c.confirm(k.on, name, count)
	}
}

// unsubscribe is UNSUBSCRIBE, PUNSUBSCRIBE and SUNSUBSCRIBE: of the names given, or
// of all.
func (k *subscriptionKind) unsubscribe(c *Ctx) {
	s := &c.session().subs
	names := c.Args[1:]
	if len(names) == 0 {
		s.mu.Lock()
		names = k.names(s)
		count := k.count(s)
		s.mu.Unlock()
		if len(names) == 0 {
			c.confirm(k.off, nil, count)
			return
		}
	}
	for _, name := range names {
		s.mu.Lock()
		removed := k.remove(s, string(name))
		count := k.count(s)
		s.note(c.Client, name, false, removed)
		s.mu.Unlock()
		if removed {
			k.leave(&c.d.pubsub, string(name), c.Client)
			c.pullPushed()
		}
		c.confirm(k.off, name, count)
	}
}

func addName(set *map[string]struct{}, name string) bool {
	if _, had := (*set)[name]; had {
		return false
	}
	if *set == nil {
		*set = make(map[string]struct{})
	}
	(*set)[name] = struct{}{}
	return true
}

func removeName(set map[string]struct{}, name string) bool {
	_, had := set[name]
	delete(set, name)
	return had
}

func sortedNames(set map[string]struct{}) [][]byte {
	names := make([][]byte, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		names = append(names, []byte(name))
	}
	return names
}

// pullPushed puts messages that came during this batch before the confirmation
// that the subscription has ended. The reply of EXEC is not torn apart for it.
func (c *Ctx) pullPushed() {
	if !c.inExec {
		c.Client.takePushed(c.W)
	}
}

// publish replies with the receivers on this node, as Redis Cluster does.
func publish(c *Ctx) {
	n := c.d.pubsub.publish(c, c.Args[1], c.Args[2])
	if c.clustered() {
		c.d.routing.Publish(c.Args[1], c.Args[2])
	}
	c.feed(c.Tx.DB, c.Args...)
	c.W.Int(int64(n))
}

func spublish(c *Ctx) {
	n := c.d.pubsub.publishShard(c, c.Args[1], c.Args[2])
	if c.clustered() {
		c.d.routing.PublishSlot(hashslot.Slot(c.Args[1]), c.Args[1], c.Args[2])
	}
	c.feed(c.Tx.DB, c.Args...)
	c.W.Int(int64(n))
}

// Published delivers what was published on another node to the subscribers of
// this one; shard says that it is for a shard channel. The bytes are the
// caller's again when it returns. Safe for concurrent use.
func (d *Dispatcher) Published(shard bool, channel, text []byte) {
	if shard {
		d.pubsub.publishShard(nil, channel, text)
	} else {
		d.pubsub.publish(nil, channel, text)
	}
}

// channelNames is PUBSUB CHANNELS and SHARDCHANNELS.
func (c *Ctx) channelNames(t *channelTable) {
	var pattern []byte
	switch len(c.Args) {
	case 2:
	case 3:
		pattern = c.Args[2]
	default:
		c.W.Error(errSubcommandArgs("PUBSUB", c.Args[1]))
		return
	}
	names := t.names(pattern)
	c.W.Array(len(names))
	for _, name := range names {
		c.W.BulkString(name)
	}
}

// channelCounts is PUBSUB NUMSUB and SHARDNUMSUB.
func (c *Ctx) channelCounts(t *channelTable) {
	names := c.Args[2:]
	c.W.Array(2 * len(names))
	for _, name := range names {
		c.W.Bulk(name)
		c.W.Int(int64(t.subscribers(name)))
	}
}

// withSlot calls fn with the lock of a slot's shard held.
func (d *Dispatcher) withSlot(slot uint16, fn func()) {
	shard := store.ShardOf(slot)
	d.store.LockShard(shard)
	defer d.store.UnlockShard(shard)
	fn()
}
