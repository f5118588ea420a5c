package store

import "encoding/binary"

// Hashes as a whole: copies, digests, payloads.

func (o *hashObject) clone(sh *shard, st *steps) (object, error) {
	c := new(hashObject)
	if err := c.init(sh); err != nil {
		return nil, err
	}
	if err := o.copyTo(&c.elements, st); err != nil {
		sh.discard(c)
		return nil, err
	}
	return c, nil
}

func (o *hashObject) digest(d *digest) {
	o.each(func(r *element) bool {
		d.addField(r.name(), o.value(r), r.hasDeadline())
		return true
	})
}

func (d *digest) addField(field, value []byte, dated bool) {
	var pair digest
	pair.mix(field)
	pair.mix(value)
	if dated {
		pair.add([]byte("!!hexpire!!"))
	}
	d.add(pair[:])
}

// dump writes, for each field, length << 1 | has deadline as varint, deadline,
// length of the value as varint, field, value.
func (o *hashObject) dump(w *partWriter) {
	o.spread(func(r *element) bool {
		buf := w.buf
		head := uint64(r.nlen) << 1
		if r.hasDeadline() {
			head |= 1
		}
		buf = binary.AppendUvarint(buf, head)
		if r.hasDeadline() {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(r.deadline()))
		}
		value := o.value(r)
		buf = binary.AppendUvarint(buf, uint64(len(value)))
		buf = append(buf, r.name()...)
		w.buf = append(buf, value...)
		return w.cut()
	})
}

func loadHash(sh *shard, e Encoding, in *partReader) (object, error) {
	o := new(hashObject)
	if e != EncodingHashtable || !in.more() {
		return nil, ErrBadPayload
	}
	if err := o.init(sh); err != nil {
		return nil, err
	}
	for in.more() {
		var added bool
		field, value, deadline, rest, err := nextDumped(in.data)
		if err == nil {
			in.data = rest
			added, err = o.set(field, value, deadline)
		}
		if err == nil && !added {
			err = ErrBadPayload
		}
		if err != nil {
			sh.discard(o)
			return nil, err
		}
	}
	return o, nil
}

// nextDumped reads one field of a dump.
func nextDumped(data []byte) (field, value []byte, deadline int64, rest []byte, err error) {
	deadline = noDeadline
	head, n := binary.Uvarint(data)
	if n <= 0 {
		return nil, nil, 0, nil, ErrBadPayload
	}
	data = data[n:]
	if head&1 != 0 {
		if len(data) < 8 {
			return nil, nil, 0, nil, ErrBadPayload
		}
		deadline, data = int64(binary.LittleEndian.Uint64(data)), data[8:]
		if deadline <= 0 {
			return nil, nil, 0, nil, ErrBadPayload
		}
	}
	vlen, n := binary.Uvarint(data)
	if n <= 0 {
		return nil, nil, 0, nil, ErrBadPayload
	}
	data = data[n:]
	flen := head >> 1
	if flen > uint64(len(data)) || vlen > uint64(len(data))-flen {
		return nil, nil, 0, nil, ErrBadPayload
	}
	return data[:flen], data[flen : flen+vlen], deadline, data[flen+vlen:], nil
}

func digestPackedHash(d *digest, e Encoding, value []byte) {
	p, stride := packed(value), hashStride(e)
	for pos := p.first(); pos < p.end(); {
		field, next := p.get(pos)
		v, next := p.get(next)
		dated := false
		if stride == 3 {
			var at packedEntry
			at, next = p.get(next)
			dated = at.n != 0
		}
		d.addField(field.bytes(nil), v.bytes(nil), dated)
		pos = next
	}
}

// validPackedHash refuses, of what is well-formed, fields that come twice.
func validPackedHash(e Encoding, value []byte) bool {
	if e != EncodingListpack && e != EncodingListpackEx || !validPacked(value) {
		return false
	}
	p, stride := packed(value), hashStride(e)
	if p.entries() == 0 || p.entries()%stride != 0 {
		return false
	}
	seen := make(map[string]struct{}, p.entries()/stride)
	for pos := p.first(); pos < p.end(); pos = p.skip(pos, stride) {
		field, _ := p.get(pos)
		seen[string(field.bytes(nil))] = struct{}{}
		if stride == 3 {
			if at, _ := p.get(p.skip(pos, 2)); at.text != nil || at.n < 0 {
				return false
			}
		}
	}
	return len(seen) == p.entries()/stride
}

func init() {
	typeForms[TypeHash] = typeForm{digestPacked: digestPackedHash, validPacked: validPackedHash, load: loadHash}
}
