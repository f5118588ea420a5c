package resp

import (
	"math"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"xclaim":     xclaim,
		"xautoclaim": xautoclaim,
	})
}

// Words of effects.
var (
	wordXClaim     = []byte("XCLAIM")
	wordTime       = []byte("TIME")
	wordRetryCount = []byte("RETRYCOUNT")
	wordForce      = []byte("FORCE")
	wordJustID     = []byte("JUSTID")
	wordLastID     = []byte("LASTID")

	// wordSeen is for effects only: the consumer, made if need be, was seen at the
	// time of AT.
	wordSeen = []byte("SEEN")
)

// claim is XCLAIM or XAUTOCLAIM at work.
type claim struct {
	c  *Ctx
	k  store.Key
	s  store.Stream
	g  *store.StreamGroup
	by *store.StreamConsumer // nil: not there yet

	group, name []byte
	minIdle     int64
	now         int64
	time        int64 // of delivery, as told to the entries
	retryCount  int64 // negative: as it is, or one more
	force       bool
	justID      bool
	lastID      store.StreamID // 0-0: none
	replay      bool           // SEEN was given

	taken []store.StreamID // claimed, or taken off the pending ones as deleted
}

// openGroup finds what the first two arguments name. Not ok: it replied with the
// error. The lookup is not counted.
func (cl *claim) openGroup() (ok bool) {
	c := cl.c
	cl.k, cl.group, cl.name = c.Key(1), c.Args[2], c.Args[3]
	if cl.s, ok = c.stream(cl.k); !ok {
		return false
	}
	if cl.g = cl.s.Group(cl.group); cl.g == nil {
		c.W.Error(errNoGroup(cl.k, cl.group, ""))
		return false
	}
	cl.by = cl.g.Consumer(cl.name)
	return true
}

// take hands an entry to the consumer. With claimed it replied with it; gone: the
// entry was deleted, and is not pending any more. Error: ErrOutOfMemory.
func (cl *claim) take(id store.StreamID) (claimed, gone bool, err error) {
	c := cl.c
	p, pending := cl.g.Pending(id)
	if !cl.s.Get(id, nil) {
		if pending {
			cl.g.Ack(id)
			cl.taken = append(cl.taken, id)
			c.Dirty(1)
		}
		return false, pending, nil
	}
	switch {
	case !pending && !cl.force:
		return false, false, nil
	case !pending:
		p.Count = 1
	case cl.minIdle > 0 && idleSince(cl.now, p.Time) < cl.minIdle:
		return false, false, nil
	}
	cl.consumer()
	switch {
	case cl.retryCount >= 0:
		p.Count = cl.retryCount
	case !cl.justID:
		p.Count++
	}
	if err := cl.g.Assign(id, cl.by, cl.time, p.Count); err != nil {
		return false, false, err
	}
	cl.taken = append(cl.taken, id)
	cl.by.Active = cl.now
	c.Dirty(1)
	if cl.justID {
		c.replyStreamID(id)
	} else {
		cl.s.Get(id, c.replyEntry)
	}
	return true, false, nil
}

// consumer makes the consumer, if need be.
func (cl *claim) consumer() {
	if cl.by == nil {
		cl.by = cl.g.CreateConsumer(cl.name, cl.now)
		cl.c.Dirty(1)
		cl.c.Notify(NotifyStream, "xgroup-createconsumer", cl.k.Name)
	}
}

// finish notes that the consumer, if there is one, has asked, and logs what was
// done.
func (cl *claim) finish() {
	c := cl.c
	c.quiet()
	c.NoEffect()
	if cl.by != nil {
		cl.by.Seen = cl.now
		c.Dirty(1)
	}
	if !c.logged() {
		return
	}
	words := [][]byte{wordXClaim, cl.k.Name, cl.group, cl.name, decimal(0)}
	for _, id := range cl.taken {
		words = append(words, idArg(id))
	}
	if len(cl.taken) > 0 {
		words = append(words, wordTime, decimal(cl.time))
		if cl.retryCount >= 0 {
			words = append(words, wordRetryCount, decimal(cl.retryCount))
		}
		if cl.force {
			words = append(words, wordForce)
		}
		if cl.justID {
			words = append(words, wordJustID)
		}
	}
	if !cl.lastID.IsZero() {
		words = append(words, wordLastID, idArg(cl.lastID))
	}
	words = append(words, wordAt, decimal(cl.now))
	if cl.by != nil {
		words = append(words, wordSeen)
	}
	c.Effect(words...)
}

// logSeen logs that a consumer, which is there, was seen.
func (c *Ctx) logSeen(k store.Key, group, consumer []byte, now int64) {
	c.Effect(wordXClaim, k.Name, group, consumer, decimal(0), wordAt, decimal(now), wordSeen)
}

func xclaim(c *Ctx) {
	cl := claim{c: c, now: c.Now(), time: -1, retryCount: -1}
	c.Looked(c.Key(1), c.Tx.Exists(c.Key(1)))
	if !cl.openGroup() {
		return
	}
	var ok bool
	if cl.minIdle, ok = parseLong(c.Args[4]); !ok {
		c.W.Error(errClaimMinIdle)
		return
	}
	var ids []store.StreamID
	i := 5
	for ; i < len(c.Args); i++ {
		id, ok := parseStreamID(c.Args[i], 0)
		if !ok {
			break
		}
		ids = append(ids, id)
	}
	if !cl.options(i) {
		return
	}
	if cl.g.Last.Before(cl.lastID) {
		cl.g.Last = cl.lastID
		c.Dirty(1)
	} else {
		cl.lastID = store.StreamID{}
	}
	if cl.time == -1 || cl.time < 0 || cl.time > cl.now {
		cl.time = cl.now // clients compute it by clocks of their own
	}
	if cl.replay {
		cl.consumer()
	}
	header, mark, n := c.W.Defer(), c.W.Len(), 0
	for _, id := range ids {
		claimed, _, err := cl.take(id)
		if err != nil {
			c.W.Truncate(mark)
			c.StoreError(err)
			cl.finish()
			return
		}
		if claimed {
			n++
		}
	}
	c.W.SetArray(header, n)
	cl.finish()
}

// options reads the arguments from i on. Not ok: it replied with the error.
func (cl *claim) options(i int) (ok bool) {
	c := cl.c
	number := func(to *int64, refused string) bool {
		i++
		if *to, ok = parseLong(c.Args[i]); !ok {
			c.W.Error(refused)
		}
		return ok
	}
	for ; i < len(c.Args); i++ {
		arg, more := c.Args[i], i+1 < len(c.Args)
		ok = true
		switch {
		case isWord(arg, "force"):
			cl.force = true
		case isWord(arg, "justid"):
			cl.justID = true
		case more && isWord(arg, "idle"):
			if number(&cl.time, errClaimIdle) {
				cl.time = cl.now - cl.time
			}
		case more && isWord(arg, "time"):
			number(&cl.time, errClaimTime)
		case more && isWord(arg, "retrycount"):
			number(&cl.retryCount, errClaimRetryCount)
		case more && isWord(arg, "lastid"):
			i++
			cl.lastID, ok = c.streamID(i)
		case more && c.Replaying() && isWord(arg, "at"):
			number(&cl.now, errNotInteger)
		case c.Replaying() && isWord(arg, "seen"):
			cl.replay = true
		default:
			c.W.Error(errClaimOption(arg))
			return false
		}
		if !ok {
			return false
		}
	}
	return true
}

// XAUTOCLAIM looks at that many pending entries for each that it may claim.
const claimAttempts = 10

func xautoclaim(c *Ctx) {
	cl := claim{c: c, now: c.Now(), time: c.Now(), retryCount: -1}
	c.Looked(c.Key(1), c.Tx.Exists(c.Key(1)))
	var ok bool
	if cl.minIdle, ok = parseLong(c.Args[4]); !ok {
		c.W.Error(errAutoClaimMinIdle)
		return
	}
	from, ok := c.streamBound(5, false)
	if !ok {
		return
	}
	count := int64(100)
	for i := 6; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case isWord(arg, "count") && i+1 < len(c.Args):
			i++
			if count, ok = parseLong(c.Args[i]); !ok || count < 1 || count > math.MaxInt64/16 {
				c.W.Error(errAutoClaimCount)
				return
			}
		case isWord(arg, "justid"):
			cl.justID = true
		default:
			c.W.Error(errSyntax)
			return
		}
	}
	if cl.openGroup() {
		cl.scan(from, count)
	}
}

// scan claims up to count of the pending entries from an ID on.
func (cl *claim) scan(from store.StreamID, count int64) {
	c := cl.c
	mark := c.W.Len()
	c.W.Array(3)
	cursor := c.W.Defer()
	header, n := c.W.Defer(), 0
	var deleted []store.StreamID
	next := from
	for attempts := count * claimAttempts; ; attempts-- {
		id, found := cl.g.FirstPending(next)
		if !found || attempts == 0 || count == 0 {
			next = id
			break
		}
		claimed, gone, err := cl.take(id)
		if err != nil {
			c.W.Truncate(mark)
			c.StoreError(err)
			cl.finish()
			return
		}
		if claimed {
			n++
			count--
		}
		if gone {
			deleted = append(deleted, id)
			count--
		}
		var more bool
		if next, more = id.Next(); !more {
			break
		}
	}
	c.W.SetArray(header, n)
	c.W.SetBulk(cursor, next.String())
	c.W.Array(len(deleted))
	for _, id := range deleted {
		c.replyStreamID(id)
	}
	cl.finish()
}
