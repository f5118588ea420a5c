package store

import (
	"hash/maphash"

	"respkv/cluster/hashslot"
)

// Key is a key name with what routing and the index need, computed once.
type Key struct {
	Name []byte
	Slot uint16 // hash slot
	Hash uint32 // 21 index bits; seeded per process, never to be sent or stored
}

// hashSeed differs from process to process: nobody can choose keys that
// collide.
var hashSeed = maphash.MakeSeed()

// MakeKey computes the slot and the hash of name. The key aliases name.
func MakeKey(name []byte) Key {
	return Key{
		Name: name,
		Slot: hashslot.Slot(name),
		Hash: uint32(maphash.Bytes(hashSeed, name) >> (64 - hashBits)),
	}
}

// Shard returns the shard that holds k.
func (k Key) Shard() int { return int(k.Slot) / SlotsPerShard }

// ShardOf returns the shard that holds the keys of slot.
func ShardOf(slot uint16) int { return int(slot) / SlotsPerShard }
