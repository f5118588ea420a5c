package resp

import (
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"xinfo|stream":    xinfoStream,
		"xinfo|groups":    xinfoGroups,
		"xinfo|consumers": xinfoConsumers,
		"xinfo|help":      containerHelp,
	})
}

// infoStream opens the stream that XINFO names. Not ok: it replied with the error.
func (c *Ctx) infoStream() (s store.Stream, ok bool) {
	s, ok = c.readStream(c.Key(2))
	if ok && !s.Exists() {
		c.W.Error(errNoSuchKey)
		return s, false
	}
	return s, ok
}

// fullCount is how many of everything XINFO STREAM FULL shows, unless it is told.
const fullCount = 10

func xinfoStream(c *Ctx) {
	s, ok := c.infoStream()
	if !ok {
		return
	}
	options := c.Args[3:]
	if len(options) == 0 {
		c.W.Map(10)
		c.replyStreamInfo(&s)
		c.W.BulkString("groups")
		c.W.Int(int64(len(s.Groups())))
		c.W.BulkString("first-entry")
		c.replyEdge(&s, false)
		c.W.BulkString("last-entry")
		c.replyEdge(&s, true)
		return
	}
	count := int64(fullCount)
	if len(options) != 1 && len(options) != 3 || !isWord(options[0], "full") || len(options) == 3 && !isWord(options[1], "count") {
		c.W.Error(errSubcommandArgs("XINFO", c.Args[1]))
		return
	}
	if len(options) == 3 {
		if count, ok = c.intArg(5); !ok {
			return
		}
		if count < 0 {
			count = fullCount
		}
	}
	c.W.Map(9)
	c.replyStreamInfo(&s)
	c.W.BulkString("entries")
	c.replyRange(&s, store.StreamID{}, store.MaxStreamID, false, count)
	c.W.BulkString("groups")
	c.W.Array(len(s.Groups()))
	for _, g := range s.Groups() {
		c.replyFullGroup(g, count)
	}
}

// replyStreamInfo replies with the fields that both forms of XINFO STREAM have.
func (c *Ctx) replyStreamInfo(s *store.Stream) {
	info := s.Info()
	c.W.BulkString("length")
	c.W.Int(int64(info.Length))
	c.W.BulkString("radix-tree-keys")
	c.W.Int(int64(info.Blocks))
	c.W.BulkString("radix-tree-nodes")
	c.W.Int(int64(info.Nodes))
	c.W.BulkString("last-generated-id")
	c.replyStreamID(info.Last)
	c.W.BulkString("max-deleted-entry-id")
	c.replyStreamID(info.MaxDeleted)
	c.W.BulkString("entries-added")
	c.W.Int(int64(info.Added))
	c.W.BulkString("recorded-first-entry-id")
	c.replyStreamID(info.First)
}

// replyEdge replies with the first entry or the last one.
func (c *Ctx) replyEdge(s *store.Stream, last bool) {
	found := false
	s.Range(store.StreamID{}, store.MaxStreamID, last, func(e *store.StreamEntry) bool {
		c.replyEntry(e)
		found = true
		return false
	})
	if !found {
		c.W.Null()
	}
}

func (c *Ctx) replyFullGroup(g *store.StreamGroup, count int64) {
	c.W.Map(7)
	c.W.BulkString("name")
	c.W.BulkString(g.Name)
	c.replyGroupProgress(g)
	c.W.BulkString("pel-count")
	c.W.Int(int64(g.Len()))
	c.W.BulkString("pending")
	c.replyFullPending(g, nil, count)
	c.W.BulkString("consumers")
	c.W.Array(len(g.Consumers()))
	for _, consumer := range g.Consumers() {
		c.W.Map(5)
		c.W.BulkString("name")
		c.W.BulkString(consumer.Name)
		c.W.BulkString("seen-time")
		c.W.Int(consumer.Seen)
		c.W.BulkString("active-time")
		c.W.Int(consumer.Active)
		c.W.BulkString("pel-count")
		c.W.Int(int64(g.PendingOf(consumer)))
		c.W.BulkString("pending")
		c.replyFullPending(g, consumer, count)
	}
}

// replyGroupProgress replies with how far a group has come.
func (c *Ctx) replyGroupProgress(g *store.StreamGroup) {
	c.W.BulkString("last-delivered-id")
	c.replyStreamID(g.Last)
	c.W.BulkString("entries-read")
	if g.Read == store.UnknownRead {
		c.W.Null()
	} else {
		c.W.Int(g.Read)
	}
	c.W.BulkString("lag")
	if lag, ok := g.Lag(); ok {
		c.W.Int(lag)
	} else {
		c.W.Null()
	}
}

// replyFullPending replies with pending entries of a group (consumer nil: with
// their consumers) or of a consumer, at most count (0: all).
func (c *Ctx) replyFullPending(g *store.StreamGroup, consumer *store.StreamConsumer, count int64) {
	header, n := c.W.Defer(), int64(0)
	g.EachPending(consumer, store.StreamID{}, func(p store.Pending) bool {
		if consumer == nil {
			c.W.Array(4)
			c.replyStreamID(p.ID)
			c.W.BulkString(p.Consumer.Name)
		} else {
			c.W.Array(3)
			c.replyStreamID(p.ID)
		}
		c.W.Int(p.Time)
		c.W.Int(p.Count)
		n++
		return n != count
	})
	c.W.SetArray(header, int(n))
}

func xinfoGroups(c *Ctx) {
	s, ok := c.infoStream()
	if !ok {
		return
	}
	c.W.Array(len(s.Groups()))
	for _, g := range s.Groups() {
		c.W.Map(6)
		c.W.BulkString("name")
		c.W.BulkString(g.Name)
		c.W.BulkString("consumers")
		c.W.Int(int64(len(g.Consumers())))
		c.W.BulkString("pending")
		c.W.Int(int64(g.Len()))
		c.replyGroupProgress(g)
	}
}

func xinfoConsumers(c *Ctx) {
	s, ok := c.infoStream()
	if !ok {
		return
	}
	g := s.Group(c.Args[3])
	if g == nil {
		c.W.Error(errNoSuchGroup(c.Key(2), c.Args[3]))
		return
	}
	c.W.Array(len(g.Consumers()))
	for _, consumer := range g.Consumers() {
		c.W.Map(4)
		c.W.BulkString("name")
		c.W.BulkString(consumer.Name)
		c.W.BulkString("pending")
		c.W.Int(int64(g.PendingOf(consumer)))
		c.W.BulkString("idle")
		c.W.Int(max(idleSince(c.Now(), consumer.Seen), 0))
		c.W.BulkString("inactive")
		if consumer.Active < 0 {
			c.W.Int(-1)
		} else {
			c.W.Int(max(idleSince(c.Now(), consumer.Active), 0))
		}
	}
}
