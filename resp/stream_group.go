package resp

import (
	"math"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"xgroup|create":         xgroupCreate,
		"xgroup|setid":          xgroupSetID,
		"xgroup|destroy":        xgroupDestroy,
		"xgroup|createconsumer": xgroupCreateConsumer,
		"xgroup|delconsumer":    xgroupDelConsumer,
		"xgroup|help":           containerHelp,
		"xack":                  xack,
		"xpending":              xpending,
	})
}

// groupOptions are those of XGROUP CREATE and SETID.
type groupOptions struct {
	mkStream bool
	read     int64
}

// groupOptions reads the arguments after the ID. Not ok: it replied with the error.
func (c *Ctx) groupOptions(create bool) (o groupOptions, ok bool) {
	o.read = store.UnknownRead
	for i := 5; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case create && isWord(arg, "mkstream"):
			o.mkStream = true
		case isWord(arg, "entriesread") && i+1 < len(c.Args):
			i++
			if o.read, ok = c.intArg(i); !ok {
				return o, false
			}
			if o.read < 0 && o.read != store.UnknownRead {
				c.W.Error(errEntriesRead)
				return o, false
			}
		default:
			c.W.Error(errSubcommandArgs("XGROUP", c.Args[1]))
			return o, false
		}
	}
	return o, true
}

// groupOf opens the stream and the group that XGROUP names; group nil: there is no
// such group, and none is needed. Not ok: it replied with the error.
func (c *Ctx) groupOf(needGroup bool) (s store.Stream, g *store.StreamGroup, ok bool) {
	k := c.Key(2)
	s, ok = c.stream(k)
	if !ok {
		return s, nil, false
	}
	if !s.Exists() {
		c.W.Error(errGroupNoStream)
		return s, nil, false
	}
	if g = s.Group(c.Args[3]); g == nil && needGroup {
		c.W.Error(errNoSuchGroup(k, c.Args[3]))
		return s, nil, false
	}
	return s, g, true
}

func xgroupCreate(c *Ctx) {
	o, ok := c.groupOptions(true)
	if !ok {
		return
	}
	var s store.Stream
	if k := c.Key(2); o.mkStream {
		s, ok = c.stream(k)
	} else {
		s, _, ok = c.groupOf(false)
	}
	if !ok {
		return
	}
	if len(c.Args) > 8 {
		c.W.Error(errSubcommandArgs("XGROUP", c.Args[1]))
		return
	}
	last := s.LastID()
	if string(c.Args[4]) != "$" {
		if last, ok = c.streamID(4); !ok {
			return
		}
	}
	k := c.Key(2)
	made := !s.Exists()
	if made {
		fresh := c.Fresh(k)
		if err := s.Create(); err != nil {
			c.StoreError(err)
			return
		}
		c.NotifyNew(fresh, k)
	}
	if !s.CreateGroup(c.Args[3], last, o.read) {
		c.W.Error(errGroupExists)
		return
	}
	c.Dirty(1)
	if !made {
		c.quiet()
	}
	c.Notify(NotifyStream, "xgroup-create", k.Name)
	c.W.OK()
}

func xgroupSetID(c *Ctx) {
	o, ok := c.groupOptions(false)
	if !ok {
		return
	}
	s, g, ok := c.groupOf(true)
	if !ok {
		return
	}
	if len(c.Args) != 5 && len(c.Args) != 7 {
		c.W.Error(errSubcommandArgs("XGROUP", c.Args[1]))
		return
	}
	last := s.LastID()
	if string(c.Args[4]) != "$" {
		if last, ok = c.streamBoundaryID(4); !ok {
			return
		}
	}
	g.Last, g.Read = last, o.read
	c.Dirty(1)
	c.quiet()
	c.Notify(NotifyStream, "xgroup-setid", c.Args[2])
	c.W.OK()
}

// streamBoundaryID is streamID for an argument that may be "-" or "+" as well.
func (c *Ctx) streamBoundaryID(i int) (id store.StreamID, ok bool) {
	switch string(c.Args[i]) {
	case "-":
		return store.StreamID{}, true
	case "+":
		return store.MaxStreamID, true
	}
	return c.streamID(i)
}

func xgroupDestroy(c *Ctx) {
	s, g, ok := c.groupOf(false)
	if !ok {
		return
	}
	if g == nil {
		c.W.Int(0)
		return
	}
	s.DestroyGroup(c.Args[3])
	c.Dirty(1)
	c.touched = true // but those who wait as its consumers are told
	c.Notify(NotifyStream, "xgroup-destroy", c.Args[2])
	c.W.Int(1)
}

func xgroupCreateConsumer(c *Ctx) {
	_, g, ok := c.groupOf(true)
	if !ok {
		return
	}
	if g.Consumer(c.Args[4]) != nil {
		c.W.Int(0)
		return
	}
	g.CreateConsumer(c.Args[4], c.Now())
	c.Dirty(1)
	c.quiet()
	if c.logged() {
		c.logSeen(c.Key(2), c.Args[3], c.Args[4], c.Now())
	}
	c.Notify(NotifyStream, "xgroup-createconsumer", c.Args[2])
	c.W.Int(1)
}

func xgroupDelConsumer(c *Ctx) {
	_, g, ok := c.groupOf(true)
	if !ok {
		return
	}
	consumer := g.Consumer(c.Args[4])
	if consumer == nil {
		c.W.Int(0)
		return
	}
	pending := g.DeleteConsumer(consumer)
	c.Dirty(1)
	c.quiet()
	c.Notify(NotifyStream, "xgroup-delconsumer", c.Args[2])
	c.W.Int(int64(pending))
}

func xack(c *Ctx) {
	s, ok := c.readStream(c.Key(1))
	if !ok {
		return
	}
	g := s.Group(c.Args[2])
	if g == nil {
		c.W.Int(0)
		return
	}
	ids, ok := c.streamIDs(3)
	if !ok {
		return
	}
	acknowledged := 0
	for _, id := range ids {
		if g.Ack(id) {
			acknowledged++
		}
	}
	c.Dirty(acknowledged)
	c.quiet()
	c.W.Int(int64(acknowledged))
}

// pendingArgs are the arguments of the long form of XPENDING.
type pendingArgs struct {
	minIdle, count int64
	from, to       store.StreamID
	consumer       []byte
}

// pendingArgs reads them. Not ok: it replied with the error.
func (c *Ctx) pendingArgs() (a pendingArgs, ok bool) {
	i := 3
	if isWord(c.Args[3], "idle") {
		if a.minIdle, ok = c.intArg(4); !ok {
			return a, false
		}
		if i += 2; len(c.Args) < 8 {
			c.W.Error(errSyntax)
			return a, false
		}
	}
	if a.count, ok = c.intArg(i + 2); !ok {
		return a, false
	}
	if a.from, ok = c.streamBound(i, false); !ok {
		return a, false
	}
	if a.to, ok = c.streamBound(i+1, true); !ok {
		return a, false
	}
	if i+3 < len(c.Args) {
		a.consumer = c.Args[i+3]
	}
	return a, true
}

func xpending(c *Ctx) {
	var a pendingArgs
	ok := true
	switch n := len(c.Args); {
	case n == 3:
	case n < 6 || n > 9:
		c.W.Error(errSyntax)
		return
	default:
		if a, ok = c.pendingArgs(); !ok {
			return
		}
	}
	k := c.Key(1)
	s, ok := c.readStream(k)
	if !ok {
		return
	}
	g := s.Group(c.Args[2])
	switch {
	case g == nil:
		c.W.Error(errNoGroup(k, c.Args[2], ""))
	case len(c.Args) == 3:
		c.replyPendingSummary(g)
	default:
		c.replyPending(g, &a)
	}
}

func (c *Ctx) replyPendingSummary(g *store.StreamGroup) {
	c.W.Array(4)
	c.W.Int(int64(g.Len()))
	if g.Len() == 0 {
		c.W.Null()
		c.W.Null()
		c.W.NullArray()
		return
	}
	g.EachPending(nil, store.StreamID{}, func(p store.Pending) bool {
		c.replyStreamID(p.ID)
		return false
	})
	c.replyStreamID(g.LastPending())
	header, n := c.W.Defer(), 0
	for _, consumer := range g.Consumers() {
		if pending := g.PendingOf(consumer); pending > 0 {
			c.W.Array(2)
			c.W.BulkString(consumer.Name)
			c.W.BulkInt(int64(pending))
			n++
		}
	}
	c.W.SetArray(header, n)
}

func (c *Ctx) replyPending(g *store.StreamGroup, a *pendingArgs) {
	var consumer *store.StreamConsumer
	if a.consumer != nil {
		if consumer = g.Consumer(a.consumer); consumer == nil {
			c.W.Array(0)
			return
		}
	}
	header, n := c.W.Defer(), 0
	if a.count > 0 {
		g.EachPending(consumer, a.from, func(p store.Pending) bool {
			if a.to.Before(p.ID) {
				return false
			}
			if a.minIdle != 0 && idleSince(c.Now(), p.Time) < a.minIdle {
				return true
			}
			c.W.Array(4)
			c.replyStreamID(p.ID)
			c.W.BulkString(p.Consumer.Name)
			c.W.Int(max(idleSince(c.Now(), p.Time), 0))
			c.W.Int(p.Count)
			n++
			return int64(n) < a.count
		})
	}
	c.W.SetArray(header, n)
}

// idleSince is how long a time is past, in milliseconds; negative when it is to
// come.
func idleSince(now, t int64) int64 {
	if t < 0 && now > math.MaxInt64+t {
		return math.MaxInt64
	}
	return now - t
}
