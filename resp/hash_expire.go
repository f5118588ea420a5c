package resp

import (
	"math"

	"respkv/store"
)

// Deadlines of hash fields: commands of Redis 7.4 and 8.0. Source: their command
// pages.

func init() {
	handle(map[string]Handler{
		"hexpire":     func(c *Ctx) { hexpire(c, 1000, true) },
		"hpexpire":    func(c *Ctx) { hexpire(c, 1, true) },
		"hexpireat":   func(c *Ctx) { hexpire(c, 1000, false) },
		"hpexpireat":  func(c *Ctx) { hexpire(c, 1, false) },
		"httl":        func(c *Ctx) { httl(c, 1000, true) },
		"hpttl":       func(c *Ctx) { httl(c, 1, true) },
		"hexpiretime": func(c *Ctx) { httl(c, 1000, false) },
		"hpexpiretime": func(c *Ctx) {
			httl(c, 1, false)
		},
		"hpersist": hpersist,
		"hgetex":   hgetEx,
		"hsetex":   hsetEx,
		"hgetdel":  hgetDel,
	})
}

// fields reads FIELDS n field... from argument i on, which must be the last
// ones; each may stand for several arguments. Not ok: it replied with the error.
func (c *Ctx) fields(i, each int) (fields [][]byte, ok bool) {
	if i+1 >= len(c.Args) || !isWord(c.Args[i], "fields") {
		c.W.Error(errFieldsPosition)
		return nil, false
	}
	n, ok := parseLong(c.Args[i+1])
	if !ok || n < 1 {
		c.W.Error(errNumFields)
		return nil, false
	}
	fields = c.Args[i+2:]
	if n > math.MaxInt32 || int(n)*each != len(fields) {
		c.W.Error(errNumFieldsArgs)
		return nil, false
	}
	return fields, true
}

// fieldChanges collects what a command did to fields, to replicate it and tell of
// it: those that got one and the same deadline, those that lost theirs, those
// removed.
type fieldChanges struct{ dated, undated, removed [][]byte }

func (f *fieldChanges) log(c *Ctx, h *store.Hash, at int64) {
	c.Dirty(len(f.dated) + len(f.undated) + len(f.removed))
	if len(f.dated) > 0 {
		c.notifyHash("hexpire", false)
	}
	if len(f.undated) > 0 {
		c.notifyHash("hpersist", false)
	}
	if len(f.removed) > 0 {
		c.NotifyTaken(NotifyHash, "hdel", c.Key(1), !h.Exists())
	}
	if !c.logged() {
		return
	}
	effect := func(fields [][]byte, words ...[]byte) {
		if len(fields) > 0 {
			words = append(words, wordFields, decimal(int64(len(fields))))
			c.Effect(append(words, fields...)...)
		}
	}
	effect(f.dated, wordHPExpireAt, c.Args[1], decimal(at))
	effect(f.undated, wordHPersist, c.Args[1])
	if len(f.removed) > 0 {
		c.hdelEffect(f.removed...)
	}
}

// hexpire is HEXPIRE and the like. It replies for each field: -2 missing, 0 the
// condition is not met, 1 done, 2 deleted since the time has passed.
func hexpire(c *Ctx, unit int64, relative bool) {
	at, ok := c.intArg(2)
	if !ok {
		return
	}
	if at < 0 {
		c.W.Error(errExpireNegative)
		return
	}
	limit := int64(store.MaxFieldDeadline)
	if relative {
		limit -= c.Now()
	}
	if at > limit/unit {
		c.W.Error(errInvalidExpire(c.Cmd.Name))
		return
	}
	at *= unit
	if relative {
		at += c.Now()
	}
	var condition expireCondition
	i := 3
	switch {
	case isWord(c.Args[i], "nx"):
		condition.nx = true
	case isWord(c.Args[i], "xx"):
		condition.xx = true
	case isWord(c.Args[i], "gt"):
		condition.gt = true
	case isWord(c.Args[i], "lt"):
		condition.lt = true
	default:
		i--
	}
	fields, ok := c.fields(i+1, 1)
	if !ok {
		return
	}
	h, ok := c.hash()
	if !ok {
		return
	}
	var changes fieldChanges
	mark := c.W.Len()
	c.W.Array(len(fields))
	for _, field := range fields {
		result, err := c.setFieldDeadline(&h, field, at, condition, &changes)
		if err != nil {
			c.W.Truncate(mark)
			c.StoreError(err)
			break
		}
		c.W.Int(int64(result))
	}
	changes.log(c, &h, at)
}

func (c *Ctx) setFieldDeadline(h *store.Hash, field []byte, at int64, condition expireCondition, changes *fieldChanges) (store.FieldResult, error) {
	current := h.Deadline(field)
	switch {
	case current == int64(store.FieldMissing):
		return store.FieldMissing, nil
	case !condition.allows(current, at):
		return store.FieldNotMet, nil
	case at <= c.Now() && !c.Replaying():
		_, _, err := h.Delete(field)
		if err == nil {
			changes.removed = append(changes.removed, field)
		}
		return store.FieldDeleted, err
	}
	err := h.SetDeadline(field, max(at, 1))
	if err == nil {
		changes.dated = append(changes.dated, field)
	}
	return store.FieldDone, err
}

// httl is HTTL, HEXPIRETIME and the like. It replies for each field: -2 missing,
// -1 no deadline, else what is left, or when it ends.
func httl(c *Ctx, unit int64, relative bool) {
	fields, ok := c.fields(2, 1)
	if !ok {
		return
	}
	h, ok := c.readHash()
	if !ok {
		return
	}
	c.W.Array(len(fields))
	for _, field := range fields {
		at := h.Deadline(field)
		if at >= 0 {
			if relative {
				at = max(at-c.Now(), 0)
			}
			if unit == 1000 {
				at = at/unit + (at%unit+unit-1)/unit // rounded up
			}
		}
		c.W.Int(at)
	}
}

// hpersist replies for each field: -2 missing, -1 no deadline, 1 done.
func hpersist(c *Ctx) {
	fields, ok := c.fields(2, 1)
	if !ok {
		return
	}
	h, ok := c.hash()
	if !ok {
		return
	}
	var changes fieldChanges
	mark := c.W.Len()
	c.W.Array(len(fields))
	for _, field := range fields {
		result := store.FieldResult(h.Deadline(field))
		if result >= 0 {
			if err := h.SetDeadline(field, -1); err != nil {
				c.W.Truncate(mark)
				c.StoreError(err)
				break
			}
			changes.undated = append(changes.undated, field)
			result = store.FieldDone
		}
		c.W.Int(int64(result))
	}
	changes.log(c, &h, 0)
}

func hgetDel(c *Ctx) {
	fields, ok := c.fields(2, 1)
	if !ok {
		return
	}
	h, ok := c.readHash()
	if !ok {
		return
	}
	var changes fieldChanges
	mark := c.W.Len()
	c.W.Array(len(fields))
	for _, field := range fields {
		if !c.replyField(&h, field) {
			continue
		}
		if _, _, err := h.Delete(field); err != nil {
			c.W.Truncate(mark)
			c.StoreError(err)
			break
		}
		changes.removed = append(changes.removed, field)
	}
	changes.log(c, &h, 0)
}

// fieldOptions are the options before FIELDS of HGETEX and HSETEX.
type fieldOptions struct {
	fnx, fxx, keepTTL, persist bool
	at                         int64 // deadline; 0: none given
	next                       int   // argument after the options
}

// fieldOptions reads them from argument 2 on. Not ok: it replied with the error.
func (c *Ctx) fieldOptions() (o fieldOptions, ok bool) {
	isSet := c.Cmd.Name == "hsetex"
	for o.next = 2; o.next < len(c.Args) && !isWord(c.Args[o.next], "fields"); o.next++ {
		lifetime := o.keepTTL || o.persist || o.at != 0
		switch arg := c.Args[o.next]; {
		case isSet && isWord(arg, "fnx") && !o.fxx && !o.fnx:
			o.fnx = true
		case isSet && isWord(arg, "fxx") && !o.fxx && !o.fnx:
			o.fxx = true
		case isSet && isWord(arg, "keepttl") && !lifetime:
			o.keepTTL = true
		case !isSet && isWord(arg, "persist") && !lifetime:
			o.persist = true
		default:
			opt := ttlOption(arg)
			if opt == 0 || lifetime || o.next+1 == len(c.Args) {
				c.W.Error(errSyntax)
				return o, false
			}
			o.next++
			if o.at, ok = c.deadline(o.next, opt); !ok {
				return o, false
			}
			if o.at > store.MaxFieldDeadline {
				c.W.Error(errInvalidExpire(c.Cmd.Name))
				return o, false
			}
		}
	}
	return o, true
}

func hgetEx(c *Ctx) {
	o, ok := c.fieldOptions()
	if !ok {
		return
	}
	fields, ok := c.fields(o.next, 1)
	if !ok {
		return
	}
	h, ok := c.readHash()
	if !ok {
		return
	}
	var changes fieldChanges
	mark := c.W.Len()
	c.W.Array(len(fields))
	for _, field := range fields {
		if !c.replyField(&h, field) {
			continue
		}
		var err error
		switch {
		case o.at != 0:
			_, err = c.setFieldDeadline(&h, field, o.at, expireCondition{}, &changes)
		case o.persist && h.Deadline(field) >= 0:
			if err = h.SetDeadline(field, -1); err == nil {
				changes.undated = append(changes.undated, field)
			}
		}
		if err != nil {
			c.W.Truncate(mark)
			c.StoreError(err)
			break
		}
	}
	changes.log(c, &h, o.at)
}

func hsetEx(c *Ctx) {
	o, ok := c.fieldOptions()
	if !ok {
		return
	}
	pairs, ok := c.fields(o.next, 2)
	if !ok {
		return
	}
	h, ok := c.hash()
	if !ok {
		return
	}
	for i := 0; (o.fnx || o.fxx) && i < len(pairs); i += 2 {
		if _, found := h.Get(pairs[i]); found != o.fxx {
			c.W.Int(0)
			return
		}
	}
	if o.at != 0 && o.at <= c.Now() && !c.Replaying() {
		c.removeFields(&h, pairs)
		return
	}
	at := o.at
	if at == 0 {
		at = -1
	}
	fresh := c.Fresh(c.Key(1))
	_, done, err := h.SetAt(at, o.keepTTL, pairs...)
	pairs = pairs[:2*done]
	c.Dirty(done)
	if done > 0 {
		c.notifyHash("hset", fresh)
		if o.at != 0 {
			c.notifyHash("hexpire", false)
		}
	}
	if done > 0 && c.logged() {
		count := decimal(int64(done))
		switch {
		case o.keepTTL && h.HasDeadlines():
			for i := 0; i < len(pairs); i += 2 {
				c.fieldEffect(&h, pairs[i], pairs[i+1])
			}
		case at > 0:
			c.Effect(append([][]byte{wordHSetEx, c.Args[1], wordPXAT, decimal(at), wordFields, count}, pairs...)...)
		default:
			c.Effect(append([][]byte{wordHSet, c.Args[1]}, pairs...)...)
		}
	}
	if err != nil {
		c.StoreError(err)
		return
	}
	c.W.Int(1)
}

// removeFields is HSETEX with a deadline in the past: the fields are gone at
// once.
func (c *Ctx) removeFields(h *store.Hash, pairs [][]byte) {
	var changes fieldChanges
	var err error
	for i := 0; i < len(pairs) && err == nil; i += 2 {
		var stored bool
		if _, stored, err = h.Delete(pairs[i]); stored && err == nil {
			changes.removed = append(changes.removed, pairs[i])
		}
	}
	changes.log(c, h, 0)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.W.Int(1)
}
