package store

// A payload is a value in the internal form: version (1 byte), type and
// encoding (4 bits each), access information (3 bytes, little-endian), value
// bytes: of large values, what object.dump wrote. Only nodes of one version exchange it.
const (
	payloadVersion = 1
	payloadHeader  = 5
)

// DumpValue appends the value of k to buf in the internal form that LoadValue
// of the same version reads. The deadline is -1 when there is none. The access
// time stays.
func (tx *Tx) DumpValue(k Key, buf []byte) (payload []byte, deadline int64, ok bool) {
	it := tx.look(k)
	if !it.live {
		return buf, noDeadline, false
	}
	return it.sh.dump(&it.rec, tx.Now, buf), it.rec.deadline(), true
}

func (sh *shard) dumpHead(rec *record, now int64, buf []byte) []byte {
	a := sh.store.plainAccess(rec.access(), now)
	return append(buf, payloadVersion, uint8(rec.typ())<<4|uint8(storedEncoding(rec.encoding())),
		byte(a), byte(a>>8), byte(a>>16))
}

func (sh *shard) dump(rec *record, now int64, buf []byte) []byte {
	buf = sh.dumpHead(rec, now, buf)
	if rec.large() {
		w := partWriter{buf: buf}
		sh.object(rec).dump(&w)
		return w.buf
	}
	return append(buf, sh.value(rec)...)
}

// LoadValue sets k to the value of a payload of DumpValue, access information
// included. A deadline <= 0 is none. Errors: ErrBadPayload, ErrKeyExists when
// replace is not set, ErrOutOfMemory, ErrKeyTooLong; then nothing has changed.
func (tx *Tx) LoadValue(k Key, payload []byte, deadline int64, replace bool) error {
	head, value, ok := parsePayload(payload)
	if !ok {
		return ErrBadPayload
	}
	typ, encoding, form := head.typ, head.encoding, typeForms[head.typ&7]
	switch {
	case head.large():
	case typ == TypeString && validString(encoding, value):
	case form.validPacked != nil && form.validPacked(encoding, value):
	default:
		return ErrBadPayload
	}
	it := tx.look(k)
	if it.live && !replace {
		return ErrKeyExists
	}
	if deadline <= 0 {
		deadline = noDeadline
	}
	access := tx.Store.ownAccess(head.access, tx.Now)
	if head.large() {
		o, err := form.load(it.sh, encoding, &partReader{data: value})
		if err != nil {
			return err
		}
		if err = tx.setObject(&it, k, typ, encoding, o, deadline, access); err != nil {
			it.sh.discard(o)
			return err
		}
		tx.noteFields(&it, k)
		return nil
	}
	dst, _, err := tx.write(&it, k, newValue{
		typ: typ, encoding: encoding, length: len(value), deadline: deadline, access: access,
	})
	if err != nil {
		return err
	}
	copy(dst, value)
	tx.noteFields(&it, k)
	return nil
}

// payloadHead is what a payload begins with.
type payloadHead struct {
	typ      Type
	encoding Encoding
	access   uint32
}

// parsePayload cuts a payload into head and value, which is not checked.
func parsePayload(payload []byte) (head payloadHead, value []byte, ok bool) {
	if len(payload) < payloadHeader || payload[0] != payloadVersion || payload[1] >= kindDeadline {
		return head, nil, false
	}
	head = payloadHead{
		Type(payload[1] >> 4), Encoding(payload[1] & 15),
		uint32(payload[2]) | uint32(payload[3])<<8 | uint32(payload[4])<<16,
	}
	return head, payload[payloadHeader:], true
}

// large says whether the value is an object.
func (h *payloadHead) large() bool {
	return (&record{kind: uint8(h.typ)<<4 | uint8(h.encoding)}).large() && typeForms[h.typ&7].load != nil
}

func validString(e Encoding, value []byte) bool {
	switch e {
	case EncodingInt:
		_, ok := parseInt(value)
		return ok
	case EncodingEmbStr:
		return len(value) <= maxEmbStr
	case EncodingRaw:
		return true
	default:
		return false
	}
}
