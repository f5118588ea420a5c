package resp

import (
	"maps"
	"slices"

	"respkv/cluster/hashslot"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"subscribe":            subscribe,
		"unsubscribe":          unsubscribe,
		"psubscribe":           psubscribe,
		"punsubscribe":         punsubscribe,
		"ssubscribe":           ssubscribe,
		"sunsubscribe":         sunsubscribe,
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

func subscribe(c *Ctx) {
	s := &c.session().subs
	defer c.keepAllowed()
	for _, name := range c.Args[1:] {
		s.mu.Lock()
		_, had := s.channels[string(name)]
		if s.channels == nil {
			s.channels = make(map[string]struct{})
		}
		s.channels[string(name)] = struct{}{}
		count := len(s.channels) + len(s.patterns)
		s.note(c.Client, name, !had, false)
		s.mu.Unlock()
		if !had {
			c.d.pubsub.channels.add(string(name), c.Client)
		}
		c.confirm("subscribe", name, count)
	}
}

func unsubscribe(c *Ctx) {
	s := &c.session().subs
	names := c.Args[1:]
	if len(names) == 0 {
		s.mu.Lock()
		names = sortedNames(s.channels)
		count := len(s.channels) + len(s.patterns)
		s.mu.Unlock()
		if len(names) == 0 {
			c.confirm("unsubscribe", nil, count)
			return
		}
	}
	for _, name := range names {
		s.mu.Lock()
		_, had := s.channels[string(name)]
		delete(s.channels, string(name))
		count := len(s.channels) + len(s.patterns)
		s.note(c.Client, name, false, had)
		s.mu.Unlock()
		if had {
			c.d.pubsub.channels.remove(string(name), c.Client)
			c.pullPushed()
		}
		c.confirm("unsubscribe", name, count)
	}
}

func psubscribe(c *Ctx) {
	s := &c.session().subs
	defer c.keepAllowed()
	for _, name := range c.Args[1:] {
		s.mu.Lock()
		had := slices.Contains(s.patterns, string(name))
		if !had {
			s.patterns = append(s.patterns, string(name))
		}
		count := len(s.channels) + len(s.patterns)
		s.note(c.Client, name, !had, false)
		s.mu.Unlock()
		if !had {
			c.d.pubsub.addPattern(string(name), c.Client)
		}
		c.confirm("psubscribe", name, count)
	}
}

func punsubscribe(c *Ctx) {
	s := &c.session().subs
	names := c.Args[1:]
	if len(names) == 0 {
		s.mu.Lock()
		for _, pattern := range s.patterns {
			names = append(names, []byte(pattern))
		}
		count := len(s.channels) + len(s.patterns)
		s.mu.Unlock()
		if len(names) == 0 {
			c.confirm("punsubscribe", nil, count)
			return
		}
	}
	for _, name := range names {
		s.mu.Lock()
		i := slices.Index(s.patterns, string(name))
		if i >= 0 {
			s.patterns = slices.Delete(s.patterns, i, i+1)
		}
		count := len(s.channels) + len(s.patterns)
		s.note(c.Client, name, false, i >= 0)
		s.mu.Unlock()
		if i >= 0 {
			c.d.pubsub.removePattern(string(name), c.Client)
			c.pullPushed()
		}
		c.confirm("punsubscribe", name, count)
	}
}

// ssubscribe runs under the lock of the channels' shards, like a command on keys
// of their slot.
func ssubscribe(c *Ctx) {
	s := &c.session().subs
	defer c.keepAllowed()
	for _, name := range c.Args[1:] {
		s.mu.Lock()
		_, had := s.shards[string(name)]
		if s.shards == nil {
			s.shards = make(map[string]struct{})
		}
		s.shards[string(name)] = struct{}{}
		count := len(s.shards)
		s.note(c.Client, name, !had, false)
		s.mu.Unlock()
		if !had {
			c.d.pubsub.shards.add(string(name), c.Client)
		}
		c.confirm("ssubscribe", name, count)
	}
}

func sunsubscribe(c *Ctx) {
	s := &c.session().subs
	names := c.Args[1:]
	if len(names) == 0 {
		s.mu.Lock()
		names = sortedNames(s.shards)
		s.mu.Unlock()
		if len(names) == 0 {
			c.confirm("sunsubscribe", nil, 0)
			return
		}
	}
	for _, name := range names {
		s.mu.Lock()
		_, had := s.shards[string(name)]
		delete(s.shards, string(name))
		count := len(s.shards)
		s.note(c.Client, name, false, had)
		s.mu.Unlock()
		if had {
			c.d.pubsub.shards.remove(string(name), c.Client)
			c.pullPushed()
		}
		c.confirm("sunsubscribe", name, count)
	}
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
