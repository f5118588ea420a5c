package store

import (
	"crypto/sha1"
	"encoding/binary"
)

// digest is the running digest of Redis's DEBUG DIGEST: parts whose order must
// not matter are xored in (add), parts whose order matters are mixed in.
type digest [sha1.Size]byte

func (d *digest) add(data []byte) {
	sum := sha1.Sum(data)
	for i := range d {
		d[i] ^= sum[i]
	}
}

func (d *digest) mix(data []byte) {
	d.add(data)
	*d = sha1.Sum(d[:])
}

// mixValue mixes in a value: type, contents, and that it has a deadline.
func (d *digest) mixValue(sh *shard, rec *record) {
	var typ [4]byte
	number := uint32(rec.typ())
	if rec.typ() == TypeStream {
		number++ // Redis has modules before it
	}
	binary.BigEndian.PutUint32(typ[:], number)
	d.mix(typ[:])
	switch {
	case rec.typ() == TypeString:
		d.mix(sh.value(rec))
	case rec.large():
		sh.object(rec).digest(d)
	default:
		typeForms[rec.typ()].digestPacked(d, rec.encoding(), rec.inline())
	}
	if rec.hasDeadline() {
		d.add([]byte("!!expire!!"))
	}
}

// Digest returns the digest of the whole data set, equal to that of Redis's
// DEBUG DIGEST. It takes each shard's lock in turn, so the caller holds none,
// unless it holds all and says so. It is a digest of one moment only if nobody
// writes.
func (s *Store) Digest(allLocked bool) [20]byte {
	var final digest
	for db := range s.databases {
		if s.DBSize(db) == 0 {
			continue
		}
		var number [4]byte
		binary.BigEndian.PutUint32(number[:], uint32(db))
		final.mix(number[:])
		tx := Tx{Store: s, DB: db, IgnoreDeadlines: true, AllLocked: allLocked}
		for i := range s.shards {
			tx.digestShard(i, &final)
		}
	}
	return final
}

func (tx *Tx) digestShard(i int, final *digest) {
	sh := tx.lock(i)
	defer tx.unlock(sh)
	ix := sh.dbs[tx.DB].Load()
	if ix == nil {
		return
	}
	for pos := uint32(0); pos < tagEnd; {
		sh.scratch, pos = sh.collect(ix, pos, tagEnd, walkLimits{entries: walkBatch, segments: 1 << tagBits}, sh.scratch[:0])
		sh.each(sh.scratch, func(_ entry, rec *record) {
			var d digest
			d.mix(rec.key())
			d.mixValue(sh, rec)
			final.add(d[:])
		})
	}
}

// DigestValue returns the digest of the value of k, equal to that of Redis's
// DEBUG DIGEST-VALUE; all zero when k does not exist.
func (tx *Tx) DigestValue(k Key) [20]byte {
	var d digest
	if it := tx.look(k); it.live {
		d.mixValue(it.sh, &it.rec)
	}
	return d
}
