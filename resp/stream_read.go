package resp

import (
	"bytes"
	"math"

	"respkv/resp/proto"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"xread":      func(c *Ctx) { xread(c, false) },
		"xreadgroup": func(c *Ctx) { xread(c, true) },
	})
}

// Words of effects.
var (
	wordXReadGroup = []byte("XREADGROUP")
	wordGroup      = []byte("GROUP")
	wordCount      = []byte("COUNT")
	wordNoAck      = []byte("NOACK")
	wordStreams    = []byte("STREAMS")
	wordNew        = []byte(">")

	// wordAt is for effects only: the time of the command.
	wordAt = []byte("AT")
)

// newEntries is the ID that stands for ">": what the group has not delivered yet.
var newEntries = store.MaxStreamID

// blockedReadCount is how many entries a client that has waited gets, if it does
// not say how many it wants.
const blockedReadCount = 1000

// readArgs are the arguments of XREAD and XREADGROUP.
type readArgs struct {
	grouped         bool
	group, consumer []byte
	count           int64 // 0: all
	block           bool
	timeout         int64
	noAck           bool
	now             int64
	first, streams  int // position of the first key, number of keys
	ids             []store.StreamID
}

// readArgs reads the arguments up to the IDs. Not ok: it replied with the error.
func (c *Ctx) readArgs(grouped bool) (a readArgs, ok bool) {
	a.grouped, a.now = grouped, c.Now()
	for i := 1; i < len(c.Args); i++ {
		arg, more := c.Args[i], len(c.Args)-1-i
		switch {
		case more > 0 && isWord(arg, "block"):
			if c.inScript {
				c.W.Error(errScriptBlock(c.Args[0]))
				return a, false
			}
			i++
			a.block = true
			timeout, ok := c.timeoutMillis(c.Args[i])
			if !ok {
				return a, false
			}
			if a.timeout = timeout.Milliseconds(); timeout == math.MaxInt64 {
				a.timeout = 0 // as good as without end
			}
		case more > 0 && isWord(arg, "count"):
			i++
			if a.count, ok = c.intArg(i); !ok {
				return a, false
			}
			a.count = max(a.count, 0)
		case more > 0 && isWord(arg, "streams"):
			if a.first = i + 1; more%2 != 0 {
				c.W.Error(errReadUnbalanced)
				return a, false
			}
			a.streams = more / 2
			i = len(c.Args)
		case more > 1 && isWord(arg, "group"):
			if !grouped {
				c.W.Error(errReadGroupOption)
				return a, false
			}
			a.group, a.consumer = c.Args[i+1], c.Args[i+2]
			i += 2
		case isWord(arg, "noack"):
			if !grouped {
				c.W.Error(errReadNoAck)
				return a, false
			}
			a.noAck = true
		case more > 0 && c.Replaying() && isWord(arg, "at"):
			i++
			if a.now, ok = c.intArg(i); !ok {
				return a, false
			}
		default:
			c.W.Error(errSyntax)
			return a, false
		}
	}
	switch {
	case a.first == 0:
		c.W.Error(errSyntax)
		return a, false
	case grouped && a.group == nil:
		c.W.Error(errReadGroupMissing)
		return a, false
	}
	a.ids = make([]store.StreamID, a.streams)
	for i := range a.ids {
		if !c.readID(&a, i) {
			return a, false
		}
	}
	return a, true
}

// readID reads the ID for stream i, which has to have the group. Not ok: it
// replied with the error.
func (c *Ctx) readID(a *readArgs, i int) (ok bool) {
	k, arg := c.Key(a.first+i), c.Args[a.first+a.streams+i]
	s, ok := c.readStream(k)
	if !ok {
		return false
	}
	if a.grouped && s.Group(a.group) == nil {
		c.W.Error(errNoGroup(k, a.group, " in XREADGROUP with GROUP option"))
		return false
	}
	text, _, _ := bytes.Cut(arg, []byte{0})
	switch {
	case string(text) == "$" && a.grouped:
		c.W.Error(errReadDollar)
		return false
	case string(text) == "$":
		a.ids[i] = s.LastID()
	case string(text) == ">" && !a.grouped:
		c.W.Error(errReadNew)
		return false
	case string(text) == ">":
		a.ids[i] = newEntries
	default:
		a.ids[i], ok = c.streamID(a.first + a.streams + i)
		return ok
	}
	return true
}

func xread(c *Ctx, grouped bool) {
	a, ok := c.readArgs(grouped)
	if !ok {
		return
	}
	mark, header, served := c.W.Len(), c.deferHeader(), 0
	for i := range a.ids {
		k := c.Key(a.first + i)
		s, ok := c.readStream(k)
		if !ok {
			return
		}
		if !s.Exists() {
			continue
		}
		if !a.has(&s, i) {
			if grouped {
				c.seen(&s, k, &a)
			}
			continue
		}
		served++
		if !c.replyRead(&s, k, &a, a.ids[i]) {
			if grouped {
				c.failAt(mark)
			}
			return
		}
	}
	if served == 0 {
		c.W.Truncate(mark)
	}
	switch {
	case served > 0 && c.W.RESP3():
		c.W.SetMap(header, served)
	case served > 0:
		c.W.SetArray(header, served)
	case a.block && c.mayBlock():
		c.write = false // no reply waits for replicas: there is none yet
		c.blockRead(a)
	default:
		c.W.NullArray()
	}
	if grouped {
		c.quiet()
		c.NoEffect()
	}
}

// failAt makes the error that ends the reply the whole reply, which began at mark.
func (c *Ctx) failAt(mark int) {
	c.W.Truncate(mark)
	c.StoreError(store.ErrOutOfMemory)
	c.quiet()
	c.NoEffect()
}

// has says whether the stream i has what is asked for.
func (a *readArgs) has(s *store.Stream, i int) bool {
	after := a.ids[i]
	if a.grouped {
		if after != newEntries {
			return true // history, were it empty
		}
		after = s.Group(a.group).Last
	}
	return s.Len() > 0 && after.Before(s.LastEntryID())
}

// replyRead replies with the key and the entries after an ID, or, of a group, with
// new ones or the history of the consumer. Not ok: there is no memory for what that
// makes pending; what was delivered before is logged. Or, without a group: end with
// ErrChanged.
func (c *Ctx) replyRead(s *store.Stream, k store.Key, a *readArgs, after store.StreamID) (ok bool) {
	if !c.W.RESP3() {
		c.W.Array(2)
	}
	c.W.Bulk(k.Name)
	if !a.grouped {
		if from, ok := after.Next(); ok {
			return c.replyRange(s, from, store.MaxStreamID, false, a.count)
		}
		c.W.Array(0)
		return true
	}
	g := s.Group(a.group)
	consumer := g.Consumer(a.consumer)
	if consumer == nil {
		consumer = g.CreateConsumer(a.consumer, a.now)
		c.Notify(NotifyStream, "xgroup-createconsumer", k.Name)
	}
	consumer.Seen = a.now
	header := c.W.Defer()
	most := int(min(a.count, math.MaxInt))
	var n int
	var err error
	if after == newEntries {
		n, err = s.Deliver(g, consumer, most, a.noAck, a.now, c.replyEntry)
	} else {
		from, _ := after.Next()
		n = s.History(g, consumer, from, most, a.now, func(id store.StreamID, e *store.StreamEntry) {
			if e != nil {
				c.replyEntry(e)
				return
			}
			c.W.Array(2)
			c.replyStreamID(id)
			c.W.NullArray()
		})
	}
	c.W.SetArray(header, n)
	c.Dirty(1)
	c.logRead(k, a, after, n)
	return err == nil
}

// logRead logs that a consumer got n entries: reading as many again, at that time,
// does the same to a copy.
func (c *Ctx) logRead(k store.Key, a *readArgs, after store.StreamID, n int) {
	if !c.logged() {
		return
	}
	if n == 0 {
		c.logSeen(k, a.group, a.consumer, a.now)
		return
	}
	words := [][]byte{wordXReadGroup, wordGroup, a.group, a.consumer, wordCount, decimal(int64(n)), wordAt, decimal(a.now)}
	if a.noAck {
		words = append(words, wordNoAck)
	}
	id := wordNew
	if after != newEntries {
		id = idArg(after)
	}
	c.Effect(append(words, wordStreams, k.Name, id)...)
}

// seen notes that a consumer, if there is such, has asked for entries and found
// none.
func (c *Ctx) seen(s *store.Stream, k store.Key, a *readArgs) {
	consumer := s.Group(a.group).Consumer(a.consumer)
	if consumer == nil {
		return
	}
	consumer.Seen = a.now
	c.Dirty(1)
	if c.logged() {
		c.logSeen(k, a.group, a.consumer, a.now)
	}
}

// blockRead parks the client until one of the streams has what it asks for.
func (c *Ctx) blockRead(a readArgs) {
	after := make(map[string]store.StreamID, a.streams)
	w := waitFor{typ: store.TypeStream, timeoutMillis: a.timeout, timedOut: (*proto.Writer).NullArray}
	for i, id := range a.ids {
		k := c.Key(a.first + i)
		if _, ok := after[string(k.Name)]; !ok { // of a key named twice the first ID counts
			after[string(k.Name)] = id
			w.keys = append(w.keys, k)
		}
	}
	if a.count == 0 {
		a.count = blockedReadCount
	}
	a.group, a.consumer = bytes.Clone(a.group), bytes.Clone(a.consumer)
	if a.grouped {
		w.lost = errStreamLost
	}
	w.ready = func(tx *store.Tx, k store.Key) bool {
		s, err := tx.OpenStream(k)
		if err != nil {
			return false
		}
		last := after[string(k.Name)]
		if a.grouped {
			g := s.Group(a.group)
			if g == nil {
				return true // that is told
			}
			last = g.Last
		}
		return last.Before(s.LastID())
	}
	w.serve = func(c *Ctx, k store.Key) { c.serveRead(k, a, after[string(k.Name)]) }
	c.block(w)
}

// serveRead gives a client that has waited what has come.
func (c *Ctx) serveRead(k store.Key, a readArgs, after store.StreamID) {
	s, ok := c.stream(k)
	if !ok {
		return
	}
	if a.grouped && s.Group(a.group) == nil {
		c.W.Error(errGroupLost)
		return
	}
	mark := c.W.Len()
	if c.W.RESP3() {
		c.W.Map(1)
	} else {
		c.W.Array(1)
	}
	a.now = c.Now()
	if !c.replyRead(&s, k, &a, after) {
		c.failAt(mark)
		return
	}
	if a.grouped {
		c.quiet()
		c.NoEffect()
	}
}
