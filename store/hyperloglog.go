package store

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// A HyperLogLog is a string of Redis's form, byte for byte:
//
//	0   "HYLL"
//	4   form: 0 dense, 1 sparse
//	5   three bytes, 0
//	8   cached cardinality, 8 bytes little-endian; bit 63 set: out of date
//	16  registers, dense or sparse
//
// A dense one has 16384 registers of 6 bits, each beginning at the least
// significant bit left in its byte. See hyperloglog_sparse.go for the other.
//
// Source: the description in redis-server's hyperloglog.c.
const (
	// HLLRegisters is the number of registers of a HyperLogLog.
	HLLRegisters = hllRegisters

	hllRegisters   = 1 << hllIndexBits
	hllIndexBits   = 14
	hllHashBits    = 64 - hllIndexBits // of the hash, that make the register's value
	hllHeader      = 16
	hllForm        = 4 // offsets
	hllCache       = 8
	hllDense       = 0 // forms
	hllSparse      = 1
	hllDenseLength = hllHeader + hllRegisters*6/8

	// hllSparseMost is longer than every valid sparse one: each of at most
	// 16384 codes takes at most two bytes.
	hllSparseMost = hllHeader + 2*hllRegisters

	// DefaultHLLSparseMaxBytes is what SetHLLSparseMaxBytes is at first.
	DefaultHLLSparseMaxBytes = 3000
)

// hllMagic begins the value.
const hllMagic = "HYLL"

// hllEmpty is a new one: sparse, with one run of zeros.
var hllEmpty = []byte(hllMagic + "\x01\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x7f\xff")

// SetHLLSparseMaxBytes sets the length in bytes above which HyperLogLogs become
// dense. Safe at any time.
func (s *Store) SetHLLSparseMaxBytes(n int64) { s.hllSparseMax.Store(n) }

// CheckHLL says whether value looks like a HyperLogLog; a sparse one may still
// turn out to be broken. Error: ErrNotHLL.
func CheckHLL(value []byte) error {
	if len(value) < hllHeader || string(value[:len(hllMagic)]) != hllMagic || value[hllForm] > hllSparse ||
		value[hllForm] == hllDense && len(value) != hllDenseLength {
		return ErrNotHLL
	}
	return nil
}

// IsDenseHLL says whether a value that CheckHLL accepts is in the dense form.
func IsDenseHLL(value []byte) bool { return isDense(value) }

// ReadHLL returns the registers of a dense HyperLogLog.
func ReadHLL(value []byte) *[HLLRegisters]uint8 {
	var registers [HLLRegisters]uint8
	eachDense(value, func(i int, v uint8) { registers[i] = v })
	return &registers
}

func isDense(value []byte) bool { return value[hllForm] == hllDense }

// outdate marks the cached cardinality as out of date.
func outdate(value []byte) { value[hllCache+7] |= 0x80 }

// cachedCount returns the cached cardinality, if it is valid.
func cachedCount(value []byte) (count int64, valid bool) {
	count = int64(binary.LittleEndian.Uint64(value[hllCache:]))
	return count, count >= 0
}

// hllHash returns the register that an element belongs to, and the value it
// raises it to: the place of the first 1 in the rest of its hash.
func hllHash(element []byte) (register int, value uint8) {
	h := murmur64A(element, 0xadc83b19)
	rest := h>>hllIndexBits | 1<<hllHashBits
	return int(h & (hllRegisters - 1)), uint8(bits.TrailingZeros64(rest) + 1)
}

// murmur64A is MurmurHash2, 64-bit version for 64-bit processors.
func murmur64A(b []byte, seed uint64) uint64 {
	const (
		m = 0xc6a4a7935bd1e995
		r = 47
	)
	h := seed ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		k = (k ^ k>>r) * m
		h = (h ^ k) * m
	}
	if len(b) > 0 {
		var rest uint64
		for i, c := range b {
			rest |= uint64(c) << (8 * i)
		}
		h = (h ^ rest) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}

// PFAdd adds elements to the HyperLogLog at k, which is made if it is missing.
// added is how many of them changed it; making it counts as one. Errors:
// ErrWrongType, ErrNotHLL, ErrBrokenHLL, ErrOutOfMemory, ErrKeyTooLong; then
// nothing has changed.
func (tx *Tx) PFAdd(k Key, elements [][]byte) (added int, change StringChange, err error) {
	it, err := tx.useString(k)
	if err != nil {
		return 0, Unchanged, err
	}
	value := hllEmpty
	if it.live {
		value = it.sh.value(&it.rec)
		if err := CheckHLL(value); err != nil {
			return 0, Unchanged, err
		}
	} else {
		added = 1
	}
	if isDense(value) {
		if value, change, err = tx.openString(&it, k, len(value)); err != nil {
			return 0, Unchanged, err
		}
		for _, e := range elements {
			if raiseDense(value, e) {
				added++
			}
		}
		if added > 0 {
			outdate(value)
			change = Changed
		}
		return added, change, nil
	}
	if len(value) > hllSparseMost {
		return 0, Unchanged, ErrBrokenHLL
	}
	var few [4096]byte
	work := append(few[:0], value...)
	most := tx.Store.hllSparseMax.Load()
	for _, e := range elements {
		var raised bool
		if isDense(work) {
			raised = raiseDense(work, e)
		} else {
			register, v := hllHash(e)
			if work, raised, err = raiseSparse(work, register, v, most, &sparsePlace{}); err != nil {
				return 0, Unchanged, err
			}
		}
		if raised {
			added++
		}
	}
	if added == 0 {
		_, change, err = tx.openString(&it, k, len(value))
		return 0, change, err
	}
	outdate(work)
	if err := tx.replaceString(&it, k, work); err != nil {
		return 0, Unchanged, err
	}
	return added, Changed, nil
}

// PFCount returns the estimated number of distinct elements of the HyperLogLog
// at k. With keep it is cached in the value where it was not. Errors:
// ErrWrongType, ErrNotHLL, ErrBrokenHLL; then nothing has changed.
func (tx *Tx) PFCount(k Key, keep bool) (count int64, found bool, change StringChange, err error) {
	it, err := tx.useString(k)
	if err != nil || !it.live {
		return 0, it.live, Unchanged, err
	}
	value := it.sh.value(&it.rec)
	if err := CheckHLL(value); err != nil {
		return 0, true, Unchanged, err
	}
	count, valid := cachedCount(value)
	if !valid {
		var counts hllHistogram
		if isDense(value) {
			counts.dense(value)
		} else if !counts.sparse(value) {
			return 0, true, Unchanged, ErrBrokenHLL
		}
		count = counts.estimate()
	}
	if !keep {
		return count, true, Unchanged, nil
	}
	value, change, err = tx.openString(&it, k, len(value))
	if err != nil {
		return count, true, Unchanged, nil // no memory to cache it: so be it
	}
	if !valid {
		binary.LittleEndian.PutUint64(value[hllCache:], uint64(count))
		change = Changed
	}
	return count, true, change, nil
}

// HLLUnion is the union of HyperLogLogs.
type HLLUnion struct {
	registers [hllRegisters]uint8
	anyDense  bool
	work      []byte
}

var unions = sync.Pool{New: func() any { return new(HLLUnion) }}

// NewHLLUnion returns an empty union, to be released after use.
func NewHLLUnion() *HLLUnion { return unions.Get().(*HLLUnion) }

// Release gives the union back: it must not be used any more.
func (u *HLLUnion) Release() {
	*u = HLLUnion{work: u.work[:0]}
	unions.Put(u)
}

// Add adds the HyperLogLog value. Errors: ErrNotHLL, ErrBrokenHLL; the union is
// undefined then.
func (u *HLLUnion) Add(value []byte) error {
	if err := CheckHLL(value); err != nil {
		return err
	}
	if isDense(value) {
		u.anyDense = true
		eachDense(value, func(i int, v uint8) { u.registers[i] = max(u.registers[i], v) })
		return nil
	}
	ok := eachRun(value, func(first, n int, v uint8) {
		for i := first; i < first+n; i++ {
			u.registers[i] = max(u.registers[i], v)
		}
	})
	if !ok {
		return ErrBrokenHLL
	}
	return nil
}

// Count returns the estimated number of distinct elements.
func (u *HLLUnion) Count() int64 {
	var counts hllHistogram
	for _, v := range u.registers {
		counts[v&63]++
	}
	return counts.estimate()
}

// PFMerge stores the union at k: what is there has been added to it. Errors:
// ErrWrongType, ErrNotHLL, ErrBrokenHLL, ErrOutOfMemory, ErrKeyTooLong; then
// nothing has changed.
func (tx *Tx) PFMerge(k Key, u *HLLUnion) error {
	it, err := tx.useString(k)
	if err != nil {
		return err
	}
	value := hllEmpty
	if it.live {
		value = it.sh.value(&it.rec)
		if err := CheckHLL(value); err != nil {
			return err
		}
	}
	work := u.work[:0]
	if !u.anyDense && !isDense(value) {
		work, err = u.sparse(append(work, value...), tx.Store.hllSparseMax.Load())
		if err != nil {
			return err
		}
	} else {
		work = u.dense(work, value)
	}
	u.work = work
	outdate(work)
	return tx.replaceString(&it, k, work)
}

// sparse raises the registers of the sparse value work to those of the union.
// It becomes dense when it gets too long.
func (u *HLLUnion) sparse(work []byte, most int64) ([]byte, error) {
	var place sparsePlace // the registers ascend: each is found from the last one on
	for i, v := range u.registers {
		if v == 0 {
			continue
		}
		var err error
		if work, _, err = raiseSparse(work, i, v, most, &place); err != nil {
			return nil, err
		}
		if isDense(work) {
			return u.dense(nil, work), nil
		}
	}
	return work, nil
}

// dense appends the union in the dense form, with the header of value.
func (u *HLLUnion) dense(work, value []byte) []byte {
	work = append(work, value[:hllHeader]...)
	work[hllForm] = hllDense
	work = append(work, make([]byte, hllDenseLength-hllHeader)...)
	for i, v := range u.registers {
		if v != 0 {
			setDense(work, i, v)
		}
	}
	return work
}

// HLLToDense makes the HyperLogLog at k dense, for PFDEBUG, and returns its
// value. converted: it was sparse. Errors: ErrWrongType, ErrNotHLL,
// ErrBrokenHLL, ErrNoSuchKey, ErrOutOfMemory; then nothing has changed.
func (tx *Tx) HLLToDense(k Key) (value []byte, converted bool, err error) {
	it, err := tx.useString(k)
	if err != nil {
		return nil, false, err
	}
	if !it.live {
		return nil, false, ErrNoSuchKey
	}
	value = it.sh.value(&it.rec)
	if err := CheckHLL(value); err != nil || isDense(value) {
		return value, false, err
	}
	dense, ok := sparseToDense(value)
	if !ok {
		return nil, false, ErrBrokenHLL
	}
	if err := tx.replaceString(&it, k, dense); err != nil {
		return nil, false, err
	}
	return dense, true, nil
}
