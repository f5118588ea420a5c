package resp

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// prefixTable is who wants to know of all keys with which prefixes: the clients in
// broadcasting mode.
type prefixTable struct {
	count atomic.Int64 // prefixes

	mu       sync.RWMutex // guards below; held while messages are pushed
	byPrefix map[string][]*Client
	lengths  []prefixLength // ascending: a key is looked up once for each
}

type prefixLength struct{ length, prefixes int }

// used costs a change one atomic load, when anybody tracks at all.
func (t *prefixTable) used() bool { return t.count.Load() != 0 }

// add notes that a client wants to know of keys with a prefix, which it did not
// before.
func (t *prefixTable) add(prefix string, client *Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byPrefix == nil {
		t.byPrefix = make(map[string][]*Client)
	}
	if len(t.byPrefix[prefix]) == 0 {
		t.count.Add(1)
		t.countLength(len(prefix), 1)
	}
	t.byPrefix[prefix] = append(t.byPrefix[prefix], client)
}

func (t *prefixTable) remove(prefix string, client *Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.byPrefix[prefix]
	i := slices.Index(list, client)
	switch {
	case i < 0:
	case len(list) == 1:
		delete(t.byPrefix, prefix)
		t.count.Add(-1)
		t.countLength(len(prefix), -1)
	default:
		t.byPrefix[prefix] = slices.Delete(list, i, i+1)
	}
}

// countLength notes that there are so many more prefixes of a length. mu is held.
func (t *prefixTable) countLength(length, more int) {
	i, found := slices.BinarySearchFunc(t.lengths, length, func(l prefixLength, n int) int { return l.length - n })
	if !found {
		t.lengths = slices.Insert(t.lengths, i, prefixLength{length: length})
	}
	if t.lengths[i].prefixes += more; t.lengths[i].prefixes == 0 {
		t.lengths = slices.Delete(t.lengths, i, i+1)
	}
}

// prefixConflict returns the error for prefixes of a client of which one begins with
// another: given ones with those it has, or with each other. "": there are none.
func prefixConflict(has, given []string) string {
	i := firstOverlap(has, given)
	if i < 0 {
		return ""
	}
	overlaps := func(other string) bool {
		return strings.HasPrefix(given[i], other) || strings.HasPrefix(other, given[i])
	}
	if at := slices.IndexFunc(has, overlaps); at >= 0 {
		return errPrefixOverlap(given[i], "an existing", has[at])
	}
	at := slices.IndexFunc(given[i+1:], overlaps)
	return errPrefixOverlap(given[i], "another provided", given[i+1+at])
}

// firstOverlap returns the place of the first of the given prefixes that overlaps with
// one that the client has, or a later one; -1 for none. In time for thousands of them.
func firstOverlap(has, given []string) int {
	type item struct {
		prefix string
		at     int // in given; len(given): the client has it
	}
	items := make([]item, 0, len(has)+len(given))
	for i, prefix := range given {
		items = append(items, item{prefix, i})
	}
	for _, prefix := range has {
		items = append(items, item{prefix, len(given)})
	}
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.prefix, b.prefix) })
	first := len(given)
	// In order, those that an item begins with are before it, and all between begin
	// with them too. The chain of those is on the stack, each with the first place of
	// the chain up to it.
	var chain []item
	for _, it := range items {
		for len(chain) > 0 && !strings.HasPrefix(it.prefix, chain[len(chain)-1].prefix) {
			chain = chain[:len(chain)-1]
		}
		if len(chain) > 0 {
			it.at = min(it.at, chain[len(chain)-1].at)
			first = min(first, it.at)
		}
		chain = append(chain, it)
	}
	if first == len(given) {
		return -1 // or among those that it has: all keys, and some
	}
	return first
}

// broadcastKey is a key that was changed by a client, or, nil, by none.
type broadcastKey struct {
	name string
	by   *Client
}

// broadcastMax is how many keys are told at once.
const broadcastMax = 1024

// noteBroadcast notes that a key was changed by the command of c, or, nil, by none.
// Of c it is told with the others of the batch.
func (d *Dispatcher) noteBroadcast(c *Ctx, name []byte) {
	if c == nil {
		d.broadcast([]broadcastKey{{name: string(name)}})
		return
	}
	c.broadcast = append(c.broadcast, broadcastKey{string(name), c.Client})
	if len(c.broadcast) >= broadcastMax {
		d.broadcastPending(c)
	}
}

// broadcastPending tells what c has noted. It does not wait for what c waits for.
func (d *Dispatcher) broadcastPending(c *Ctx) {
	if len(c.broadcast) > 0 {
		d.broadcast(c.broadcast)
		clear(c.broadcast)
		c.broadcast = c.broadcast[:0]
	}
}

// broadcast tells the clients in broadcasting mode which keys were changed: each one
// message for each prefix that it registered. It reorders keys. Locks of shards may
// be held.
func (d *Dispatcher) broadcast(keys []broadcastKey) {
	// By name; of one that was changed repeatedly, by whom last counts.
	slices.Reverse(keys)
	slices.SortStableFunc(keys, func(a, b broadcastKey) int { return strings.Compare(a.name, b.name) })
	keys = slices.CompactFunc(keys, func(a, b broadcastKey) bool { return a.name == b.name })

	t := &d.tracking.prefixes
	t.mu.RLock()
	defer t.mu.RUnlock()
	matched := make(map[string][]broadcastKey)
	for _, key := range keys {
		for _, l := range t.lengths {
			if l.length > len(key.name) {
				break
			}
			if prefix := key.name[:l.length]; len(t.byPrefix[prefix]) > 0 {
				matched[prefix] = append(matched[prefix], key)
			}
		}
	}
	for _, prefix := range slices.Sorted(maps.Keys(matched)) {
		d.broadcastPrefix(t.byPrefix[prefix], matched[prefix])
	}
}

func (d *Dispatcher) broadcastPrefix(clients []*Client, keys []broadcastKey) {
	all := invalidation{keys: payloadExcept(keys, nil)}
	for _, client := range clients {
		if !client.Has(FlagTrackingNoLoop) || !slices.ContainsFunc(keys, func(k broadcastKey) bool { return k.by == client }) {
			d.sendInvalidation(nil, client, &all)
		} else if others := payloadExcept(keys, client); others != nil {
			d.sendInvalidation(nil, client, &invalidation{keys: others})
		}
	}
}

// payloadExcept is an array of the keys that were not changed by a client. nil: there
// are none.
func payloadExcept(keys []broadcastKey, by *Client) []byte {
	names := make([][]byte, 0, len(keys))
	for _, key := range keys {
		if by == nil || key.by != by {
			names = append(names, []byte(key.name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return keysPayload(names...)
}
