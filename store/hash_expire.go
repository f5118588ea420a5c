package store

import (
	"math"
)

// Deadlines of hash fields are found again by hints: for each database and
// shard, an index with one entry for every tag of keys under which there is, or
// was, a hash with such fields. The entry holds, in place of a reference, a time
// before which none of them is due. Whatever becomes of the hash (deleted,
// renamed, replaced), the hint stays until its time has come and nobody is found
// under its tag.

// hintShift makes milliseconds fit: hints count units of about a second.
const hintShift = 10

// MaxFieldDeadline is the latest deadline that a hash field may be given, that of
// Redis 7.4: what is later is refused in payloads, too.
const MaxFieldDeadline = 1<<46 - 2

func hintOf(deadline int64) ref {
	// Not 0: an entry must not look like an empty cell.
	return ref(min(uint64(max(deadline, 0))>>hintShift, refMask-1) + 1)
}

// fieldExpiry is how far ExpireFields has come in a large hash.
type fieldExpiry struct {
	pos  uint32
	next int64 // earliest deadline seen in this pass that was not due
}

// FieldResult is what is returned for each field by those who change deadlines.
type FieldResult int

// Results, as the replies of HEXPIRE and the like.
const (
	FieldMissing  FieldResult = -2
	FieldNoTTL    FieldResult = -1
	FieldNotMet   FieldResult = 0 // the condition forbade it
	FieldDone     FieldResult = 1
	FieldDeleted  FieldResult = 2 // the deadline has passed already
	noHintedField             = math.MaxInt64
)

// Deadline returns the deadline of a field in Unix milliseconds, or FieldNoTTL,
// or FieldMissing.
func (h *Hash) Deadline(field []byte) int64 {
	var deadline int64
	var ok bool
	switch {
	case !h.it.live:
	case h.isLarge():
		var r element
		if r, _, ok = h.findLarge(field); ok {
			deadline = r.deadline()
		}
	default:
		_, _, deadline, ok = h.findPacked(field, false)
	}
	if !ok {
		return int64(FieldMissing)
	}
	return deadline
}

// SetDeadline gives a field, which exists, a deadline, in the past or not, or
// with -1 takes it away. Errors: ErrOutOfMemory; then nothing has changed.
func (h *Hash) SetDeadline(field []byte, deadline int64) error {
	if h.isLarge() {
		r, at, _ := h.findLarge(field)
		if err := h.large().setDeadline(&r, at, deadline); err != nil {
			return err
		}
		h.noteDeadline(deadline)
		return nil
	}
	if h.stride() == 2 {
		if deadline == noDeadline {
			return nil
		}
		if err := h.makeDated(); err != nil {
			return err
		}
	}
	pos, _, _, _ := h.findPacked(field, true)
	p := h.it.edit(10)
	from := p.skip(pos, 2)
	p = p.replace(from, p.next(from), appendPackedInt(h.it.sh.part[:0], max(deadline, 0)), 0)
	if err := h.tx.setPacked(&h.it, h.k, TypeHash, EncodingListpackEx, p); err != nil {
		return err
	}
	h.noteDeadline(deadline)
	return nil
}

// noteDeadline leaves a hint that a field of the hash is due at deadline.
func (h *Hash) noteDeadline(deadline int64) {
	if deadline != noDeadline {
		if h.isLarge() {
			// The pass under way may have left this field behind it.
			x := &h.large().expire
			x.next = min(x.next, deadline)
		}
		h.it.sh.hint(h.tx.DB, h.k.tag(), hintOf(deadline))
	}
}

// hint makes the hint of tag say at, or earlier. Without memory for it the
// fields stay until they are written or deleted: that is no error.
func (sh *shard) hint(db int, tag uint32, at ref) {
	ix := sh.hints[db]
	if ix == nil {
		ix = new(index)
		if sh.openIndex(ix) != nil {
			return
		}
		sh.hints[db] = ix
	}
	if p, ok := sh.findHint(ix, tag); ok {
		if at < refOf(p.cells[p.at]) {
			p.cells[p.at] = makeEntry(tag, at, false)
		}
		return
	}
	if sh.insert(ix, tag, at, false) == nil {
		sh.hinted.Add(1)
	}
}

func (sh *shard) findHint(ix *index, tag uint32) (place, bool) {
	w := ix.dir.Load().word(tag)
	cells := sh.cellsOf(w)
	for i := w.home(tag); i < len(cells) && cells[i] != 0 && tagOf(cells[i]) <= tag; i++ {
		if tagOf(cells[i]) == tag {
			return place{w, cells, i}, true
		}
	}
	return place{}, false
}

// noteFields leaves a hint for a value that came as a whole, if it is a hash
// with deadlines.
func (tx *Tx) noteFields(it *item, k Key) {
	if it.rec.typ() != TypeHash {
		return
	}
	dated := it.rec.encoding() == EncodingListpackEx
	if it.rec.large() {
		dated = it.object().(*hashObject).dated() > 0
	}
	if dated {
		it.sh.hint(tx.DB, k.tag(), hintOf(0)) // looked at soon, and then known
	}
}

// Hinted says whether shard i may have hash fields with a deadline. No lock is
// needed.
func (s *Store) Hinted(i int) bool { return s.shards[i].hinted.Load() > 0 }

// ExpireFields is ExpireCycle for hash fields: it looks at about budget hints or
// fields of shard i, and removes the fields past their deadline, and the hashes
// that have no other. The hook FieldsExpired is told. The caller holds the lock
// of the shard.
func (s *Store) ExpireFields(i int, now int64, budget int, owned func(slot uint16) bool) ExpireResult {
	sh := &s.shards[i]
	var res ExpireResult
	looked, segments := 0, expireSegments
	for visits := 0; visits <= len(sh.dbs) && looked < budget && segments > 0; {
		at := &sh.expireFields
		hints := sh.hints[at.db]
		if hints == nil || at.tag >= tagEnd {
			*at = position{db: (at.db + 1) % len(sh.dbs)}
			visits++
			continue
		}
		limits := walkLimits{entries: min(budget-looked, walkBatch), segments: min(segments, 16)}
		segments -= limits.segments
		var found []entry
		found, at.tag = sh.collect(hints, at.tag, tagEnd, limits, nil)
		looked += len(found)
		for n, e := range found {
			if refOf(e) > hintOf(now) || owned != nil && !owned(sh.slotOf(e)) {
				continue
			}
			if looked >= budget && n > 0 {
				at.tag = tagOf(e)
				res.More = true
				break
			}
			fields := s.expireHint(sh, at.db, tagOf(e), now, budget, &res)
			looked += fields
		}
	}
	s.stats.expiredFields.Add(int64(res.Expired))
	return res
}

// expireHint removes due fields of the hashes under a tag, and says anew when
// the next one is due.
func (s *Store) expireHint(sh *shard, db int, tag uint32, now int64, budget int, res *ExpireResult) (looked int) {
	next := int64(noHintedField)
	var found []entry
	if ix := sh.dbs[db].Load(); ix != nil {
		found, _ = sh.collect(ix, tag, tag+1, walkLimits{entries: 1, segments: 1}, nil)
	}
	tx := Tx{Store: s, DB: db, Now: now}
	for _, e := range found {
		rec := s.arena.parse(refOf(e))
		if rec.typ() != TypeHash || rec.encoding() == EncodingListpack {
			continue
		}
		h := Hash{tx: &tx, it: item{sh: sh, ix: sh.dbs[db].Load(), rec: rec, found: true, live: true}}
		h.it.place, _ = sh.findRef(h.it.ix, tag, rec.ref)
		h.k = sh.keyOf(e, &rec)
		h.k.Name = append([]byte(nil), h.k.Name...)
		n, due := 0, int64(0)
		if rec.large() {
			n, due = h.expireLarge(budget, res)
		} else {
			n, due = h.expirePacked(res)
		}
		looked += n
		next = min(next, due)
	}
	p, ok := sh.findHint(sh.hints[db], tag)
	switch {
	case !ok:
	case next == noHintedField:
		sh.remove(sh.hints[db], p)
		sh.hinted.Add(-1)
	default:
		p.cells[p.at] = makeEntry(tag, hintOf(next), false)
	}
	return looked
}

// expireLarge looks at about budget fields with a deadline. next is when to look
// again: at once while the pass is not over.
func (h *Hash) expireLarge(budget int, res *ExpireResult) (looked int, next int64) {
	o := h.large()
	x := &o.expire
	if x.pos == 0 {
		x.next = noHintedField
	}
	for looked < budget && x.pos < tagEnd {
		limits := walkLimits{entries: min(budget-looked, walkBatch), segments: 16, deadline: true}
		var found []entry
		found, x.pos = o.collect(&o.index, x.pos, tagEnd, limits, nil)
		looked += len(found) + 1
		var due []element
		o.eachElement(found, func(r *element) {
			res.Sampled++
			if h.tx.past(r.deadline()) {
				due = append(due, *r)
			} else {
				x.next = min(x.next, r.deadline())
			}
		})
		if len(due) == 0 {
			continue
		}
		names := make([][]byte, len(due))
		for i := range due {
			names[i] = due[i].name()
		}
		if h.removeExpired(o, due, names, res) {
			return looked, noHintedField
		}
	}
	if x.pos < tagEnd {
		res.More = true
		return looked, 0
	}
	x.pos = 0
	return looked, x.next
}

func (h *Hash) expirePacked(res *ExpireResult) (looked int, next int64) {
	next = noHintedField
	var names [][]byte
	p := h.it.edit(0)
	for pos := p.first(); pos < p.end(); {
		field, _ := p.get(pos)
		at, end := p.get(p.skip(pos, 2))
		looked++
		if deadline := packedDeadline(at); h.tx.past(deadline) {
			names = append(names, field.appendTo(nil))
			p = p.replace(pos, end, nil, -3)
			continue
		} else if deadline != noDeadline {
			next = min(next, deadline)
		}
		pos = end
	}
	res.Sampled += looked
	if len(names) == 0 {
		return looked, next
	}
	if p.entries() == 0 {
		h.expired(names, true)
		h.it.sh.removeItem(&h.it)
	} else if h.tx.setPacked(&h.it, h.k, TypeHash, EncodingListpackEx, p) != nil {
		return looked, 0
	} else {
		h.expired(names, false)
	}
	res.Expired += len(names)
	return looked, next
}

// Expire removes those of fields that are past their deadline, as who met them; where
// that costs nothing, of a packed hash, the others, too. The hook FieldsExpired is told.
func (h *Hash) Expire(fields [][]byte) {
	if h.tx.KeepExpired || !h.HasDeadlines() {
		return
	}
	var res ExpireResult
	if h.isLarge() {
		h.expireAsked(fields, &res)
	} else {
		h.expirePacked(&res)
	}
	h.tx.Store.stats.expiredFields.Add(int64(res.Expired))
}

func (h *Hash) expireAsked(fields [][]byte, res *ExpireResult) {
	o := h.large()
	var due []element
	var names [][]byte
	named := make(map[ref]bool) // a field may be asked for twice
	for _, field := range fields {
		r, _, ok := o.lookup(field)
		if ok && h.tx.past(r.deadline()) && !named[r.ref] {
			named[r.ref] = true
			due, names = append(due, r), append(names, field)
		}
	}
	if len(due) > 0 {
		h.removeExpired(o, due, names, res)
	}
}

// removeExpired removes fields that are due from a large hash, and tells the hook before. all:
// they were all it had, and it is gone.
func (h *Hash) removeExpired(o *hashObject, due []element, names [][]byte, res *ExpireResult) (all bool) {
	h.expired(names, len(due) == o.length())
	res.Expired += len(due)
	for i := range due {
		p, _ := o.findRef(&o.index, elementTag(due[i].name()), due[i].ref)
		o.delete(&due[i], p)
	}
	if o.length() > 0 {
		return false
	}
	h.it.sh.removeItem(&h.it)
	return true
}

func (h *Hash) expired(names [][]byte, all bool) {
	if hooks := h.tx.Store.hooks; hooks != nil {
		hooks.FieldsExpired(h.tx.DB, h.k, names, all)
	}
}
