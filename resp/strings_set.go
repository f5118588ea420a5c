package resp

import (
	"math"

	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"set":    set,
		"setnx":  setNX,
		"setex":  func(c *Ctx) { setWithTTL(c, optEX) },
		"psetex": func(c *Ctx) { setWithTTL(c, optPX) },
		"getset": getSet,
		"mset":   mset,
		"msetnx": msetNX,
	})
}

// stringOptions are the options of SET and GETEX.
type stringOptions uint16

const (
	optNX stringOptions = 1 << iota
	optXX
	optGet
	optKeepTTL
	optPersist
	optEX
	optPX
	optEXAT
	optPXAT

	optExpires  = optEX | optPX | optEXAT | optPXAT
	optLifetime = optExpires | optKeepTTL | optPersist
)

// parseStringOptions reads the options from argument first on; ttl is the place
// of the time that one of them came with. An option may be repeated, the last
// time counts. Not ok: a syntax error.
//
// Source: the SET and GETEX command pages.
func parseStringOptions(args [][]byte, first int, isSet bool) (o stringOptions, ttl int, ok bool) {
	for i := first; i < len(args); i++ {
		arg := args[i]
		var opt, excludes stringOptions
		switch {
		case isSet && isWord(arg, "nx"):
			opt, excludes = optNX, optXX
		case isSet && isWord(arg, "xx"):
			opt, excludes = optXX, optNX
		case isSet && isWord(arg, "get"):
			opt = optGet
		case isSet && isWord(arg, "keepttl"):
			opt, excludes = optKeepTTL, optLifetime
		case !isSet && isWord(arg, "persist"):
			opt, excludes = optPersist, optLifetime
		default:
			if opt = ttlOption(arg); opt == 0 || i+1 == len(args) {
				return 0, 0, false
			}
			excludes = optLifetime
			i++
			ttl = i
		}
		if o&excludes&^opt != 0 {
			return 0, 0, false
		}
		o |= opt
	}
	return o, ttl, true
}

func ttlOption(arg []byte) stringOptions {
	switch {
	case isWord(arg, "ex"):
		return optEX
	case isWord(arg, "px"):
		return optPX
	case isWord(arg, "exat"):
		return optEXAT
	case isWord(arg, "pxat"):
		return optPXAT
	}
	return 0
}

// deadline turns the time at argument i, of the kind that o says, into Unix
// milliseconds. Not ok: it replied with the error.
func (c *Ctx) deadline(i int, o stringOptions) (at int64, ok bool) {
	at, ok = c.intArg(i)
	if !ok {
		return 0, false
	}
	seconds := o&(optEX|optEXAT) != 0
	if at <= 0 || seconds && at > math.MaxInt64/1000 {
		c.W.Error(errInvalidExpire(c.Cmd.Name))
		return 0, false
	}
	if seconds {
		at *= 1000
	}
	if o&(optEX|optPX) != 0 {
		if at > math.MaxInt64-c.Now() {
			c.W.Error(errInvalidExpire(c.Cmd.Name))
			return 0, false
		}
		at += c.Now()
	}
	return at, true
}

func set(c *Ctx) {
	if len(c.Args) == 3 {
		if c.assign(c.Args[2], store.SetOptions{}) {
			c.W.OK()
		}
		return
	}
	o, ttl, ok := parseStringOptions(c.Args, 3, true)
	if !ok {
		c.W.Error(errSyntax)
		return
	}
	options := store.SetOptions{
		KeepTTL:   o&optKeepTTL != 0,
		IfMissing: o&optNX != 0,
		IfExists:  o&optXX != 0,
	}
	if o&optExpires != 0 {
		if options.Deadline, ok = c.deadline(ttl, o); !ok {
			return
		}
	}
	if o&optGet == 0 {
		if c.assign(c.Args[2], options) {
			c.W.OK()
		}
		return
	}
	mark := c.W.Len()
	if !c.replyString(c.Key(1)) || !c.fill(c.Args[2], &options) {
		return
	}
	fresh := c.Fresh(c.Key(1))
	if done, err := c.Tx.Set(c.Key(1), c.Args[2], options); err != nil {
		c.W.Truncate(mark)
		c.StoreError(err)
	} else if done {
		c.assigned(c.Args[2], options, fresh)
	}
}

// assign sets the first key to value. False: an option forbade it, or it
// failed; it replied with null or with the error.
func (c *Ctx) assign(value []byte, o store.SetOptions) bool {
	if !c.fill(value, &o) {
		return false
	}
	fresh := c.Fresh(c.Key(1))
	done, err := c.Tx.Set(c.Key(1), value, o)
	if err != nil {
		c.StoreError(err)
		return false
	}
	if !done {
		c.W.Null()
		return false
	}
	c.assigned(value, o, fresh)
	return true
}

// fill copies a large value in steps, before it becomes that of its key. False: the command
// is put off, or it failed; it replied with the error.
func (c *Ctx) fill(value []byte, o *store.SetOptions) (ok bool) {
	if len(value) < replyPart {
		return true
	}
	if c.postpone(len(value) / pauseBytes) {
		return false
	}
	var err error
	if o.Filled, err = c.Tx.Fill(value); err != nil {
		c.StoreError(err)
	}
	return err == nil
}

// assigned notes that the first key was set. The effect has no condition, no
// GET, and the deadline instead of a time to live. fresh: see Fresh.
func (c *Ctx) assigned(value []byte, o store.SetOptions, fresh bool) {
	c.Dirty(1)
	c.NotifyNew(fresh, c.Key(1))
	c.Notify(NotifyString, "set", c.Args[1])
	if o.Deadline != 0 {
		c.Notify(NotifyGeneric, "expire", c.Args[1])
	}
	if !c.logged() {
		return
	}
	switch {
	case o.KeepTTL:
		c.Effect(wordSet, c.Args[1], value, wordKeepTTL)
	case o.Deadline != 0:
		c.Effect(wordSet, c.Args[1], value, wordPXAT, decimal(o.Deadline))
	default:
		c.Effect(wordSet, c.Args[1], value)
	}
}

func setNX(c *Ctx) {
	o := store.SetOptions{IfMissing: true}
	if !c.fill(c.Args[2], &o) {
		return
	}
	fresh := c.Fresh(c.Key(1))
	done, err := c.Tx.Set(c.Key(1), c.Args[2], o)
	switch {
	case err != nil:
		c.StoreError(err)
	case done:
		c.assigned(c.Args[2], store.SetOptions{}, fresh)
		c.W.Int(1)
	default:
		c.W.Int(0)
	}
}

// setWithTTL is SETEX and PSETEX.
func setWithTTL(c *Ctx, unit stringOptions) {
	at, ok := c.deadline(2, unit)
	if ok && c.assign(c.Args[3], store.SetOptions{Deadline: at}) {
		c.W.OK()
	}
}

func getSet(c *Ctx) {
	mark, o := c.W.Len(), store.SetOptions{}
	if !c.replyString(c.Key(1)) || !c.fill(c.Args[2], &o) {
		return
	}
	fresh := c.Fresh(c.Key(1))
	if _, err := c.Tx.Set(c.Key(1), c.Args[2], o); err != nil {
		c.W.Truncate(mark)
		c.StoreError(err)
		return
	}
	c.assigned(c.Args[2], o, fresh)
}

func mset(c *Ctx) {
	if len(c.Args)%2 == 0 {
		c.W.Error(errArity(c.Cmd.Name))
		return
	}
	if c.assignPairs() {
		c.W.OK()
	}
}

func msetNX(c *Ctx) {
	if len(c.Args)%2 == 0 {
		c.W.Error(errArity(c.Cmd.Name))
		return
	}
	for i := 1; i < len(c.Args); i += 2 {
		if c.Tx.Exists(c.Key(i)) {
			c.W.Int(0)
			return
		}
	}
	if c.assignPairs() {
		c.W.Int(1)
	}
}

// assignPairs sets the keys of MSET and MSETNX. When memory ends in between,
// what was set so far stays, and is what is replicated. False: it replied with
// the error.
func (c *Ctx) assignPairs() bool {
	ok := true
	c.eachKey(1, 2, func(i int, k store.Key) bool {
		fresh := c.Fresh(k)
		if _, err := c.Tx.Set(k, c.Args[i+1], store.SetOptions{}); err != nil {
			c.assignedPairs(i)
			c.StoreError(err)
			ok = false
			return false
		}
		c.NotifyNew(fresh, k)
		c.Notify(NotifyString, "set", k.Name)
		return true
	})
	if ok {
		c.assignedPairs(len(c.Args))
	}
	return ok
}

func (c *Ctx) assignedPairs(end int) {
	if end == 1 {
		return
	}
	c.Dirty(end / 2)
	if c.logged() {
		effect := make([][]byte, 0, end)
		effect = append(effect, wordMSet)
		c.Effect(append(effect, c.Args[1:end]...)...)
	}
}
