package resp

import (
	"math"
	"sync/atomic"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{"lcs": lcs})
}

// lcsMaxBytes bounds the working memory of all LCS at a time, and with it the
// time of one, some second, during which the shards of its keys are locked.
// Redis takes what the system gives, but runs one at a time.
const lcsMaxBytes = 1 << 30

// lcsCellBytes is what each pair of bytes of the two strings takes. LEN needs
// less memory here than in Redis, but not less time: it has the same bound.
const lcsCellBytes = 4

// lcsMemory is what the running LCS take, in the whole process. Who finds too
// little left is refused: waiting would hold the locks of its keys.
var lcsMemory atomic.Int64

type lcsOptions struct {
	length, ranges, lengths bool // LEN, IDX, WITHMATCHLEN
	minLength               int  // MINMATCHLEN
}

// lcs looks at the types of the keys before the options, as Redis does.
func lcs(c *Ctx) {
	a, foundA, errA := c.Tx.Get(c.Key(1))
	c.Looked(c.Key(1), foundA || errA != nil)
	b, foundB, errB := c.Tx.Get(c.Key(2))
	c.Looked(c.Key(2), foundB || errB != nil)
	if errA != nil || errB != nil {
		c.W.Error(errLCSTypes)
		return
	}
	o, ok := c.lcsOptions()
	if !ok {
		return
	}
	need := lcsCellBytes * (int64(len(a)) + 1) * (int64(len(b)) + 1)
	if need > lcsMaxBytes {
		c.W.Error(errLCSMemory)
		return
	}
	if o.length {
		c.W.Int(int64(store.LCSLen(a, b)))
		return
	}
	defer lcsMemory.Add(-need)
	if lcsMemory.Add(need) > lcsMaxBytes {
		c.W.Error(errLCSMemory)
		return
	}
	seq, ranges, err := store.LCS(a, b, o.minLength, lcsMaxBytes)
	switch {
	case err != nil:
		c.W.Error(errLCSMemory)
	case o.ranges:
		replyRanges(c, ranges, len(seq), o.lengths)
	default:
		c.W.Bulk(seq)
	}
}

func (c *Ctx) lcsOptions() (o lcsOptions, ok bool) {
	for i := 3; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case isWord(arg, "idx"):
			o.ranges = true
		case isWord(arg, "len"):
			o.length = true
		case isWord(arg, "withmatchlen"):
			o.lengths = true
		case isWord(arg, "minmatchlen") && i+1 < len(c.Args):
			i++
			n, ok := c.intArg(i)
			if !ok {
				return o, false
			}
			o.minLength = int(min(max(n, 0), math.MaxInt32))
		default:
			c.W.Error(errSyntax)
			return o, false
		}
	}
	if o.ranges && o.length {
		c.W.Error(errLCSBoth)
		return o, false
	}
	return o, true
}

func replyRanges(c *Ctx, ranges []store.LCSRange, length int, lengths bool) {
	c.W.Map(2)
	c.W.BulkString("matches")
	c.W.Array(len(ranges))
	for _, r := range ranges {
		if lengths {
			c.W.Array(3)
		} else {
			c.W.Array(2)
		}
		for _, ends := range [2][2]int{{r.AStart, r.AEnd}, {r.BStart, r.BEnd}} {
			c.W.Array(2)
			c.W.Int(int64(ends[0]))
			c.W.Int(int64(ends[1]))
		}
		if lengths {
			c.W.Int(int64(r.Len()))
		}
	}
	c.W.BulkString("len")
	c.W.Int(int64(length))
}
