package resp

import (
	"bytes"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"xadd":      xadd,
		"xlen":      xlen,
		"xrange":    func(c *Ctx) { xrange(c, 2, 3, false) },
		"xrevrange": func(c *Ctx) { xrange(c, 3, 2, true) },
		"xdel":      xdel,
		"xtrim":     xtrim,
		"xsetid":    xsetid,
	})
}

// Words of effects.
var (
	wordXAdd   = []byte("XADD")
	wordXTrim  = []byte("XTRIM")
	wordMinID  = []byte("MINID")
	wordEquals = []byte("=")
)

// stream opens the stream at a key. Not ok: it replied with the error.
func (c *Ctx) stream(k store.Key) (s store.Stream, ok bool) {
	s, err := c.Tx.OpenStream(k)
	if err != nil {
		c.StoreError(err)
		return s, false
	}
	return s, true
}

// readStream is stream for a command that reads it.
func (c *Ctx) readStream(k store.Key) (s store.Stream, ok bool) {
	s, err := c.Tx.OpenStream(k)
	if !c.applied {
		c.Looked(k, s.Exists() || err != nil)
	}
	if err != nil {
		c.StoreError(err)
		return s, false
	}
	return s, true
}

// addArgs are the options of XADD and XTRIM.
type addArgs struct {
	trim       bool
	how        store.StreamTrim
	limit      int64
	limited    bool // LIMIT was given
	noMkStream bool

	// Of XADD:
	next   int // position of the argument after the options: the ID
	id     store.StreamID
	given  bool // the ID, at least its milliseconds
	seqToo bool // and its sequence number
}

// addArgs reads the options of XADD up to its ID, or those of XTRIM. Not ok: it
// replied with the error.
func (c *Ctx) addArgs(xadd bool) (a addArgs, ok bool) {
	a.next = 2
options:
	for ; a.next < len(c.Args); a.next++ {
		arg, more := c.Args[a.next], len(c.Args)-1-a.next
		switch {
		case xadd && string(arg) == "*":
			break options
		case more > 0 && (isWord(arg, "maxlen") || isWord(arg, "minid")):
			if !c.trimArgs(&a, more, isWord(arg, "minid")) {
				return a, false
			}
		case more > 0 && isWord(arg, "limit"):
			a.next++
			if a.limit, ok = c.intArg(a.next); !ok {
				return a, false
			}
			if a.limit < 0 {
				c.W.Error(errTrimLimit)
				return a, false
			}
			a.limited = true
		case xadd && isWord(arg, "nomkstream"):
			a.noMkStream = true
		case xadd:
			if !c.newStreamID(&a) {
				return a, false
			}
			break options
		default:
			c.W.Error(errSyntax)
			return a, false
		}
	}
	return a, c.checkTrim(&a, xadd)
}

// trimArgs reads what follows MAXLEN or MINID.
func (c *Ctx) trimArgs(a *addArgs, more int, byID bool) (ok bool) {
	if a.trim {
		c.W.Error(errTrimTwice)
		return false
	}
	a.trim, a.how = true, store.StreamTrim{ByID: byID}
	a.next++
	if more >= 2 {
		switch string(c.Args[a.next]) {
		case "~":
			a.how.Approx = true
			a.next++
		case "=":
			a.next++
		}
	}
	if byID {
		a.how.MinID, ok = c.streamID(a.next)
		return ok
	}
	if a.how.MaxLen, ok = c.intArg(a.next); ok && a.how.MaxLen < 0 {
		c.W.Error(errTrimMaxLen)
		return false
	}
	return ok
}

// newStreamID reads the ID of an entry to be added.
func (c *Ctx) newStreamID(a *addArgs) (ok bool) {
	arg, _, _ := bytes.Cut(c.Args[a.next], []byte{0})
	a.given, a.seqToo = true, true
	if ms, auto := bytes.CutSuffix(arg, []byte("-*")); auto && bytes.IndexByte(ms, '-') < 0 && len(c.Args[a.next]) <= maxStreamIDArg {
		arg, a.seqToo = ms, false
	}
	if a.id, ok = parseStreamID(arg, 0); !ok || len(c.Args[a.next]) > maxStreamIDArg {
		c.W.Error(errStreamID)
		return false
	}
	return true
}

// Limits of what approximate trimming removes at a time, unless LIMIT tells it.
const (
	trimNodes      = 100
	trimLimitLeast = 10_000 // where the nodes have no limit
	trimLimitMost  = 1_000_000
)

// checkTrim decides how much may be removed. Not ok: it replied with the error.
func (c *Ctx) checkTrim(a *addArgs, xadd bool) (ok bool) {
	switch {
	case a.limit > 0 && !a.trim:
		c.W.Error(errTrimLimitAlone)
		return false
	case !xadd && !a.trim:
		c.W.Error(errTrimHow)
		return false
	case a.limited && !a.how.Approx:
		c.W.Error(errTrimLimitExact)
		return false
	case a.limited:
		a.how.Limit = a.limit
	case a.how.Approx:
		entries := int64(c.d.config.Config().Store.StreamNodeMaxEntries)
		switch {
		case entries <= 0:
			a.how.Limit = trimLimitLeast
		case entries > trimLimitMost/trimNodes:
			a.how.Limit = trimLimitMost
		default:
			a.how.Limit = entries * trimNodes
		}
	}
	return true
}

func xadd(c *Ctx) {
	a, ok := c.addArgs(true)
	if !ok {
		return
	}
	fields := c.Args[min(a.next+1, len(c.Args)):]
	if len(fields) < 2 || len(fields)%2 == 1 {
		c.W.Error(errArity(c.Cmd.Name))
		return
	}
	if a.given && a.seqToo && a.id.IsZero() {
		c.W.Error(errStreamIDZero)
		return
	}
	k := c.Key(1)
	fresh := c.Fresh(k)
	s, ok := c.stream(k)
	if !ok {
		return
	}
	if !s.Exists() && a.noMkStream {
		c.W.Null()
		return
	}
	id, refused := c.entryID(&s, &a)
	if refused != "" {
		c.W.Error(refused)
		return
	}
	if a.trim && !c.trimFront(&s, &a.how) {
		return
	}
	if err := s.Append(id, fields...); err != nil {
		if err == store.ErrTooLong {
			c.W.Error(errStreamTooLarge)
			return
		}
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.replyStreamID(id)
	c.NotifyNew(fresh, k)
	c.Notify(NotifyStream, "xadd", k.Name)
	var done store.StreamTrimmed
	if a.trim {
		if done = s.Trim(a.how); done.Removed > 0 {
			c.Notify(NotifyStream, "xtrim", k.Name)
		}
	}
	if !c.logged() {
		return
	}
	words := [][]byte{wordXAdd, k.Name}
	if done.Changed {
		words = append(words, wordMinID, wordEquals, idArg(done.Before))
	}
	c.Effect(append(append(words, idArg(id)), fields...)...)
}

// trimFront looks in steps at what is about to be trimmed, if that is much. False: the
// command is put off, or what it looked at has changed.
func (c *Ctx) trimFront(s *store.Stream, t *store.StreamTrim) (ok bool) {
	if c.postpone(s.Trims(*t)) {
		return false
	}
	var err error
	if t.Front, err = s.Front(*t); err != nil {
		c.StoreError(err)
	}
	return err == nil
}

// entryID is the ID of an entry to be added, or why there is none.
func (c *Ctx) entryID(s *store.Stream, a *addArgs) (id store.StreamID, refused string) {
	last := s.LastID()
	after, ok := last.Next()
	switch {
	case !ok:
		return id, errStreamFull
	case !a.given && uint64(c.Now()) > last.Ms:
		return store.StreamID{Ms: uint64(c.Now())}, ""
	case !a.given:
		return after, ""
	case !a.seqToo && a.id.Ms == last.Ms:
		if id = after; id.Ms != last.Ms {
			return id, errStreamIDLow
		}
		return id, ""
	case !last.Before(a.id):
		return id, errStreamIDLow
	}
	return a.id, ""
}

func xtrim(c *Ctx) {
	a, ok := c.addArgs(false)
	if !ok {
		return
	}
	k := c.Key(1)
	s, ok := c.stream(k)
	if !ok {
		return
	}
	if !c.trimFront(&s, &a.how) {
		return
	}
	done := s.Trim(a.how)
	if done.Changed {
		c.Dirty(max(done.Removed, 1))
		if c.logged() {
			c.Effect(wordXTrim, k.Name, wordMinID, wordEquals, idArg(done.Before))
		}
	}
	if done.Removed > 0 {
		c.Notify(NotifyStream, "xtrim", k.Name)
	}
	c.W.Int(int64(done.Removed))
}

func xdel(c *Ctx) {
	k := c.Key(1)
	s, ok := c.stream(k)
	if !ok {
		return
	}
	if !s.Exists() {
		c.W.Int(0)
		return
	}
	if c.postpone(min(len(c.Args)-2, s.Len())) {
		return
	}
	var ids []store.StreamID
	if !c.Tx.Apart(func() { ids, ok = c.streamIDs(2) }) || !ok {
		return
	}
	deleted, err := s.DeleteMany(ids)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(deleted)
	if deleted > 0 {
		c.Notify(NotifyStream, "xdel", k.Name)
	}
	c.W.Int(int64(deleted))
}

func xlen(c *Ctx) {
	if s, ok := c.readStream(c.Key(1)); ok {
		c.W.Int(int64(s.Len()))
	}
}

// xrange replies with a range whose bounds are the arguments start and end.
func xrange(c *Ctx, start, end int, reverse bool) {
	from, ok := c.streamBound(start, false)
	if !ok {
		return
	}
	to, ok := c.streamBound(end, true)
	if !ok {
		return
	}
	count, limited := int64(0), false
	for i := 4; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) || !isWord(c.Args[i], "count") {
			c.W.Error(errSyntax)
			return
		}
		if count, ok = c.intArg(i + 1); !ok {
			return
		}
		limited = true
		if count < 0 {
			count = 0
		}
	}
	s, ok := c.readStream(c.Key(1))
	switch {
	case !ok:
	case !s.Exists():
		c.W.Array(0)
	case limited && count == 0:
		c.W.NullArray()
	default:
		c.replyRange(&s, from, to, reverse, count)
	}
}

// replyRange replies with the entries from from to to, at most count (0: all), in steps.
// False: end with ErrChanged.
func (c *Ctx) replyRange(s *store.Stream, from, to store.StreamID, reverse bool, count int64) bool {
	header, n, st := c.deferHeader(), int64(0), c.pauses()
	s.Range(from, to, reverse, func(e *store.StreamEntry) bool {
		c.replyEntry(e)
		n++
		return st.replied() && n != count
	})
	c.W.SetArray(header, int(n))
	return !st.stopped
}

// replyEntry replies with an entry: its ID and its fields and values.
func (c *Ctx) replyEntry(e *store.StreamEntry) {
	c.W.Array(2)
	c.replyStreamID(e.ID)
	c.W.Array(2 * e.Fields())
	e.Each(func(field, value []byte) {
		c.W.Bulk(field)
		c.W.Bulk(value)
	})
}

func xsetid(c *Ctx) {
	last, ok := c.streamID(2)
	if !ok {
		return
	}
	added := int64(-1)
	var deleted store.StreamID
	for i := 3; i < len(c.Args); i += 2 {
		more := i+1 < len(c.Args)
		switch arg := c.Args[i]; {
		case more && isWord(arg, "entriesadded"):
			if added, ok = c.intArg(i + 1); !ok {
				return
			}
			if added < 0 {
				c.W.Error(errEntriesAdded)
				return
			}
		case more && isWord(arg, "maxdeletedid"):
			if deleted, ok = c.streamID(i + 1); !ok {
				return
			}
			if last.Before(deleted) {
				c.W.Error(errSetIDDeleted)
				return
			}
		default:
			c.W.Error(errSyntax)
			return
		}
	}
	k := c.Key(1)
	s, ok := c.stream(k)
	switch {
	case !ok:
		return
	case !s.Exists():
		c.W.Error(errNoSuchKey)
		return
	case s.Len() > 0 && last.Before(s.LastEntryID()):
		c.W.Error(errSetIDLow)
		return
	case s.Len() > 0 && added >= 0 && added < int64(s.Len()):
		c.W.Error(errEntriesAddedLow)
		return
	}
	s.SetID(last, added, deleted)
	c.Dirty(1)
	c.quiet()
	c.Notify(NotifyStream, "xsetid", k.Name)
	c.W.OK()
}

// quiet says that the changes of the command are none in the eyes of those who
// watch the key or wait for entries: as in Redis, what belongs to groups only.
func (c *Ctx) quiet() { c.touched, c.silent = true, true }
