package store

import (
	"math"
	"strconv"
)

const (
	maxEmbStr  = 44 // longest value that Redis embeds in its object
	maxIntText = 20 // longest decimal text of an int64
)

// stringEncoding is the encoding that Redis gives a new string.
func stringEncoding(value []byte) Encoding {
	if len(value) <= maxIntText {
		if _, ok := parseInt(value); ok {
			return EncodingInt
		}
	}
	return textEncoding(len(value))
}

// textEncoding is the encoding of a string that is not to be an integer.
func textEncoding(n int) Encoding {
	if n <= maxEmbStr {
		return EncodingEmbStr
	}
	return EncodingRaw
}

// parseInt reads the canonical decimal text of an int64: no plus sign, no
// leading zero, no spaces, no "-0".
func parseInt(b []byte) (int64, bool) {
	digits := b
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	if digits[0] == '0' {
		return 0, len(digits) == 1 && !negative
	}
	var n uint64 // 19 digits fit
	for _, c := range digits {
		c -= '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	if negative {
		return int64(-n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

// Get returns the string at k. Error: ErrWrongType.
func (tx *Tx) Get(k Key) (value []byte, ok bool, err error) {
	it, err := tx.useString(k)
	if err != nil || !it.live {
		return nil, false, err
	}
	return it.sh.value(&it.rec), true, nil
}

// SetOptions are the ways of Set.
type SetOptions struct {
	Deadline  int64 // Unix milliseconds; 0 means none
	KeepTTL   bool  // keep the deadline that k has; Deadline is ignored
	IfMissing bool  // NX
	IfExists  bool  // XX
	// Filled is the value, from Fill, or nil. Set takes it, whatever comes of it.
	Filled *Filled
}

// Filled is a large string outside of the keyspace.
type Filled struct {
	store  *Store
	region []byte
}

// Fill copies value for a Set that is then only to put it in its place, in steps: nil if Set
// may as well copy it. Errors: ErrOutOfMemory, ErrChanged.
func (tx *Tx) Fill(value []byte) (*Filled, error) {
	if tx.Pause == nil || len(value) <= maxInline {
		return nil, nil
	}
	region, err := tx.Store.arena.newRegion(len(value))
	if err != nil {
		return nil, err
	}
	f := &Filled{tx.Store, region}
	for done, st := 0, tx.steps(); done < len(value); {
		done += copy(region[done:], value[done:min(len(value), done+stepElements*stepBytes)])
		if !st.count(stepElements) {
			f.Close()
			return nil, ErrChanged
		}
	}
	return f, nil
}

// Close frees what no Set has taken.
func (f *Filled) Close() {
	if f != nil && f.region != nil {
		f.store.unmapLazily(f.region)
		f.region = nil
	}
}

// Set makes k the string value, whatever type it had. False when IfMissing or
// IfExists forbids it. Whoever wants the old value calls Get before. Errors:
// ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (tx *Tx) Set(k Key, value []byte, o SetOptions) (bool, error) {
	it := tx.look(k)
	if o.IfMissing && it.live || o.IfExists && !it.live {
		o.Filled.Close()
		return false, nil
	}
	deadline := int64(noDeadline)
	if o.KeepTTL {
		if it.live {
			deadline = it.rec.deadline()
		}
	} else if o.Deadline != 0 {
		deadline = max(o.Deadline, 1)
	}
	if it.live && !tx.NoTouch {
		tx.touch(&it.rec)
	}
	err := tx.setString(&it, k, value, stringEncoding(value), deadline, o.Filled)
	o.Filled.Close()
	return true, err
}

// setString makes value, or what it was filled into, that of k.
func (tx *Tx) setString(it *item, k Key, value []byte, e Encoding, deadline int64, filled *Filled) error {
	access := tx.newAccess()
	switch {
	case !it.live:
	case tx.Store.policy.Load().LFU: // the key stays as popular as it was
		access = it.rec.access()
	default:
		access = timedAccess(tickOf(access), usesOf(it.rec.access()))
	}
	v := newValue{typ: TypeString, encoding: e, length: len(value), deadline: deadline, access: access}
	if filled != nil {
		v.region = filled.region
	}
	dst, _, err := tx.write(it, k, v)
	switch {
	case err != nil:
	case filled != nil:
		filled.region = nil
	default:
		copy(dst, value)
	}
	return err
}

// spare is what a large string that grows gets in advance, so that many small
// steps do not copy it each time.
func spare(n int) int { return max(n/8, 1<<20) }

// Append appends to the string at k, which may be missing, and returns its new
// length. Errors: ErrWrongType, ErrTooLong, ErrOutOfMemory, ErrKeyTooLong; then
// nothing has changed.
func (tx *Tx) Append(k Key, value []byte) (length int, err error) {
	it, err := tx.useString(k)
	if err != nil {
		return 0, err
	}
	if !it.live {
		return len(value), tx.setString(&it, k, value, stringEncoding(value), noDeadline, nil)
	}
	old := len(it.sh.value(&it.rec))
	n := old + len(value)
	if int64(n) > tx.Store.maxString.Load() {
		return 0, ErrTooLong
	}
	dst, _, err := tx.write(&it, k, newValue{
		typ: TypeString, encoding: EncodingRaw, length: n, keep: old, spare: spare(n),
		deadline: it.rec.deadline(), access: it.rec.access(),
	})
	if err != nil {
		return 0, err
	}
	copy(dst[old:], value)
	return n, nil
}

// SetRange overwrites the string at k from offset >= 0 on, padding with zero
// bytes, and returns its new length. An empty value changes nothing. Errors: as
// Append.
func (tx *Tx) SetRange(k Key, offset int64, value []byte) (length int, err error) {
	it, err := tx.useString(k)
	if err != nil {
		return 0, err
	}
	old, deadline, access := 0, int64(noDeadline), tx.newAccess()
	if it.live {
		old, deadline, access = len(it.sh.value(&it.rec)), it.rec.deadline(), it.rec.access()
	}
	if len(value) == 0 {
		return old, nil
	}
	limit := tx.Store.maxString.Load()
	if offset > limit || offset+int64(len(value)) > limit {
		return 0, ErrTooLong
	}
	from := int(offset)
	n := max(old, from+len(value))
	v := newValue{
		typ: TypeString, encoding: EncodingRaw, length: n, keep: old,
		deadline: deadline, access: access,
	}
	if it.live {
		v.spare = spare(n)
	}
	dst, zeroed, err := tx.write(&it, k, v)
	if err != nil {
		return 0, err
	}
	if from > old && !zeroed {
		clear(dst[old:from])
	}
	copy(dst[from:], value)
	return n, nil
}

// GetRange returns the bytes from start to end, both included, negative ones
// counting from the end, as GETRANGE does. Error: ErrWrongType.
func (tx *Tx) GetRange(k Key, start, end int64) ([]byte, error) {
	it, err := tx.useString(k)
	if err != nil || !it.live {
		return nil, err
	}
	value := it.sh.value(&it.rec)
	n := int64(len(value))
	if start < 0 && end < 0 && start > end {
		return nil, nil
	}
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if start > end {
		return nil, nil
	}
	return value[start : end+1], nil
}

// StrLen returns the length of the string at k, 0 when missing. Error:
// ErrWrongType.
func (tx *Tx) StrLen(k Key) (int, error) {
	it, err := tx.useString(k)
	if err != nil || !it.live {
		return 0, err
	}
	return len(it.sh.value(&it.rec)), nil
}

// IncrBy adds delta to the integer at k, 0 when missing, keeping its deadline.
// Errors: ErrWrongType, ErrNotInteger, ErrOverflow, ErrOutOfMemory,
// ErrKeyTooLong; then nothing has changed.
func (tx *Tx) IncrBy(k Key, delta int64) (int64, error) {
	it, err := tx.useString(k)
	if err != nil {
		return 0, err
	}
	old, deadline := int64(0), int64(noDeadline)
	if it.live {
		var ok bool
		if old, ok = parseInt(it.sh.value(&it.rec)); !ok {
			return 0, ErrNotInteger
		}
		deadline = it.rec.deadline()
	}
	if delta < 0 && old < math.MinInt64-delta || delta > 0 && old > math.MaxInt64-delta {
		return 0, ErrOverflow
	}
	var text [maxIntText]byte
	n := old + delta
	err = tx.setString(&it, k, strconv.AppendInt(text[:0], n, 10), EncodingInt, deadline, nil)
	if err != nil {
		return 0, err
	}
	return n, nil
}

// IncrByFloat adds delta, a number as strtold reads it, to the number at k, 0
// when missing, keeping its deadline, and returns the new value as text, which
// is the caller's. Errors: ErrWrongType, ErrNotFloat (either number),
// ErrNaNOrInf, ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (tx *Tx) IncrByFloat(k Key, delta []byte) ([]byte, error) {
	it, err := tx.useString(k)
	if err != nil {
		return nil, err
	}
	old, deadline := []byte("0"), int64(noDeadline)
	if it.live {
		old, deadline = it.sh.value(&it.rec), it.rec.deadline()
	}
	sum, err := addFloats(old, delta)
	if err != nil {
		return nil, err
	}
	if err := tx.setString(&it, k, sum, textEncoding(len(sum)), deadline, nil); err != nil {
		return nil, err
	}
	return sum, nil
}
