package store

// StringChange says what an operation did to a string, as far as those who must
// hear of it differ.
type StringChange uint8

const (
	// Unchanged: nothing was done.
	Unchanged StringChange = iota
	// Rewritten: the value got another encoding, or zero bytes at its end, on
	// the way to a change that then did not come about. Redis tells nobody; but
	// copies of the value are to stay equal, so replicas must do the same.
	Rewritten
	// Changed: the value was changed, or made.
	Changed
)

// openString returns the string of the item, made or padded with zero bytes to
// at least n bytes, for the caller to change in place: its encoding is raw from
// then on, as in Redis. Deadline and access information stay. The result is
// Changed if the string grew or was made, Rewritten if only its encoding is
// another now. Errors: ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (tx *Tx) openString(it *item, k Key, n int) (value []byte, change StringChange, err error) {
	old, deadline, access := 0, int64(noDeadline), tx.newAccess()
	v := newValue{typ: TypeString, encoding: EncodingRaw}
	if it.live {
		value = it.sh.value(&it.rec)
		if len(value) >= n && plainEncoding(it.rec.encoding()) == EncodingRaw {
			return value, Unchanged, nil
		}
		old, deadline, access = len(value), it.rec.deadline(), it.rec.access()
		if n > old {
			v.spare = spare(n)
		}
	}
	change = Rewritten
	if !it.live || n > old {
		change = Changed
	}
	v.length, v.keep, v.deadline, v.access = max(old, n), old, deadline, access
	value, zeroed, err := tx.write(it, k, v)
	if err != nil {
		return nil, Unchanged, err
	}
	if !zeroed {
		clear(value[old:])
	}
	return value, change, nil
}

// MakeRaw gives the string at k the encoding raw, which it has in Redis after
// commands that look at it as if to change it. Errors: ErrWrongType,
// ErrOutOfMemory; then nothing has changed.
func (tx *Tx) MakeRaw(k Key) (StringChange, error) {
	it, err := tx.useString(k)
	if err != nil || !it.live {
		return Unchanged, err
	}
	_, change, err := tx.openString(&it, k, 0)
	return change, err
}

// replaceString makes value, which must not alias store memory, the string of
// the item, in the encoding raw. Deadline and access information stay. Errors:
// as openString.
func (tx *Tx) replaceString(it *item, k Key, value []byte) error {
	deadline, access := int64(noDeadline), tx.newAccess()
	if it.live {
		deadline, access = it.rec.deadline(), it.rec.access()
	}
	dst, _, err := tx.write(it, k, newValue{
		typ: TypeString, encoding: EncodingRaw, length: len(value), deadline: deadline, access: access,
	})
	if err == nil {
		copy(dst, value)
	}
	return err
}
