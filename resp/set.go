package resp

import (
	"math"

	"respkv/internal/chunks"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"sadd":        sadd,
		"srem":        srem,
		"smembers":    smembers,
		"sismember":   sismember,
		"smismember":  smismember,
		"scard":       scard,
		"spop":        spop,
		"srandmember": srandMember,
		"smove":       smove,
		"sscan":       sscan,
	})
}

// set opens the set at the first key. Not ok: it replied with the error.
func (c *Ctx) set() (s store.Set, ok bool) {
	s, err := c.Tx.OpenSet(c.Key(1))
	if err != nil {
		c.StoreError(err)
		return s, false
	}
	return s, true
}

// readSet is set for a reading command.
func (c *Ctx) readSet() (s store.Set, ok bool) {
	s, err := c.Tx.OpenSet(c.Key(1))
	c.Looked(c.Key(1), s.Exists() || err != nil)
	if err != nil {
		c.StoreError(err)
		return s, false
	}
	return s, true
}

func sadd(c *Ctx) {
	s, ok := c.set()
	if !ok {
		return
	}
	fresh := c.Fresh(c.Key(1))
	added, done, err := s.Add(c.Args[2:]...)
	c.Dirty(added)
	if added > 0 {
		c.NotifyNew(fresh, c.Key(1))
		c.Notify(NotifySet, "sadd", c.Args[1])
	}
	if err != nil {
		if added > 0 && c.logged() {
			c.Effect(c.words(wordSAdd, c.Args[1:2+done])...)
		}
		c.StoreError(err)
		return
	}
	c.W.Int(int64(added))
}

func srem(c *Ctx) {
	s, ok := c.set()
	if !ok {
		return
	}
	if c.postpone(min(len(c.Args)-2, s.Len())) {
		return
	}
	removed, ok := c.removeMembers(wordSRem, s.RemoveMany, s.Expect, s.Remove)
	c.notifyRemoved(&s, removed)
	if ok {
		c.W.Int(int64(removed))
	}
}

// removeMembers removes the members that a command names, in steps if they are many: with
// many, or else one by one, as they are expected, with one. word is its name. Not ok: it
// failed, and replied with the error; what was removed before is its effect. (An interface
// in place of the functions would have each set allocated.)
func (c *Ctx) removeMembers(
	word []byte, many func(members [][]byte) (removed int, done bool, err error),
	expect func(members [][]byte), one func(member []byte) (found bool, err error),
) (removed int, ok bool) {
	members := c.Args[2:]
	removed, done, err := many(members)
	if err != nil {
		c.StoreError(err)
	}
	if done || err != nil {
		return removed, err == nil
	}
	for i, member := range members {
		if i%store.ExpectMost == 0 {
			expect(members[i:])
		}
		found, err := one(member)
		if err != nil {
			if removed > 0 && c.logged() {
				c.Effect(c.words(word, c.Args[1:2+i])...)
			}
			c.StoreError(err)
			return removed, false
		}
		if found {
			removed++
		}
	}
	return removed, true
}

// notifyRemoved counts and tells of members that were removed from the set at
// the first key.
func (c *Ctx) notifyRemoved(s *store.Set, removed int) {
	c.Dirty(removed)
	if removed > 0 {
		c.NotifyTaken(NotifySet, "srem", c.Key(1), !s.Exists())
	}
}

func smembers(c *Ctx) {
	s, ok := c.readSet()
	if !ok || c.postpone(s.Len()) {
		return
	}
	c.replyMembers(&s)
}

// replyMembers replies with all members, in steps. False: end with ErrChanged.
func (c *Ctx) replyMembers(s *store.Set) bool {
	c.W.Set(s.Len())
	st := c.pauses()
	s.Each(func(member []byte) bool { c.W.Bulk(member); return st.replied() })
	return !st.stopped
}

func sismember(c *Ctx) {
	if s, ok := c.readSet(); ok {
		c.replyBool(s.Contains(c.Args[2]))
	}
}

func smismember(c *Ctx) {
	s, ok := c.readSet()
	if !ok {
		return
	}
	c.W.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		c.replyBool(s.Contains(member))
	}
}

func scard(c *Ctx) {
	if s, ok := c.readSet(); ok {
		c.W.Int(int64(s.Len()))
	}
}

// spopBatch bounds the members of one effect of SPOP.
const spopBatch = 1024

func spop(c *Ctx) {
	if len(c.Args) > 3 {
		c.W.Error(errSyntax)
		return
	}
	count, counted, ok := c.popCount()
	if !ok {
		return
	}
	s, ok := c.set()
	if !ok {
		return
	}
	if !s.Exists() || count == 0 {
		if counted {
			c.W.Set(0)
		} else {
			c.W.Null()
		}
		return
	}
	if !counted {
		var member []byte
		s.Random(1, func(m []byte) bool { member = append(member, m...); return true })
		c.W.Bulk(member)
		c.pop(&s, [][]byte{member})
		c.NotifyTaken(NotifySet, "spop", c.Key(1), !s.Exists())
		return
	}
	if n := int64(s.Len()); count >= n {
		if c.postpone(int(n)) {
			return
		}
		c.Hit(true) // the members are read, as by SMEMBERS
		if !c.replyMembers(&s) {
			return
		}
		c.Notify(NotifySet, "spop", c.Args[1])
		c.remove(c.Key(1))
		return
	}
	if c.postpone(int(count)) {
		return
	}
	// They are drawn in steps, and then removed, in steps or at once.
	mark, members, st := c.W.Len(), make([][]byte, 0, count), c.pauses()
	var texts chunks.Texts
	c.W.Set(int(count))
	s.Sample(int(count), func(m []byte) bool {
		members = append(members, texts.Keep(m))
		c.W.Bulk(m)
		return st.replied()
	})
	if st.stopped || c.changed() {
		c.StoreError(store.ErrChanged)
		return
	}
	_, done, err := s.RemoveMany(members)
	if err != nil {
		c.W.Truncate(mark)
		c.StoreError(err)
		return
	}
	for len(members) > 0 {
		n := min(len(members), spopBatch)
		if done {
			c.popped(members[:n])
		} else {
			c.pop(&s, members[:n])
		}
		members = members[n:]
	}
	c.Notify(NotifySet, "spop", c.Args[1])
}

// pop removes members of the set at the first key, and replicates which.
func (c *Ctx) pop(s *store.Set, members [][]byte) {
	for i, m := range members {
		if i%store.ExpectMost == 0 {
			s.Expect(members[i:])
		}
		if _, err := s.Remove(m); err != nil {
			members = members[:i]
			c.W.Error(storeErrorText(err))
			break
		}
	}
	c.popped(members)
}

// popped counts and replicates members that were removed from the set at the first key.
func (c *Ctx) popped(members [][]byte) {
	c.Dirty(len(members))
	if len(members) > 0 && c.logged() {
		c.Effect(append([][]byte{wordSRem, c.Args[1]}, members...)...)
	}
}

func srandMember(c *Ctx) {
	if len(c.Args) == 2 {
		s, ok := c.readSet()
		switch {
		case !ok:
		case !s.Exists():
			c.W.Null()
		default:
			s.Random(1, func(member []byte) bool { c.W.Bulk(member); return true })
		}
		return
	}
	if len(c.Args) > 3 {
		c.W.Error(errSyntax)
		return
	}
	count, ok := c.randomCount()
	if !ok {
		return
	}
	s, ok := c.readSet()
	if !ok {
		return
	}
	if c.postpone(randomElements(count, s.Len())) {
		return
	}
	mark, header, n, st := c.W.Len(), c.deferHeader(), 0, c.pauses()
	most := c.maxRandomReply()
	reply := func(member []byte) bool {
		c.W.Bulk(member)
		n++
		return st.replied() && c.W.Len() < most
	}
	if count < 0 {
		s.Random(int(-count), reply)
		if c.W.Len() >= most {
			c.refuseRandomReply(mark)
			return
		}
	} else {
		most = math.MaxInt
		s.Sample(int(min(count, math.MaxInt32)), reply)
	}
	c.W.SetArray(header, n)
}

func smove(c *Ctx) {
	source, err := c.Tx.OpenSet(c.Key(1))
	if err == nil && !source.Exists() {
		c.W.Int(0)
		return
	}
	target, err2 := c.Tx.OpenSet(c.Key(2))
	if err != nil || err2 != nil {
		c.W.Error(errWrongType)
		return
	}
	member := c.Args[3]
	found := source.Contains(member)
	if !found || string(c.Args[1]) == string(c.Args[2]) {
		c.replyBool(found)
		return
	}
	fresh := c.Fresh(c.Key(2))
	// The destination first: it may fail for want of memory.
	added, _, err := target.Add(member)
	if err != nil {
		c.StoreError(err)
		return
	}
	if source, err = c.Tx.OpenSet(c.Key(1)); err == nil {
		_, err = source.Remove(member)
	}
	if err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1 + added)
	if added == 0 {
		c.touchIn(c.Tx.DB, c.Key(1)) // the destination stays as it was
	}
	c.NotifyTaken(NotifySet, "srem", c.Key(1), !source.Exists())
	if added > 0 {
		c.NotifyNew(fresh, c.Key(2))
		c.Notify(NotifySet, "sadd", c.Args[2])
	}
	c.W.Int(1)
}
