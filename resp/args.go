package resp

import (
	"math"
	"strconv"
)

// parseLong reads an integer as Redis reads arguments: decimal digits, a minus
// sign if any, and nothing else; no leading zeros, no "-0".
func parseLong(b []byte) (int64, bool) {
	if len(b) == 1 && b[0] == '0' {
		return 0, true
	}
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 || b[0] == '0' {
		return 0, false
	}
	var n uint64 // 19 digits fit
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	if negative {
		return -int64(n), n <= -math.MinInt64
	}
	return int64(n), n <= math.MaxInt64
}

// intArg is argument i as an integer. Not ok: it replied with the error.
func (c *Ctx) intArg(i int) (n int64, ok bool) {
	n, ok = parseLong(c.Args[i])
	if !ok {
		c.W.Error(errNotInteger)
	}
	return n, ok
}

// int32Arg is argument i as an integer of 32 bits, which is what Redis takes
// for the number of a database. Not ok: it replied with the error.
func (c *Ctx) int32Arg(i int) (n int, ok bool) {
	wide, ok := c.intArg(i)
	if ok && wide != int64(int32(wide)) {
		c.W.Error(errInt32Range)
		return 0, false
	}
	return int(wide), ok
}

// parseCursor reads a cursor of SCAN: what C's strtoul reads, but for blanks in
// front. An empty one is 0.
func parseCursor(b []byte) (uint64, bool) {
	digits, negative := b, false
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		digits, negative = b[1:], b[0] == '-'
	}
	if len(digits) == 0 {
		return 0, len(b) == 0
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if negative {
		n = -n
	}
	return n, err == nil
}

// isWord compares an argument with a keyword given in lower case, in any case.
func isWord(arg []byte, keyword string) bool {
	if len(arg) != len(keyword) {
		return false
	}
	for i := range len(keyword) {
		b := arg[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b != keyword[i] {
			return false
		}
	}
	return true
}

// decimal is n as an argument of an effect.
func decimal(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// Words of effects.
var (
	wordDel        = []byte("DEL")
	wordHDel       = []byte("HDEL")
	wordHPExpireAt = []byte("HPEXPIREAT")
	wordHPersist   = []byte("HPERSIST")
	wordHSet       = []byte("HSET")
	wordHSetEx     = []byte("HSETEX")
	wordFields     = []byte("FIELDS")
	wordSAdd       = []byte("SADD")
	wordSRem       = []byte("SREM")
	wordLMove      = []byte("LMOVE")
	wordLPop       = []byte("LPOP")
	wordLeft       = []byte("LEFT")
	wordRPop       = []byte("RPOP")
	wordRPopLPush  = []byte("RPOPLPUSH")
	wordRPush      = []byte("RPUSH")
	wordRight      = []byte("RIGHT")
	wordFlushAll   = []byte("FLUSHALL")
	wordFlushDB    = []byte("FLUSHDB")
	wordKeepTTL    = []byte("KEEPTTL")
	wordMSet       = []byte("MSET")
	wordPersist    = []byte("PERSIST")
	wordPExpireAt  = []byte("PEXPIREAT")
	wordPXAT       = []byte("PXAT")
	wordRename     = []byte("RENAME")
	wordSet        = []byte("SET")
	wordZAdd       = []byte("ZADD")
	wordZRemRange  = []byte("ZREMRANGEBYRANK")
	wordZRem       = []byte("ZREM")
	wordZPopMin    = []byte("ZPOPMIN")
	wordZPopMax    = []byte("ZPOPMAX")
)

// logged says whether effects of this command go anywhere, be it only to tell
// which watched or tracked keys were changed: a handler need not build them
// otherwise.
func (c *Ctx) logged() bool { return c.replicated() || c.d.observed() && !c.applied }

// replicated is logged for a command whose arguments tell as well which keys were changed.
func (c *Ctx) replicated() bool {
	return (c.d.repl != nil || c.d.feed.used.Load() > 0) && !c.applied
}
