package store

// Store is the keyspace of a node. Methods say which locks the caller holds.
type Store struct{}

// Open returns an empty store.
func Open(o Options) (*Store, error) { return &Store{}, o.validate() }

// Close gives all memory back to the system. No other call may overlap or
// follow it, the lock-free prefetches included.
func (s *Store) Close() error { return nil }

// Databases returns the number of databases.
func (s *Store) Databases() int { return 0 }

// LockShard locks shard i. Several shards are locked in ascending order.
func (s *Store) LockShard(i int) {}

// UnlockShard unlocks shard i.
func (s *Store) UnlockShard(i int) {}

// LockAll locks every shard, in ascending order.
func (s *Store) LockAll() {}

// UnlockAll unlocks every shard.
func (s *Store) UnlockAll() {}

// PrefetchIndex brings the index line of k into the cache. No lock is needed.
func (s *Store) PrefetchIndex(db int, k Key) {}

// PrefetchRecord brings the record of k into the cache; call it a little after
// PrefetchIndex. No lock is needed.
func (s *Store) PrefetchRecord(db int, k Key) {}

// SetMaxStringLength changes Options.MaxStringLength. Safe at any time.
func (s *Store) SetMaxStringLength(n int64) {}

// AccessPolicy says what lookups record in a value.
type AccessPolicy struct {
	LFU       bool // frequency instead of time of last access
	LogFactor int  // Redis's lfu-log-factor
	DecayTime int  // Redis's lfu-decay-time, minutes
}

// SetAccessPolicy changes what lookups record. Safe at any time.
func (s *Store) SetAccessPolicy(p AccessPolicy) {}

// DBSize returns the number of keys in db. No lock is needed.
func (s *Store) DBSize(db int) int64 { return 0 }

// Expires returns the number of keys in db that have a deadline. No lock is
// needed.
func (s *Store) Expires(db int) int64 { return 0 }

// AvgTTL estimates the mean time to live, in milliseconds, of the keys in db
// that have a deadline; 0 when unknown. Fed by ExpireCycle. No lock is needed.
func (s *Store) AvgTTL(db int) int64 { return 0 }

// CountSlot returns the number of keys of slot in db. The caller holds the
// lock of the slot's shard.
func (s *Store) CountSlot(db int, slot uint16) int { return 0 }

// SlotKeys returns copies of up to max key names of slot in db. The caller
// holds the lock of the slot's shard.
func (s *Store) SlotKeys(db int, slot uint16, max int) [][]byte { return nil }

// FlushSlot removes up to max keys of slot from db and returns how many it
// removed; 0 means that none is left. No hook is called. The caller holds the
// lock of the slot's shard; call it in steps.
func (s *Store) FlushSlot(db int, slot uint16, max int) int { return 0 }

// FlushShard empties shard i of db in constant time; FreeStep gives the memory
// back. The caller holds the lock of the shard.
func (s *Store) FlushShard(db, i int) {}

// FlushDB is FlushShard for every shard. The caller holds all locks.
func (s *Store) FlushDB(db int) {}

// FlushAll is FlushDB for every database. The caller holds all locks.
func (s *Store) FlushAll() {}

// FreeStep frees up to max keys that FlushShard left behind in shard i and says
// whether more is left. The caller holds the lock of the shard.
func (s *Store) FreeStep(i, max int) (more bool) { return false }

// SwapDB exchanges two databases. The caller holds all locks.
func (s *Store) SwapDB(a, b int) {}

// ExpireResult says what a step of active expiry found.
type ExpireResult struct {
	Sampled int  // keys with a deadline looked at
	Expired int  // of them, removed
	More    bool // worth another step now: much of the sample was expired
}

// ExpireCycle looks at about budget keys with a deadline in shard i, in all
// databases, going on where the last call stopped, and removes those past it.
// Keys of slots for which owned is false are left alone (nil: all are owned).
// The caller holds the lock of the shard. 100 keys take some 20 µs.
func (s *Store) ExpireCycle(i int, now int64, budget int, owned func(slot uint16) bool) ExpireResult {
	return ExpireResult{}
}

// CompactStep looks at up to budget records of shard i and moves those that lie
// in sparsely used memory, going on where the last call stopped. It returns how
// many it moved, and false once a whole pass found nothing worth moving. The
// caller holds the lock of the shard. 1000 records take less than 1 ms.
func (s *Store) CompactStep(i, budget int) (moved int, more bool) { return 0, false }

// ReleaseStep gives up to max bytes of free memory back to the system and
// returns how many. It takes no shard lock.
func (s *Store) ReleaseStep(max int64) int64 { return 0 }

// Stats are counters since Open or ResetStats. No lock is needed.
type Stats struct {
	Expired      int64 // keys removed because their deadline passed
	ExpiredCycle int64 // of them, by ExpireCycle
}

// Stats returns the counters.
func (s *Store) Stats() Stats { return Stats{} }

// ResetStats sets the counters to zero.
func (s *Store) ResetStats() {}

// MemoryStats say where the memory is, in bytes.
type MemoryStats struct {
	Data     int64 // allocated to records and large values
	Index    int64 // allocated to index segments and directories
	Free     int64 // inside mapped memory in use, but in no record: fragmentation
	Resident int64 // mapped memory that the system holds pages for (upper bound)
	Mapped   int64 // reserved address space
}

// Memory returns where the memory is. It takes each shard's lock in turn, so
// the caller holds none, unless it holds all and says so.
func (s *Store) Memory(allLocked bool) MemoryStats { return MemoryStats{} }

// Digest returns the digest of the whole data set, equal to that of Redis's
// DEBUG DIGEST. It takes each shard's lock in turn, so the caller holds none,
// unless it holds all and says so.
func (s *Store) Digest(allLocked bool) [20]byte { return [20]byte{} }

// Tx is the view of one database during one command. The caller holds the
// locks of all shards touched. Keys past their deadline are absent for every
// operation.
//
// Byte slices that operations return alias store memory: they are valid until
// the next change to the store, and only while the lock is held. Byte slices
// given to operations are the caller's again when they return and must not
// alias store memory.
type Tx struct {
	Store *Store
	DB    int
	Now   int64 // Unix milliseconds

	// KeepExpired: keys past their deadline are reported as gone but not
	// removed (replica).
	KeepExpired bool
	// IgnoreExpired: deadlines are not looked at, keys past theirs are present
	// (effects applied on a replica, which follow the primary's clock).
	IgnoreExpired bool
	// NoTouch: lookups leave the access time alone (CLIENT NO-TOUCH).
	NoTouch bool
	// AllLocked: the caller holds the locks of all shards. RandomKey, Scan
	// and Keys otherwise lock one shard after the other by themselves, and
	// the caller holds none.
	AllLocked bool
}

// Exists says whether k exists. The access time stays.
func (tx *Tx) Exists(k Key) bool { return false }

// Type returns the type of k, or TypeNone. The access time stays.
func (tx *Tx) Type(k Key) Type { return TypeNone }

// Encoding returns the encoding of k. The access time stays.
func (tx *Tx) Encoding(k Key) (e Encoding, ok bool) { return 0, false }

// Deadline returns the deadline of k in Unix milliseconds, -1 when it has none,
// -2 when k does not exist. The access time stays.
func (tx *Tx) Deadline(k Key) int64 { return -2 }

// SetDeadline gives k the deadline at, in Unix milliseconds, which may lie in
// the past (the caller deletes instead if it wants that). False when k does not
// exist. Error: ErrOutOfMemory.
func (tx *Tx) SetDeadline(k Key, at int64) (ok bool, err error) { return false, nil }

// Persist removes the deadline of k. False when k does not exist or has none.
func (tx *Tx) Persist(k Key) (bool, error) { return false, nil }

// Delete removes k and says whether it existed.
func (tx *Tx) Delete(k Key) bool { return false }

// Rename moves the value and deadline of from to to, replacing what is there.
// Errors: ErrNoSuchKey, ErrOutOfMemory, ErrKeyTooLong.
func (tx *Tx) Rename(from, to Key) error { return nil }

// Copy copies the value and deadline of from to the key to of database db.
// False when from does not exist, or to does and replace is not set. Errors:
// ErrSameDatabase when both are the same key, ErrOutOfMemory, ErrKeyTooLong.
func (tx *Tx) Copy(from Key, db int, to Key, replace bool) (bool, error) { return false, nil }

// Move moves k to database db. False when k does not exist here or exists
// there. Errors: ErrSameDatabase, ErrOutOfMemory.
func (tx *Tx) Move(k Key, db int) (bool, error) { return false, nil }

// RandomKey appends the name of a random key to buf. False when there is none.
// Locks: see AllLocked.
func (tx *Tx) RandomKey(buf []byte) (name []byte, ok bool) { return nil, false }

// CursorBits is the number of bits that a Scan cursor needs.
const CursorBits = 35

// Scan calls fn for about count keys from cursor on and returns the cursor to
// go on with; 0 starts and 0 ends. Every key present from the first to the last
// call is visited at least once, and no key that is not moved about by RENAME
// or deleted and set again is visited twice, whatever happens to other keys.
// fn gets a key that aliases store memory, under the lock of its shard, and
// must not call into the store. A cursor that was never handed out is no error.
// Locks: see AllLocked.
func (tx *Tx) Scan(cursor uint64, count int, fn func(k Key, t Type)) (next uint64) { return 0 }

// Keys calls fn for every key until it returns false, under the conditions of
// Scan.
func (tx *Tx) Keys(fn func(k Key, t Type) bool) {}

// Touch updates the access time of k, NoTouch or not, and says whether k
// exists.
func (tx *Tx) Touch(k Key) bool { return false }

// ObjectInfo is what OBJECT and DEBUG OBJECT tell.
type ObjectInfo struct {
	Type        Type
	Encoding    Encoding
	Refcount    int   // 1; math.MaxInt32 for the integers that Redis shares
	Access      int   // 24 bits of access information as Redis's robj.lru
	IdleSeconds int64 // since the last access; of no meaning with LFU
	Freq        int   // logarithmic access counter, decayed; only with LFU
	Length      int   // bytes of the value as dumped
}

// ObjectInfo describes k. The access time stays.
func (tx *Tx) ObjectInfo(k Key) (info ObjectInfo, ok bool) { return ObjectInfo{}, false }

// MemoryUsage returns the bytes that k and its value take, index included. The
// access time stays.
func (tx *Tx) MemoryUsage(k Key) (n int64, ok bool) { return 0, false }

// DigestValue returns the digest of the value of k, equal to that of Redis's
// DEBUG DIGEST-VALUE; all zero when k does not exist.
func (tx *Tx) DigestValue(k Key) [20]byte { return [20]byte{} }

// DumpValue appends the value of k to buf in the internal form that LoadValue
// of the same version reads. The deadline is -1 when there is none.
func (tx *Tx) DumpValue(k Key, buf []byte) (payload []byte, deadline int64, ok bool) {
	return nil, 0, false
}

// LoadValue sets k to the value of a payload of DumpValue. A deadline <= 0 is
// none. Errors: ErrBadPayload, ErrKeyExists when replace is not set,
// ErrOutOfMemory, ErrKeyTooLong, ErrTooLong.
func (tx *Tx) LoadValue(k Key, payload []byte, deadline int64, replace bool) error { return nil }

// SlotScan calls fn for keys of slot in hash order from cursor on, with their
// values as of DumpValue and deadlines (-1: none), until maxKeys keys or
// maxBytes bytes of names and payloads are reached, and returns the cursor to
// go on with; 0 starts and 0 ends. The cursor stays valid while the table grows
// and shrinks. Keys past their deadline are included. Name and payload are
// valid during fn only, which must not call into the store. The caller holds
// the lock of the slot's shard.
func (tx *Tx) SlotScan(slot uint16, cursor uint64, maxKeys, maxBytes int, fn func(k Key, payload []byte, deadline int64)) (next uint64) {
	return 0
}

// Get returns the string at k. Error: ErrWrongType.
func (tx *Tx) Get(k Key) (value []byte, ok bool, err error) { return nil, false, nil }

// SetOptions are the ways of Set.
type SetOptions struct {
	Deadline  int64 // Unix milliseconds; 0 means none
	KeepTTL   bool  // keep the deadline that k has; Deadline is ignored
	IfMissing bool  // NX
	IfExists  bool  // XX
}

// Set makes k the string value, whatever type it had. False when IfMissing or
// IfExists forbids it. Whoever wants the old value calls Get before. Errors:
// ErrOutOfMemory, ErrTooLong, ErrKeyTooLong; then nothing has changed.
func (tx *Tx) Set(k Key, value []byte, o SetOptions) (bool, error) { return false, nil }

// Append appends to the string at k, which may be missing, and returns its new
// length. Errors: ErrWrongType, ErrTooLong, ErrOutOfMemory, ErrKeyTooLong.
func (tx *Tx) Append(k Key, value []byte) (length int, err error) { return 0, nil }

// SetRange overwrites the string at k from offset >= 0 on, padding with zero
// bytes, and returns its new length. An empty value changes nothing. Errors: as
// Append.
func (tx *Tx) SetRange(k Key, offset int64, value []byte) (length int, err error) { return 0, nil }

// GetRange returns the bytes from start to end, both included, negative ones
// counting from the end, as GETRANGE does. Error: ErrWrongType.
func (tx *Tx) GetRange(k Key, start, end int64) ([]byte, error) { return nil, nil }

// StrLen returns the length of the string at k, 0 when missing. Error:
// ErrWrongType.
func (tx *Tx) StrLen(k Key) (int, error) { return 0, nil }

// IncrBy adds delta to the integer at k, 0 when missing, keeping its deadline.
// Errors: ErrWrongType, ErrNotInteger, ErrOverflow, ErrOutOfMemory,
// ErrKeyTooLong.
func (tx *Tx) IncrBy(k Key, delta int64) (int64, error) { return 0, nil }

// IncrByFloat adds delta, a number as strtold reads it, to the number at k, 0
// when missing, keeping its deadline, and returns the new value as text, which
// is the caller's. Errors: ErrWrongType, ErrNotFloat (either number),
// ErrNaNOrInf, ErrOutOfMemory, ErrKeyTooLong.
func (tx *Tx) IncrByFloat(k Key, delta []byte) ([]byte, error) { return nil, nil }

// LCSRange is a common substring: bytes AStart..AEnd of the first string equal
// BStart..BEnd of the second, ends included.
type LCSRange struct{ AStart, AEnd, BStart, BEnd int }

// Len returns the length of the range.
func (r LCSRange) Len() int { return r.AEnd - r.AStart + 1 }

// LCSLen returns the length of the longest common subsequence. Memory: linear.
func LCSLen(a, b []byte) int { return 0 }

// LCS returns the longest common subsequence of a and b, and the ranges of it
// that are at least minMatchLen long, last one first, as Redis's LCS IDX.
// Memory is quadratic: ErrLCSTooLarge when it would exceed maxBytes.
func LCS(a, b []byte, minMatchLen int, maxBytes int64) (seq []byte, ranges []LCSRange, err error) {
	return nil, nil, nil
}
