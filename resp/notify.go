package resp

import (
	"strconv"
	"strings"
	"sync/atomic"

	"respkv/store"
)

// NotifyClass is a set of classes of keyspace events.
type NotifyClass uint32

// The classes, by their letters in notify-keyspace-events.
const (
	notifyKeyspace NotifyClass = 1 << iota // K: to __keyspace@<db>__:<key>
	notifyKeyevent                         // E: to __keyevent@<db>__:<event>
	NotifyGeneric                          // g
	NotifyString                           // $
	NotifyList                             // l
	NotifySet                              // s
	NotifyHash                             // h
	NotifyZSet                             // z
	NotifyExpired                          // x
	NotifyEvicted                          // e
	NotifyStream                           // t
	NotifyModule                           // d
	NotifyNew                              // n
	NotifyMiss                             // m
)

// notifyLetters are in the order of the classes.
const notifyLetters = "KEg$lshzxetdnm"

// notifier knows which events are published. One atomic load while none is.
type notifier struct{ classes atomic.Uint32 }

// set takes the letters of the configuration.
func (n *notifier) set(letters string) {
	var classes NotifyClass
	for i, letter := range notifyLetters {
		if strings.ContainsRune(letters, letter) {
			classes |= 1 << i
		}
	}
	if classes&(notifyKeyspace|notifyKeyevent) == 0 {
		classes = 0
	}
	n.classes.Store(uint32(classes))
}

func (n *notifier) has(class NotifyClass) bool { return n.classes.Load()&uint32(class) != 0 }

// publishEvent publishes an event of a key to the subscribers of this node, as
// in Redis Cluster: not to those of others. The caller may hold shard locks.
func (d *Dispatcher) publishEvent(class NotifyClass, event string, db int, key []byte) {
	if !d.notify.has(class) {
		return
	}
	var buf [128]byte
	number := strconv.Itoa(db)
	if d.notify.has(notifyKeyspace) {
		channel := append(append(append(append(buf[:0], "__keyspace@"...), number...), "__:"...), key...)
		d.pubsub.publish(nil, channel, []byte(event))
	}
	if d.notify.has(notifyKeyevent) {
		channel := append(append(append(append(buf[:0], "__keyevent@"...), number...), "__:"...), event...)
		d.pubsub.publish(nil, channel, key)
	}
}

// Notify tells that something happened to a key of the selected database, in
// Redis's words ("set", "lpush"). Handlers call it where Redis does, after the
// change. key must not alias store memory that was changed since.
func (c *Ctx) Notify(class NotifyClass, event string, key []byte) {
	c.d.publishEvent(class, event, c.Tx.DB, key)
}

// NotifyIn is Notify for a key of another database.
func (c *Ctx) NotifyIn(db int, class NotifyClass, event string, key []byte) {
	c.d.publishEvent(class, event, db, key)
}

// Fresh says whether the event "new" is due if k is made now: somebody wants it
// and k does not exist. Ask before the change, and give the answer to NotifyNew
// after it.
func (c *Ctx) Fresh(k store.Key) bool {
	return c.d.notify.has(NotifyNew) && !c.Tx.Exists(k)
}

// NotifyNew tells that k was made, if it was fresh.
func (c *Ctx) NotifyNew(fresh bool, k store.Key) {
	if fresh {
		c.Notify(NotifyNew, "new", k.Name)
	}
}

// NotifyTaken tells that something was taken from the value of k and, if the
// value went with it, that k was removed.
func (c *Ctx) NotifyTaken(class NotifyClass, event string, k store.Key, gone bool) {
	c.Notify(class, event, k.Name)
	if gone {
		c.Notify(NotifyGeneric, "del", k.Name)
	}
}

// NotifyStored tells of a command that made a value of n elements for k, or,
// without any, removed what was there. fresh: see NotifyNew.
func (c *Ctx) NotifyStored(class NotifyClass, event string, k store.Key, n int, fresh bool) {
	if n == 0 {
		c.Notify(NotifyGeneric, "del", k.Name)
		return
	}
	c.NotifyNew(fresh, k)
	c.Notify(class, event, k.Name)
}

// Looked counts a lookup of k by a reading command, as Hit does, and tells of
// one that found nothing.
func (c *Ctx) Looked(k store.Key, found bool) {
	c.Hit(found)
	if !found {
		c.mayPause = c.mayPause && !c.d.notify.has(NotifyMiss) // it is told once
		c.Notify(NotifyMiss, "keymiss", k.Name)
	}
}
