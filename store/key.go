package store

import "respkv/cluster/hashslot"

// Key is a key name with what routing and the index need, computed once.
type Key struct {
	Name []byte
	Slot uint16 // hash slot
	Hash uint32 // index bits: hashBits bits of a hash seeded per process
}

// MakeKey computes the slot and the hash of name. The key aliases name.
func MakeKey(name []byte) Key {
	return Key{Name: name, Slot: hashslot.Slot(name), Hash: hashName(name)}
}

// Shard returns the shard that holds k.
func (k Key) Shard() int { return int(k.Slot) / SlotsPerShard }

// ShardOf returns the shard that holds the keys of slot.
func ShardOf(slot uint16) int { return int(slot) / SlotsPerShard }

func hashName(name []byte) uint32 { return 0 }
