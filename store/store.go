// Package store is the keyspace of a node: values by database, hash slot and
// key, held outside the Go heap so that the garbage collector never walks the
// data set.
//
// The keyspace is cut into 256 shards of 64 contiguous slots. Every shard has
// its own lock, index and small-object heap; an operation runs under the lock
// of its key's shard, which the caller holds. No operation reads a clock: the
// time comes in with the Tx.
package store

import (
	"errors"
	"fmt"

	"respkv/cluster/hashslot"
)

const (
	// Shards is the number of independently locked parts of the keyspace.
	Shards = 256

	// SlotsPerShard is the number of contiguous hash slots in one shard.
	SlotsPerShard = hashslot.Count / Shards

	// MaxDatabases bounds Options.Databases. Every database costs one
	// pointer and three counters per shard even while it is empty.
	MaxDatabases = 4096
)

// Errors. Each names what the caller was doing; none is wrapped by this
// package, so == works.
var (
	ErrWrongType      = errors.New("store: value has another type")
	ErrNoSuchKey      = errors.New("store: no such key")
	ErrKeyExists      = errors.New("store: key exists")
	ErrNotInteger     = errors.New("store: value is not an integer or out of range")
	ErrOverflow       = errors.New("store: increment or decrement would overflow")
	ErrNotFloat       = errors.New("store: value is not a valid float")
	ErrNaNOrInf       = errors.New("store: increment would produce NaN or infinity")
	ErrTooLong        = errors.New("store: string exceeds the maximum length")
	ErrKeyTooLong     = errors.New("store: key exceeds the maximum length")
	ErrOutOfMemory    = errors.New("store: out of memory")
	ErrBadPayload     = errors.New("store: malformed value payload")
	ErrLCSTooLarge    = errors.New("store: strings too long for LCS")
	ErrHashNotInteger = errors.New("store: hash value is not an integer")
	ErrHashNotFloat   = errors.New("store: hash value is not a float")
	ErrSameObject     = errors.New("store: source and destination objects are the same")
	ErrNotHLL         = errors.New("store: value is not a HyperLogLog")
	ErrBrokenHLL      = errors.New("store: value is a broken HyperLogLog")
)

// Hooks are called by the store while the lock of the key's shard is held.
type Hooks interface {
	// Expired says that a key past its deadline is being removed; to other
	// operations it is gone already. k.Name is valid during the call only.
	// It must not call back into the store.
	Expired(db int, k Key)

	// FieldsExpired says the same of fields of the hash at k, which goes with
	// its last field. The names are valid during the call only.
	FieldsExpired(db int, k Key, fields [][]byte, all bool)
}

// Options configure a Store.
type Options struct {
	// Databases is the number of databases, 1..MaxDatabases; 0 means 16.
	Databases int
	// Hooks may be nil.
	Hooks Hooks
	// MaxStringLength bounds the length of a string value in bytes (Redis's
	// proto-max-bulk-len); 0 means 512 MB. See also SetMaxStringLength.
	MaxStringLength int64
	// HugePages puts data on huge pages of 2 MB where it fills them, if the
	// system has them; see also HugePageStep.
	HugePages bool
}

func (o *Options) validate() error {
	if o.Databases == 0 {
		o.Databases = 16
	}
	if o.Databases < 1 || o.Databases > MaxDatabases {
		return fmt.Errorf("store: databases %d out of range 1..%d", o.Databases, MaxDatabases)
	}
	if o.MaxStringLength == 0 {
		o.MaxStringLength = 512 << 20
	}
	if o.MaxStringLength < 1 {
		return fmt.Errorf("store: maximum string length %d is not positive", o.MaxStringLength)
	}
	return nil
}
