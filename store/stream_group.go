package store

import (
	"slices"
	"strings"
)

// StreamGroup is a consumer group of a stream. It is valid until its stream
// changes in another way than by the methods of both.
type StreamGroup struct {
	o *streamObject

	Name string
	Last StreamID // last delivered
	// Read is how many entries, counted from the first one ever added, the
	// group has read; UnknownRead when that can't be told.
	Read int64

	pending   idTree            // by ID: words of a pending entry
	consumers []*StreamConsumer // by name
	numbers   []*StreamConsumer // by number; nil: free
}

// UnknownRead stands for a counter of entries read that is not known.
const UnknownRead = -1

// StreamConsumer is a consumer of a group.
type StreamConsumer struct {
	Name   string
	Seen   int64 // last time that it asked for anything, Unix milliseconds
	Active int64 // last time that it got something; -1: never

	number  uint32 // names it in pending entries
	pending idTree // IDs only
}

// The words of a pending entry: Unix milliseconds of the last delivery, number of
// deliveries, number of the consumer.
const (
	pendingTime = iota
	pendingCount
	pendingConsumer
	pendingWords
)

// noConsumer marks a pending entry that nobody owns yet (StreamImport).
const noConsumer = ^uint64(0)

// Pending is an entry that was delivered and not acknowledged.
type Pending struct {
	ID       StreamID
	Consumer *StreamConsumer
	Time     int64 // of the last delivery, Unix milliseconds
	Count    int64 // deliveries
}

// Group is the group of that name, nil when there is none.
func (s *Stream) Group(name []byte) *StreamGroup {
	if !s.it.live {
		return nil
	}
	o := s.object()
	if i, found := o.findGroup(name); found {
		return o.groups[i]
	}
	return nil
}

func (o *streamObject) findGroup(name []byte) (i int, found bool) {
	return slices.BinarySearchFunc(o.groups, string(name), func(g *StreamGroup, name string) int { return strings.Compare(g.Name, name) })
}

// Groups are the groups by name; not to be changed.
func (s *Stream) Groups() []*StreamGroup { return s.object().groups }

// CreateGroup adds a group. False: there is one of that name.
func (s *Stream) CreateGroup(name []byte, last StreamID, read int64) bool {
	_, created := s.object().addGroup(name, last, read)
	return created
}

func (o *streamObject) addGroup(name []byte, last StreamID, read int64) (*StreamGroup, bool) {
	i, found := o.findGroup(name)
	if found {
		return o.groups[i], false
	}
	g := &StreamGroup{o: o, Name: string(name), Last: last, Read: read, pending: idTree{words: pendingWords}}
	o.groups = slices.Insert(o.groups, i, g)
	return g, true
}

// DestroyGroup removes a group with all that it has pending, which FreeStep may
// have to free. False: there is none of that name.
func (s *Stream) DestroyGroup(name []byte) bool {
	o := s.object()
	i, found := o.findGroup(name)
	if !found {
		return false
	}
	g := o.groups[i]
	o.groups = slices.Delete(o.groups, i, i+1)
	s.it.sh.discard(o.detach(g))
	return true
}

// Consumer is the consumer of that name, nil when there is none.
func (g *StreamGroup) Consumer(name []byte) *StreamConsumer {
	if i, found := g.find(name); found {
		return g.consumers[i]
	}
	return nil
}

func (g *StreamGroup) find(name []byte) (i int, found bool) {
	return slices.BinarySearchFunc(g.consumers, string(name), func(c *StreamConsumer, name string) int { return strings.Compare(c.Name, name) })
}

// Consumers are the consumers by name; not to be changed.
func (g *StreamGroup) Consumers() []*StreamConsumer { return g.consumers }

// CreateConsumer adds a consumer, seen now, of a name that there is none of.
func (g *StreamGroup) CreateConsumer(name []byte, now int64) *StreamConsumer {
	i, _ := g.find(name)
	number := slices.Index(g.numbers, nil)
	if number < 0 {
		number = len(g.numbers)
		g.numbers = append(g.numbers, nil)
	}
	c := &StreamConsumer{Name: string(name), Seen: now, Active: -1, number: uint32(number)}
	g.numbers[number] = c
	g.consumers = slices.Insert(g.consumers, i, c)
	return c
}

// DeleteConsumer removes a consumer with what it has pending, and returns how much
// that was.
func (g *StreamGroup) DeleteConsumer(c *StreamConsumer) (pending int) {
	o := g.o
	a := o.store.arena
	pending = c.pending.count
	for p, ok := c.pending.first(a); ok; ok = c.pending.next(a, &p) {
		if at, ok := g.pending.find(a, idOfEntry(c.pending.at(a, &p))); ok {
			g.pending.remove(&o.owner, &at)
		}
	}
	c.pending.freeStep(&o.owner, pending+1, nil)
	i, _ := g.find([]byte(c.Name))
	g.consumers = slices.Delete(g.consumers, i, i+1)
	g.numbers[c.number] = nil
	return pending
}

// Len is the number of pending entries of the group.
func (g *StreamGroup) Len() int { return g.pending.count }

// PendingOf is the number of pending entries of a consumer.
func (g *StreamGroup) PendingOf(c *StreamConsumer) int { return c.pending.count }

func (g *StreamGroup) entry(at []uint64) Pending {
	p := Pending{ID: idOfEntry(at), Time: int64(at[2+pendingTime]), Count: int64(at[2+pendingCount])}
	if n := at[2+pendingConsumer]; n != noConsumer {
		p.Consumer = g.numbers[n]
	}
	return p
}

// Pending is the pending entry of that ID, if there is one.
func (g *StreamGroup) Pending(id StreamID) (Pending, bool) {
	a := g.o.store.arena
	p, ok := g.pending.find(a, id)
	if !ok {
		return Pending{}, false
	}
	return g.entry(g.pending.at(a, &p)), true
}

// EachPending calls fn for the pending entries of a consumer (nil: of all) from
// that ID on, until it returns false. fn must change nothing.
func (g *StreamGroup) EachPending(c *StreamConsumer, from StreamID, fn func(p Pending) bool) {
	a := g.o.store.arena
	tree := &g.pending
	if c != nil {
		tree = &c.pending
	}
	for p, ok := tree.seek(a, from); ok; ok = tree.next(a, &p) {
		at := tree.at(a, &p)
		if c != nil {
			q, _ := g.pending.find(a, idOfEntry(at))
			at = g.pending.at(a, &q)
		}
		if !fn(g.entry(at)) {
			return
		}
	}
}

// FirstPending is the lowest ID pending from that ID on. Not found: there is none;
// then it is 0-0.
func (g *StreamGroup) FirstPending(from StreamID) (id StreamID, found bool) {
	a := g.o.store.arena
	p, found := g.pending.seek(a, from)
	if found {
		id = idOfEntry(g.pending.at(a, &p))
	}
	return id, found
}

// LastPending is the highest ID pending, of which there is one.
func (g *StreamGroup) LastPending() StreamID {
	a := g.o.store.arena
	p, _ := g.pending.last(a)
	return idOfEntry(g.pending.at(a, &p))
}

// Assign makes an entry pending with a consumer, whoever had it before. Error:
// ErrOutOfMemory; then nothing has changed.
func (g *StreamGroup) Assign(id StreamID, c *StreamConsumer, time, count int64) error {
	o := g.o
	a := o.store.arena
	p, found := g.pending.find(a, id)
	var before *StreamConsumer
	var value []uint64
	if found {
		value = g.pending.at(a, &p)[2:]
		before = g.entry(g.pending.at(a, &p)).Consumer
	}
	if before != c {
		if _, err := c.pending.insert(&o.owner, id); err != nil {
			return err
		}
	}
	if !found {
		var err error
		if value, err = g.pending.insert(&o.owner, id); err != nil {
			c.pending.removeID(&o.owner, id)
			return err
		}
	}
	if before != nil && before != c {
		before.pending.removeID(&o.owner, id)
	}
	value[pendingTime], value[pendingCount], value[pendingConsumer] = uint64(time), uint64(count), uint64(c.number)
	return nil
}

// Ack takes an entry off the pending ones and says whether it was there.
func (g *StreamGroup) Ack(id StreamID) bool {
	o := g.o
	a := o.store.arena
	p, ok := g.pending.find(a, id)
	if !ok {
		return false
	}
	if c := g.entry(g.pending.at(a, &p)).Consumer; c != nil {
		c.pending.removeID(&o.owner, id)
	}
	g.pending.remove(&o.owner, &p)
	return true
}

// removeID removes the entry of that ID, if there is one.
func (t *idTree) removeID(o *owner, id StreamID) {
	if p, ok := t.find(o.store.arena, id); ok {
		t.remove(o, &p)
	}
}

// Deliver hands the entries after the last delivered one to a consumer, at most
// most (0: all) of them: it calls fn for each and, but for noAck, makes them
// pending. It returns how many. Error: ErrOutOfMemory; then the entries before
// were delivered all the same.
func (s *Stream) Deliver(g *StreamGroup, c *StreamConsumer, most int, noAck bool, now int64, fn func(e *StreamEntry)) (n int, err error) {
	o := g.o
	from, ok := g.Last.Next()
	if !ok {
		return 0, nil
	}
	s.Range(from, MaxStreamID, false, func(e *StreamEntry) bool {
		if !noAck {
			if err = g.Assign(e.ID, c, now, 1); err != nil {
				return false
			}
		}
		o.advance(g, e.ID)
		fn(e)
		n++
		return n != most
	})
	if n > 0 {
		c.Active = now
	}
	return n, err
}

// advance notes that the group has read the entry of that ID, the next one.
func (o *streamObject) advance(g *StreamGroup, id StreamID) {
	switch {
	case g.Read != UnknownRead && !o.deletedFrom(id):
		g.Read++
	case o.added > 0:
		g.Read = o.distance(id)
	}
	g.Last = id
}

// History calls fn for the pending entries of a consumer from that ID on, at most
// most (0: all), with the entry itself or, when it is gone, nil. Those that are
// there count as delivered once more. It returns how many.
func (s *Stream) History(g *StreamGroup, c *StreamConsumer, from StreamID, most int, now int64, fn func(id StreamID, e *StreamEntry)) (n int) {
	a := g.o.store.arena
	for p, ok := c.pending.seek(a, from); ok; ok = c.pending.next(a, &p) {
		id := idOfEntry(c.pending.at(a, &p))
		if s.Get(id, func(e *StreamEntry) { fn(id, e) }) {
			at, _ := g.pending.find(a, id)
			value := g.pending.at(a, &at)[2:]
			value[pendingTime] = uint64(now)
			value[pendingCount]++
		} else {
			fn(id, nil)
		}
		if n++; n == most {
			break
		}
	}
	if n > 0 {
		c.Active = now
	}
	return n
}

// deletedFrom says whether entries from that ID on may have been deleted one by
// one.
func (o *streamObject) deletedFrom(id StreamID) bool {
	return o.count > 0 && !o.maxDeleted.IsZero() && !o.maxDeleted.Before(o.first) && !o.maxDeleted.Before(id)
}

// distance is the number of entries, counted from the first one ever added, up to
// that ID, or UnknownRead.
func (o *streamObject) distance(id StreamID) int64 {
	switch {
	case o.added == 0:
		return 0
	case o.count == 0 && !o.last.Before(id), id == o.last:
		return int64(o.added)
	case o.last.Before(id):
		return UnknownRead
	case !o.maxDeleted.IsZero() && !o.maxDeleted.Before(o.first):
		return UnknownRead
	case id.Before(o.first):
		return int64(o.added) - int64(o.count)
	case id == o.first:
		return int64(o.added) - int64(o.count) + 1
	}
	return UnknownRead
}

// Lag is the number of entries that the group has still to read. Not ok: it can't
// be told.
func (g *StreamGroup) Lag() (lag int64, ok bool) {
	o := g.o
	if o.added == 0 {
		return 0, true
	}
	if g.Read != UnknownRead && !o.deletedFrom(g.Last) {
		return int64(o.added) - g.Read, true
	}
	if read := o.distance(g.Last); read != UnknownRead {
		return int64(o.added) - read, true
	}
	return 0, false
}
