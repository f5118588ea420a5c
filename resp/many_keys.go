package resp

import "respkv/store"

// fetchFrom is from how many keys on what they hold is fetched ahead.
const fetchFrom = 4

// eachKey calls fn for every step-th key in the arguments from first on, with its place,
// until it returns false. What many keys hold is brought into the processor's cache
// before, some keys at a time: most of what a lookup costs is waiting for memory.
func (c *Ctx) eachKey(first, step int, fn func(i int, k store.Key) bool) {
	if len(c.Args)-first < fetchFrom*step {
		for i := first; i < len(c.Args); i += step {
			if !fn(i, c.Key(i)) {
				return
			}
		}
		return
	}
	var keys [batchMax]store.Key
	for first < len(c.Args) {
		n := 0
		for i := first; i < len(c.Args) && n < len(keys); i += step {
			keys[n] = c.Key(i)
			c.d.store.PrefetchIndex(c.Tx.DB, keys[n])
			n++
		}
		for _, k := range keys[:n] {
			c.d.store.PrefetchRecord(c.Tx.DB, k)
		}
		for _, k := range keys[:n] {
			if !fn(first, k) {
				return
			}
			first += step
		}
	}
}

// readKeys is eachKey for a command that reads: in steps, if they are many. False: it is
// put off, or what was read has changed.
func (c *Ctx) readKeys(fn func(k store.Key)) (done bool) {
	if c.postponeKeys(len(c.Args) - 1) {
		return false
	}
	st := c.pauses()
	c.eachKey(1, 1, func(_ int, k store.Key) bool {
		fn(k)
		c.reads(k)
		return st.replied()
	})
	return !st.stopped
}
