package replication

import (
	"context"
	"net"
)

// Flags of an effect. They travel with it unchanged. Append only: they go over
// the wire.
const (
	// FlagGroup marks an effect that is followed by another one of the same
	// slot and the same transaction or script. A replica applies such a group
	// at once (ApplyGroup), or, if the link breaks or the primary fails within
	// it, not at all.
	FlagGroup uint8 = 1 << iota
)

// Applier executes effects on the keyspace of a replica.
type Applier interface {
	// Apply executes one effect and calls after exactly once, under the lock
	// of the slot's shard, after the effect took place (or failed): the slot's
	// position moves there. args are the link's memory and only valid until
	// Apply returns. It is called from one goroutine per link and must not be
	// called with a shard lock held. An error means that the copy may differ
	// from its primary: the link counts and logs it and copies the slot anew.
	Apply(slot uint16, db int, args [][]byte, after func()) error
	// ApplyGroup is Apply for n effects that nobody may see a part of: effect
	// returns effect i, to be called for each once and in order, and after is
	// called with i after that effect took place (or failed). It stops at the
	// first error.
	ApplyGroup(slot uint16, n int, effect func(i int) (db int, args [][]byte), after func(i int)) error
	// Expect says that effects on such keys, each with its database, will be
	// applied in a moment, so that what they hold can be on its way to the
	// processor. It is a hint: the effects may not come, and nothing has been
	// checked. names are valid during the call only. It must not wait for a
	// lock.
	Expect(dbs []int, names [][]byte)
	// Keys returns the names of all keys that an effect reads or writes. They
	// may alias args. None means that the effect concerns the slot as a whole
	// (FLUSHDB, SWAPDB). It must be safe for concurrent use.
	Keys(args [][]byte) [][]byte
}

// Slots gives access to whole slots of the keyspace, for full resync. Entries
// are opaque to replication: the complete state of one key of one database
// (name, database, value, deadline), or the fact that it does not exist.
type Slots interface {
	// SnapshotStep takes the lock of the slot's shard, calls emit for some
	// keys of the slot (all databases), calls at under the same lock, and
	// returns the cursor to go on with; done says that there is no next step.
	// A step starts with cursor 0 and stops after about budget bytes, but
	// emits at least one key, however large, unless it is done. A key that
	// exists during the whole scan is emitted at least once. key and entry
	// passed to emit are only valid during the call. A nil entry says that the
	// value of the key is too large to be read in a step.
	SnapshotStep(slot uint16, cursor uint64, budget int, emit func(key, entry []byte), at func()) (next uint64, done bool, err error)
	// SnapshotKeys takes the lock of the slot's shard, calls emit with the
	// complete state of each named key in every database, an entry that says
	// "does not exist" where it does not, then calls at under the same lock.
	// For a nil entry see SnapshotStep.
	SnapshotKeys(slot uint16, keys [][]byte, emit func(key, entry []byte), at func()) error
	// SnapshotValue is SnapshotKeys in steps, for one key with a large value;
	// whole: in one step. It takes no lock; its methods do.
	SnapshotValue(slot uint16, key []byte, whole bool) Snapshot
	// ClearSlot removes every key of the slot, in all databases. It may take
	// the lock several times.
	ClearSlot(slot uint16) error
	// LoadEntry makes one key what entry says, replacing whatever is there.
	// entry comes from the network: it has to be checked. The memory is the
	// caller's again on return.
	LoadEntry(slot uint16, entry []byte) error
	// SlotKeyCount returns how many keys the slot holds, for progress reports.
	SlotKeyCount(slot uint16) int
	// WithSlot calls fn with the lock of the slot's shard held.
	WithSlot(slot uint16, fn func())
}

// Snapshot reads the state of one key, in short steps. Its entries are to be
// loaded in their order, and replace the key when the last one is loaded. Until
// then the first entry of another Snapshot takes the place of all before.
type Snapshot interface {
	// Step takes the lock of the slot's shard, emits some entries and calls at
	// under the same lock. done: they were the last ones, and all entries
	// together are the state of the key at this moment. changed: the key was
	// changed since the first step; nothing was emitted, and nothing will be.
	// An entry is only valid during the call.
	Step(emit func(entry []byte), at func()) (done, changed bool)
	// Close ends the reading; due after the last step.
	Close()
}

// Dialer opens a connection to the replication port of a primary. It honours
// ctx.
type Dialer func(ctx context.Context) (net.Conn, error)
