// Package rdb is Redis's RDB encoding: values as DUMP and RESTORE exchange them,
// and files of them. It reads versions 1 to 12 and writes version 10, or 12 where
// a value has no form in version 10.
//
// The package is pure: it knows bytes and elements, neither the keyspace nor the
// file system. What it reads comes from strangers: every length is checked before
// anything is allocated or looked at, packed values are walked entry by entry, and
// what they hold is handed to a Sink as elements, never as bytes to be trusted.
package rdb

// Versions of the format.
const (
	// Version is what is written: that of Redis 7.0.
	Version = 10
	// VersionFieldExpiry is what is written where a hash has fields with a
	// deadline: that of Redis 7.4, the first to know them.
	VersionFieldExpiry = 12
	// MaxVersion is the newest that is read.
	MaxVersion = 12
)

// Type is the type of a value with its encoding: the byte before a key.
type Type uint8

// Types. They are Redis's and never change.
const (
	TypeString              Type = 0
	TypeList                Type = 1
	TypeSet                 Type = 2
	TypeZSet                Type = 3 // scores as text
	TypeHash                Type = 4
	TypeZSet2               Type = 5 // scores as binary doubles
	TypeModule              Type = 6
	TypeModule2             Type = 7
	TypeHashZipmap          Type = 9
	TypeListZiplist         Type = 10
	TypeSetIntset           Type = 11
	TypeZSetZiplist         Type = 12
	TypeHashZiplist         Type = 13
	TypeListQuicklist       Type = 14 // nodes are ziplists
	TypeStreamListpacks     Type = 15
	TypeHashListpack        Type = 16
	TypeZSetListpack        Type = 17
	TypeListQuicklist2      Type = 18 // nodes are listpacks, or single elements
	TypeStreamListpacks2    Type = 19 // first ID, largest deleted ID, entries added
	TypeSetListpack         Type = 20
	TypeStreamListpacks3    Type = 21 // when consumers were active last
	TypeHashMetadataPreGA   Type = 22 // fields with absolute deadlines
	TypeHashListpackExPreGA Type = 23
	TypeHashMetadata        Type = 24 // fields with deadlines from the earliest on
	TypeHashListpackEx      Type = 25
	quicklistNodePlain           = 1 // of TypeListQuicklist2: one element
	quicklistNodePacked          = 2 // a listpack
)

// Opcodes of a file, where a type could stand.
const (
	opSlotInfo     = 244 // Redis 8: slot, keys, keys with deadline
	opFunction2    = 245
	opFunctionPre  = 246
	opModuleAux    = 247
	opIdle         = 248
	opFreq         = 249
	opAux          = 250
	opResizeDB     = 251
	opExpireMillis = 252
	opExpireSecs   = 253
	opSelectDB     = 254
	opEOF          = 255
)

// Lengths: the upper two bits of the first byte.
const (
	len6   = 0
	len14  = 1
	len32  = 0x80
	len64  = 0x81
	lenEnc = 3

	encInt8  = 0
	encInt16 = 1
	encInt32 = 2
	encLZF   = 3
)
