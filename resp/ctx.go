package resp

import (
	"errors"
	"time"

	"respkv/internal/acl"
	"respkv/resp/command"
	"respkv/resp/proto"
	"respkv/store"
)

// Handler runs one command. Arity, authentication, routing and locks are done
// by the dispatcher, which also logs the effects. A handler writes exactly one
// reply to c.W.
type Handler func(c *Ctx)

// Ctx is one command in execution. It is reused for the next one: nothing in
// it may be kept.
type Ctx struct {
	Client *Client // nil while an effect is applied
	Cmd    *command.Command
	Args   [][]byte // Args[0] is the name as sent; they alias the query buffer
	W      *proto.Writer
	Tx     store.Tx

	d        *Dispatcher
	user     *acl.User // what the client's user was allowed when the command began
	entry    *entry
	key      store.Key // of the argument keyPos, when keyPos > 0
	keyPos   int
	slot     uint16    // of the keys, when there are any
	write    bool      // the command may change keys; of EXEC: one that it runs
	asking   bool      // ASKING came before
	inScript bool      // run by a script
	inExec   bool      // run by EXEC
	mayPause bool      // the handler may put its work off (steps.go)
	putOff   bool      // it has, and did nothing
	manyKeys bool      // so that none of its keys is watched from the beginning
	step     *stepper  // runs the handler in steps, or nil
	held     shardSet  // locked while the handler may put its work off
	ahead    int       // bytes of the reply that are known to follow; 0 if not, or room was made
	ran      bool      // the handler was called: the command was not refused before
	waits    bool      // it left its client parked, and is not done
	began    time.Time // when it, or the run that it is part of, began
	applied  bool      // an effect on a replica, not a client's command
	upstream bool      // a command of the primary that this node follows
	dirty    int
	effects  []effect
	argv     [][]byte       // backs the arguments of effects
	absent   [][]byte       // watched keys of a write that did not exist before it
	touched  bool           // the handler has told who watches what it changed
	silent   bool           // nothing came that anybody waits for
	keep     bool           // effects were set: the command as sent is not logged
	prepared *prepared      // the script of EVAL, found before the locks were taken
	script   *scriptRun     // its run; nil in EXEC
	locks    *scriptLocks   // of the EXEC that runs this command
	counted  bool           // the error replied was counted by a command of the script
	pending  durableWrite   // the write of this command, if it waits for replicas
	durable  []durableWrite // those of the batch
	ready    []readyKey     // keys that somebody may wait for
	served   []servedClient // those who waited and are to be resumed
	later    []readyKey     // of ready: needs more locks
	pushEnd  int            // in W, of what this command pushed to its own client
	tracks   bool           // its client is told when a key that it read is changed
	together *feedUnit      // takes what is for the stream to replicas; nil: that itself does
	trailer  []byte         // messages to its own client that follow the reply
	// broadcast is the keys changed that clients in broadcasting mode are not told of
	// yet; of the batch.
	broadcast []broadcastKey
	hits      int64
	misses    int64
	commands  int64
}

// effect is a range of Ctx.argv, in the log of the slot of a key.
type effect struct{ first, last int }

// Key is argument i as a key. Hash and slot of the first key were computed by
// the dispatcher.
func (c *Ctx) Key(i int) store.Key {
	if i == c.keyPos {
		return c.key
	}
	return store.MakeKey(c.Args[i])
}

// Dirty adds n changes of the keyspace. Without a change nothing is replicated,
// whatever effects were set.
func (c *Ctx) Dirty(n int) { c.dirty += n }

// Effect adds an effect to those that replace the command as sent. Effects are
// deterministic: absolute deadlines, no random choice. The arguments must stay
// unchanged until the handler returns; they must not alias store memory that
// the handler changes afterwards.
func (c *Ctx) Effect(args ...[]byte) {
	c.keep = true
	first := len(c.argv)
	c.argv = append(c.argv, args...)
	c.effects = append(c.effects, effect{first, len(c.argv)})
}

// NoEffect says that the changes of this command are not logged as sent: each
// was logged otherwise, or there is nothing to replicate.
func (c *Ctx) NoEffect() { c.keep = true }

// Replaying says that an effect is applied on a replica, so that deadlines in
// the past and the like are taken as they are.
func (c *Ctx) Replaying() bool { return c.applied || c.upstream }

// DenyBlocking says that the command must not wait for anything: EXEC runs it,
// under locks. A blocking command then replies as if its time were up.
func (c *Ctx) DenyBlocking() bool { return c.inExec }

// mute takes back the reply of this command, which begins at mark (CLIENT REPLY).
// What its client got as a subscriber stays.
func (c *Ctx) mute(mark int) { c.W.Truncate(max(mark, c.pushEnd)) }

// Hit counts a lookup by a reading command for keyspace_hits and _misses.
func (c *Ctx) Hit(found bool) {
	if found {
		c.hits++
	} else {
		c.misses++
	}
}

// Now is the time of the command in Unix milliseconds.
func (c *Ctx) Now() int64 { return c.Tx.Now }

// StoreError replies with the wire text of an error of package store.
func (c *Ctx) StoreError(err error) { c.W.Error(storeErrorText(err)) }

func storeErrorText(err error) string {
	switch {
	case errors.Is(err, store.ErrWrongType):
		return errWrongType
	case errors.Is(err, store.ErrNotInteger):
		return errNotInteger
	case errors.Is(err, store.ErrHashNotInteger):
		return errHashNotInteger
	case errors.Is(err, store.ErrHashNotFloat):
		return errHashNotFloat
	case errors.Is(err, store.ErrOverflow):
		return errIncrOverflow
	case errors.Is(err, store.ErrNotFloat):
		return errNotFloat
	case errors.Is(err, store.ErrNaNOrInf):
		return errIncrNaN
	case errors.Is(err, store.ErrScoreNaN):
		return errScoreNaN
	case errors.Is(err, store.ErrTooLong):
		return errStringTooLong
	case errors.Is(err, store.ErrNotHLL):
		return errNotHLL
	case errors.Is(err, store.ErrBrokenHLL):
		return errBrokenHLL
	case errors.Is(err, store.ErrNoSuchKey):
		return errNoSuchKey
	case errors.Is(err, store.ErrSameObject):
		return errSameObject
	case errors.Is(err, store.ErrOutOfMemory):
		return errOutOfMemory
	}
	return "ERR " + errorSafe(err.Error())
}

// clock returns the wall time in Unix milliseconds and a monotonic reading, in
// one system call.
func clock() (unixMilli int64, mono time.Time) {
	t := time.Now()
	return t.UnixMilli(), t
}
