package command

// KeyFlags say what a command does with a key.
type KeyFlags uint16

// The key flags. Exactly one of the first four is set on each key; they speak
// of the value's bytes. The next four speak of the user's data in the key.
const (
	RO KeyFlags = 1 << iota // reads the value
	RW                      // reads and changes the value, or part of it
	OW                      // overwrites the value without looking at it
	RM                      // deletes the key without looking at the value

	KeyAccess // returns or copies user data, or acts on it
	KeyUpdate // changes existing user data
	KeyInsert // adds user data and changes none
	KeyDelete // deletes user data

	NotKey        // not a key, but routed as one (SPUBLISH)
	Incomplete    // the spec may miss keys
	VariableFlags // the flags depend on other arguments
)

var keyFlagNames = [...]string{
	"RO", "RW", "OW", "RM", "access", "update", "insert", "delete",
	"not_key", "incomplete", "variable_flags",
}

// Names lists the flags as COMMAND shows them.
func (f KeyFlags) Names() []string {
	var names []string
	for i, n := range keyFlagNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// BeginSearch says how the first key of a key spec is found.
type BeginSearch uint8

// The ways to find the first key.
const (
	BeginUnknown BeginSearch = iota // cannot be described
	BeginIndex                      // at argument Index
	BeginKeyword                    // after Keyword, looked for from StartFrom
)

// FindKeys says how the keys that follow the first are found.
type FindKeys uint8

// The ways to find the remaining keys.
const (
	FindUnknown FindKeys = iota // cannot be described
	FindRange                   // LastKey, KeyStep, Limit
	FindKeyNum                  // a count among the arguments: KeyNumIdx, FirstKey, KeyStep
)

// KeySpec describes where some keys of a command are. See "key specifications"
// in the Redis documentation; the fields have the names used there.
type KeySpec struct {
	Notes string
	Flags KeyFlags

	Begin     BeginSearch
	Index     int    // BeginIndex: position of the first key
	Keyword   string // BeginKeyword
	StartFrom int    // BeginKeyword: search from here; negative: from the end, backwards

	Find      FindKeys
	LastKey   int // FindRange: relative to the first key; negative: to the last argument
	Limit     int // FindRange with LastKey -1: the keys are one Limit-th of the arguments
	KeyNumIdx int // FindKeyNum: position of the count, relative to the first key
	FirstKey  int // FindKeyNum: position of the first key, relative to the same
	KeyStep   int // distance between keys
}

// KeyRef is one key in an argument vector.
type KeyRef struct {
	Pos   int // index into the arguments
	Flags KeyFlags
}
