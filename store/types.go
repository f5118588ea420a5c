package store

// Type is the type of a value. Persisted in payloads: append only, below 8.
type Type uint8

// Types of values.
const (
	TypeString Type = 0
	TypeList   Type = 1
	TypeSet    Type = 2
	TypeZSet   Type = 3
	TypeHash   Type = 4
	TypeStream Type = 5

	// TypeNone is the answer for a key that does not exist; never stored.
	TypeNone Type = 255
)

// String returns the name that TYPE replies with.
func (t Type) String() string {
	switch t {
	case TypeString:
		return "string"
	case TypeList:
		return "list"
	case TypeSet:
		return "set"
	case TypeZSet:
		return "zset"
	case TypeHash:
		return "hash"
	case TypeStream:
		return "stream"
	default:
		return "none"
	}
}

// Encoding is the form in which a value is held. Persisted in payloads:
// append only, below 15.
type Encoding uint8

// Encodings of values.
const (
	EncodingInt       Encoding = 0 // decimal text of an int64, canonical
	EncodingEmbStr    Encoding = 1 // up to 44 bytes, never modified in place
	EncodingRaw       Encoding = 2
	EncodingListpack  Encoding = 3
	EncodingIntset    Encoding = 4
	EncodingQuicklist Encoding = 5
	EncodingHashtable Encoding = 6
	EncodingSkiplist  Encoding = 7
	EncodingStream    Encoding = 8
	// EncodingListpackEx is a listpack of fields, values and deadlines: a
	// small hash that has fields with a deadline.
	EncodingListpackEx Encoding = 9

	// encodingPackedSet is a small set held as one packed value. Internal:
	// reported as EncodingHashtable, which is what Redis 7.0 has for it.
	encodingPackedSet Encoding = 13
	// encodingPackedList is a small list held as one packed value. Internal:
	// reported as EncodingQuicklist.
	encodingPackedList Encoding = 14
	// encodingRawExternal is EncodingRaw with the bytes in a mapping of
	// their own. Internal: never reported, never in a payload.
	encodingRawExternal Encoding = 15
)

// String returns the name that OBJECT ENCODING replies with.
func (e Encoding) String() string {
	switch e {
	case EncodingInt:
		return "int"
	case EncodingEmbStr:
		return "embstr"
	case EncodingRaw, encodingRawExternal:
		return "raw"
	case EncodingListpack:
		return "listpack"
	case EncodingIntset:
		return "intset"
	case EncodingListpackEx:
		return "listpackex"
	case EncodingQuicklist, encodingPackedList:
		return "quicklist"
	case EncodingHashtable, encodingPackedSet:
		return "hashtable"
	case EncodingSkiplist:
		return "skiplist"
	case EncodingStream:
		return "stream"
	default:
		return "unknown"
	}
}
