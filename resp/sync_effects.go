package resp

import (
	"slices"

	"respkv/resp/proto"
)

// What replicas of Redis's own protocol are sent is what the effects are, but for words
// that Redis does not know, and what makes a unit of several: MULTI and EXEC.

// feedUnit collects the effects of a transaction or a script, which follow one another
// in the stream. Its zero value is an empty one.
type feedUnit struct {
	effects []fedEffect
	bytes   []byte // of all of them, as commands
}

type fedEffect struct{ db, end int }

func (u *feedUnit) add(db int, args [][]byte) {
	u.bytes = proto.AppendCommand(u.bytes, args...)
	u.effects = append(u.effects, fedEffect{db, len(u.bytes)})
}

// feedTogether begins a unit for the commands that run in c, unless they are part of one
// already. The caller passes what it returns to endTogether, under the same locks.
func (c *Ctx) feedTogether() *feedUnit {
	if c.together != nil || c.d.feed.used.Load() == 0 {
		return nil
	}
	c.together = &feedUnit{}
	return c.together
}

func (c *Ctx) endTogether(u *feedUnit) {
	if u == nil {
		return
	}
	c.together = nil
	if offset := c.d.feedTogether(u); offset > 0 {
		c.session().fed = offset
	}
}

// feedTogether appends a unit to the stream, and returns where that then ends, 0 if there
// is nothing to append.
func (d *Dispatcher) feedTogether(u *feedUnit) (offset uint64) {
	f := &d.feed
	if len(u.effects) == 0 || f.used.Load() == 0 || d.repl != nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.selectDB(f.buf[:0], u.effects[0].db)
	if len(u.effects) > 1 {
		b = proto.AppendCommand(b, wordMulti)
	}
	at := 0
	for _, e := range u.effects {
		b = f.selectDB(b, e.db)
		b = append(b, u.bytes[at:e.end]...)
		at = e.end
	}
	if len(u.effects) > 1 {
		b = proto.AppendCommand(b, wordExec)
	}
	f.send(b)
	return f.offset
}

// feedEffects appends the effects of a command to the stream.
func (d *Dispatcher) feedEffects(c *Ctx) {
	if !c.keep {
		c.feed(c.Tx.DB, c.Args...)
		return
	}
	if len(c.effects) > 1 {
		defer c.endTogether(c.feedTogether())
	}
	for _, e := range c.effects {
		for _, args := range redisEffects(c.argv[e.first:e.last]) {
			c.feed(c.Tx.DB, args...)
		}
	}
}

var (
	wordMulti          = []byte("MULTI")
	wordExec           = []byte("EXEC")
	wordXGroup         = []byte("XGROUP")
	wordCreateConsumer = []byte("CREATECONSUMER")
)

// redisEffects is an effect in the words of Redis. The time at which a consumer of a
// stream was seen is the replica's there, and a consumer that got nothing is made by a
// command of its own.
func redisEffects(args [][]byte) [][][]byte {
	switch {
	case isWord(args[0], "xreadgroup"):
		const at = 6 // XREADGROUP GROUP group consumer COUNT n AT ms ...
		if len(args) > at+1 && isWord(args[at], "at") {
			return [][][]byte{slices.Delete(slices.Clone(args), at, at+2)}
		}
	case isWord(args[0], "xclaim"):
		return redisClaim(slices.Clone(args))
	}
	return [][][]byte{args}
}

// redisClaim is redisEffects of XCLAIM key group consumer 0 [id ...] [option ...]
// [AT ms [SEEN]].
func redisClaim(args [][]byte) (effects [][][]byte) {
	const ids = 5
	seen := isWord(args[len(args)-1], "seen")
	if seen {
		args = args[:len(args)-1]
	}
	if n := len(args); n-2 >= ids && isWord(args[n-2], "at") {
		args = args[:n-2]
	}
	taken := false
	if len(args) > ids {
		_, taken = parseStreamID(args[ids], 0)
	}
	if seen && !taken {
		effects = append(effects, [][]byte{wordXGroup, wordCreateConsumer, args[1], args[2], args[3]})
	}
	switch {
	case taken:
		effects = append(effects, args)
	case len(args) > ids: // LASTID: an entry that there is not makes the command complete
		effects = append(effects, slices.Insert(args, ids, []byte("0-0")))
	}
	return effects
}
