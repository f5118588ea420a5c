package store

import "encoding/binary"

// externals are the values of a shard that have a mapping of their own.
type externals struct {
	regions [][]byte // by number; nil: free
	free    []uint32
	bytes   int64 // mapped

	// Those of an object count in foreign of its shard's.
	parent  *externals
	foreign int64
}

func (x *externals) account(n int) {
	x.bytes += int64(n)
	if x.parent != nil {
		x.parent.foreign += int64(n)
	}
}

const pageSize = 4096

// newRegion maps a region for n bytes of value; all zero.
func (a *arena) newRegion(n int) ([]byte, error) {
	mem, err := mapMemory((n + pageSize - 1) &^ (pageSize - 1))
	if err != nil {
		return nil, ErrOutOfMemory
	}
	a.usage.regions.Add(int64(len(mem)))
	return mem, nil
}

// growRegion makes a region, which is gone then, one for n bytes, with what it holds and
// zero bytes after that. Not ok: it stays as it was.
func (a *arena) growRegion(mem []byte, n int) (grown []byte, ok bool) {
	grown, err := remapMemory(mem, (n+pageSize-1)&^(pageSize-1))
	if err != nil {
		return nil, false
	}
	a.usage.regions.Add(int64(len(grown) - len(mem)))
	return grown, true
}

// freeRegion cannot fail for a whole mapping that newRegion made.
func (a *arena) freeRegion(mem []byte) {
	a.usage.regions.Add(-int64(len(mem)))
	_ = unmapMemory(mem)
}

// adopt takes over a region and returns its number.
func (x *externals) adopt(mem []byte) uint32 {
	x.account(len(mem))
	if n := len(x.free); n > 0 {
		id := x.free[n-1]
		x.free = x.free[:n-1]
		x.regions[id] = mem
		return id
	}
	x.regions = append(x.regions, mem)
	return uint32(len(x.regions) - 1)
}

// replace puts a region in the place of another one.
func (x *externals) replace(id uint32, mem []byte) {
	x.account(len(mem) - len(x.regions[id]))
	x.regions[id] = mem
}

// release hands the region to the caller; its number is free.
func (x *externals) release(id uint32) []byte {
	mem := x.regions[id]
	x.regions[id] = nil
	x.free = append(x.free, id)
	x.account(-len(mem))
	return mem
}

// external returns region number and length of the value; only for
// encodingRawExternal.
func (r *record) external() (id uint32, n int) {
	v := r.inline()
	return binary.LittleEndian.Uint32(v), int(binary.LittleEndian.Uint64(v[4:]))
}

func (r *record) setExternal(id uint32, n int) {
	v := r.inline()
	binary.LittleEndian.PutUint32(v, id)
	binary.LittleEndian.PutUint64(v[4:], uint64(n))
}
