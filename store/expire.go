package store

// ExpireResult says what a step of active expiry found.
type ExpireResult struct {
	Sampled int  // keys with a deadline looked at
	Expired int  // of them, removed
	More    bool // worth another step now: much of the sample was expired
}

const (
	// acceptableStale is the share, in percent, of keys past their deadline
	// that active expiry tolerates, as Redis with its default effort.
	acceptableStale = 10

	// expireSegments bounds the segments looked through per step, 16 KB
	// each: some 200 µs where keys with a deadline are few.
	expireSegments = 64
)

// ExpireCycle looks at about budget keys with a deadline in shard i, in all
// databases, going on where the last call stopped, and removes those past it.
// Keys of slots for which owned is false are left alone (nil: all are owned).
// Other keys are not touched: the index tells them apart. The caller holds the
// lock of the shard. 100 keys take some 20 µs.
func (s *Store) ExpireCycle(i int, now int64, budget int, owned func(slot uint16) bool) ExpireResult {
	sh := &s.shards[i]
	var res ExpireResult
	var ttlSum, ttlKeys int64
	segments := expireSegments
	for visits := 0; visits <= len(sh.dbs) && res.Sampled < budget && segments > 0; {
		db := sh.expire.db
		ix := sh.dbs[db].Load()
		if ix == nil || ix.expires.Load() == 0 || sh.expire.tag >= tagEnd {
			sh.expire = position{db: (db + 1) % len(sh.dbs)}
			visits++
			continue
		}
		limits := walkLimits{entries: min(budget-res.Sampled, walkBatch), segments: min(segments, 16), deadline: true}
		segments -= limits.segments
		sh.scratch, sh.expire.tag = sh.collect(ix, sh.expire.tag, tagEnd, limits, sh.scratch[:0])
		due := sh.scratch[:0]
		ttlSum, ttlKeys = 0, 0
		sh.each(sh.scratch, func(e entry, rec *record) {
			if owned != nil && !owned(sh.slotOf(e)) {
				return
			}
			res.Sampled++
			if ttl := rec.deadline() - now; ttl < 0 {
				due = append(due, e)
			} else {
				ttlSum += ttl
				ttlKeys++
			}
		})
		for _, e := range due {
			sh.expireEntry(db, ix, e)
		}
		res.Expired += len(due)
		if ttlKeys > 0 {
			s.sampleTTL(db, ttlSum/ttlKeys)
		}
	}
	s.stats.expiredCycle.Add(int64(res.Expired))
	res.More = res.Expired*100 > res.Sampled*acceptableStale
	return res
}

// MayExpire says whether shard i has keys, or hashes with fields, that have a
// deadline. No lock is needed.
func (s *Store) MayExpire(i int) bool {
	for db := range s.shards[i].dbs {
		if ix := s.shards[i].dbs[db].Load(); ix != nil && ix.expires.Load() > 0 {
			return true
		}
	}
	return s.Hinted(i)
}

// expireEntry removes the key of an entry.
func (sh *shard) expireEntry(db int, ix *index, e entry) {
	it := item{sh: sh, ix: ix, rec: sh.store.arena.parse(refOf(e)), found: true}
	it.place, _ = sh.findRef(ix, tagOf(e), refOf(e))
	k := sh.keyOf(e, &it.rec)
	// The hook gets the name while the record still stands.
	sh.store.stats.expired.Add(1)
	if h := sh.store.hooks; h != nil {
		h.Expired(db, k)
	}
	if sh.store.lazyFreeing.Load().Expired {
		sh.detachValue(&it.rec)
	}
	sh.removeItem(&it)
}

// sampleTTL feeds the running mean that AvgTTL returns.
func (s *Store) sampleTTL(db int, ttl int64) {
	// Lost updates between shards only make the estimate a little older.
	old := s.avgTTL[db].Load()
	if old == 0 {
		s.avgTTL[db].Store(ttl)
		return
	}
	s.avgTTL[db].Store(old + (ttl-old)/50)
}

// AvgTTL estimates the mean time to live, in milliseconds, of the keys in db
// that have a deadline; 0 when unknown. Fed by ExpireCycle. No lock is needed.
func (s *Store) AvgTTL(db int) int64 {
	if s.Expires(db) == 0 {
		return 0
	}
	return s.avgTTL[db].Load()
}
