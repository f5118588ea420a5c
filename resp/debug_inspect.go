package resp

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"unsafe"

	"respkv/internal/config"
	"respkv/internal/glob"
	"respkv/store"
)

// describeList is what DEBUG OBJECT adds for a list.
func (c *Ctx) describeList(o *store.ObjectInfo) string {
	if o.Type != store.TypeList {
		return ""
	}
	limits := &c.d.config.Config().Store
	return fmt.Sprintf(" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:%d ql_uncompressed_size:%d",
		o.Nodes, ratio(int64(o.Elements), int64(o.Nodes)), limits.ListMaxListpackSize, min(limits.ListCompressDepth, 1), o.Uncompressed)
}

// maxPackedThreshold is what Redis allows: sizes in nodes of lists have 32 bits there.
const maxPackedThreshold = 1<<32 - 1<<20

func debugPackedThreshold(c *Ctx, args [][]byte) {
	size, err := config.ParseMemory(string(args[0]))
	switch {
	case err != nil || size > maxPackedThreshold:
		c.W.Error(errPackedThreshold)
		return
	case size == 0:
		size = store.DefaultPackedThreshold
	}
	c.d.store.SetPackedThreshold(int64(size))
	c.W.OK()
}

// debugPackedValue logs how a value that is packed looks: there is no standard
// output to print it on.
func debugPackedValue(c *Ctx, args [][]byte) {
	c.describe(args[0], "Listpack", errNotListpack, func(o *store.ObjectInfo) bool {
		return o.Encoding == store.EncodingListpack || o.Encoding == store.EncodingListpackEx
	})
}

func debugQuicklist(c *Ctx, args [][]byte) {
	c.describe(args[0], "Quicklist", errNotQuicklist, func(o *store.ObjectInfo) bool {
		return o.Type == store.TypeList
	})
}

func (c *Ctx) describe(key []byte, what, other string, fits func(*store.ObjectInfo) bool) {
	var o store.ObjectInfo
	var found bool
	c.withKey(key, func(k store.Key) { o, found = c.Tx.ObjectInfo(k) })
	switch {
	case !found:
		c.W.Error(errNoSuchKey)
	case !fits(&o):
		c.W.Error(other)
	default:
		c.d.log.Warn("DEBUG "+strings.ToUpper(what), "key", string(key), "encoding", o.Encoding, "bytes", o.Length,
			"nodes", o.Nodes, "elements", o.Elements)
		c.W.Simple(what + " structure written to the log")
	}
}

// debugStructSize shows the sizes of what every key and every client costs.
func debugStructSize(c *Ctx, _ [][]byte) {
	c.W.Simple(fmt.Sprintf("bits:%d client:%d session:%d histogram:%d store:%d",
		bits.UintSize, unsafe.Sizeof(Client{}), unsafe.Sizeof(session{}), unsafe.Sizeof(histogram{}), ownSize))
}

// debugHTStats describes the index of a database, which takes the place of
// Redis's dictionaries.
func debugHTStats(c *Ctx, args [][]byte) {
	db, ok := parseLong(args[0])
	switch {
	case !ok:
		c.W.Error(errNotInteger)
		return
	case db < 0 || db >= int64(c.d.store.Databases()):
		c.W.Error(errDatabaseRange)
		return
	}
	m := c.d.store.Memory(c.Tx.AllLocked)
	c.W.Verbatim("txt", fmt.Sprintf("[Index]\n elements: %d\n with expiry: %d\n bytes, of all databases: %d\n",
		c.d.store.DBSize(int(db)), c.d.store.Expires(int(db)), m.Index))
}

func debugHTStatsKey(c *Ctx, args [][]byte) {
	var o store.ObjectInfo
	var found bool
	c.withKey(args[0], func(k store.Key) { o, found = c.Tx.ObjectInfo(k) })
	switch {
	case !found:
		c.W.Error(errNoSuchKey)
	case o.Encoding != store.EncodingHashtable && o.Encoding != store.EncodingSkiplist:
		c.W.Error(errNotHashtable)
	default:
		c.W.Verbatim("txt", fmt.Sprintf("[Value]\n encoding: %s\n bytes: %d\n", o.Encoding, o.Length))
	}
}

// debugStringMatchTest runs random patterns over random strings: what matches
// patterns must end, whatever it is given.
func debugStringMatchTest(c *Ctx, _ [][]byte) {
	const rounds, alphabet = 100000, `ab*?[]^\-`
	random := func() []byte {
		text := make([]byte, rand.IntN(32))
		for i := range text {
			text[i] = alphabet[rand.IntN(len(alphabet))]
		}
		return text
	}
	for range rounds {
		glob.MatchFold(random(), random())
	}
	c.W.Simple("Apparently Redis did not crash: test passed")
}

// debugPopulate: DEBUG POPULATE count [prefix [size]]. Keys that exist stay, and
// so do those of slots that this node is not primary of.
func debugPopulate(c *Ctx, args [][]byte) {
	count, ok := parseLong(args[0])
	size, prefix := int64(0), []byte("key")
	if len(args) > 1 {
		prefix = args[1]
	}
	if len(args) > 2 && ok {
		size, ok = parseLong(args[2])
	}
	switch {
	case !ok || count < 0 || size < 0:
		c.W.Error(errNotPositive)
		return
	case size > c.d.config.Config().Server.ProtoMaxBulkLen:
		c.W.Error(errStringTooLong)
		return
	}
	for i := range count {
		if !c.inExec && !c.d.makeRoom() {
			c.W.Error(errOOM)
			return
		}
		name := strconv.AppendInt(append(bytes.Clone(prefix), ':'), i, 10)
		value := strconv.AppendInt([]byte("value:"), i, 10)
		if size > 0 {
			padded := make([]byte, size)
			copy(padded, value)
			value = padded
		}
		if err := c.populate(store.MakeKey(name), value); err != nil {
			c.StoreError(err)
			return
		}
	}
	c.W.OK()
}

func (c *Ctx) populate(k store.Key, value []byte) error {
	d := c.d
	if !c.Tx.AllLocked {
		d.store.LockShard(k.Shard())
		defer d.store.UnlockShard(k.Shard())
	}
	if !d.mayRemove(k.Slot) {
		return nil
	}
	d.willChange(c.Tx.DB, k)
	added, err := c.Tx.Set(k, value, store.SetOptions{IfMissing: true})
	if !added || err != nil {
		return err
	}
	d.stats.dirty.Add(1)
	c.NotifyNew(true, k)
	d.changed(c, c.Tx.DB, k)
	c.feed(c.Tx.DB, wordSet, k.Name, value)
	if d.repl != nil {
		d.appendEffect(k.Slot, c.Tx.DB, [][]byte{wordSet, k.Name, value})
	}
	return nil
}

// debugPauseCron stops and starts background work.
func debugPauseCron(c *Ctx, args [][]byte) {
	n, _ := parseLong(args[0])
	c.d.cron.paused.Store(n != 0)
	c.W.OK()
}
