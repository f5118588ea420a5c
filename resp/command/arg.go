package command

// ArgType is the type of a documented argument.
type ArgType uint8

// The argument types.
const (
	TypeString ArgType = iota
	TypeInteger
	TypeDouble
	TypeKey       // a key name
	TypePattern   // a glob pattern
	TypeUnixTime  // integer, Unix time
	TypePureToken // a literal word, Token
	TypeOneOf     // one of Args
	TypeBlock     // all of Args, in order
)

var argTypeNames = [...]string{
	"string", "integer", "double", "key", "pattern", "unix-time",
	"pure-token", "oneof", "block",
}

func (t ArgType) String() string { return argTypeNames[t] }

// ArgFlags qualify a documented argument.
type ArgFlags uint8

// The argument flags.
const (
	Optional      ArgFlags = 1 << iota
	Multiple               // may be repeated
	MultipleToken          // repeated together with its token
)

// Names lists the flags as COMMAND DOCS shows them.
func (f ArgFlags) Names() []string {
	var names []string
	if f&Optional != 0 {
		names = append(names, "optional")
	}
	if f&Multiple != 0 {
		names = append(names, "multiple")
	}
	if f&MultipleToken != 0 {
		names = append(names, "multiple_token")
	}
	return names
}

// Arg is one documented argument.
type Arg struct {
	Name            string
	Type            ArgType
	Flags           ArgFlags
	Token           string // literal word before the argument, empty for none
	KeySpec         int    // index into Command.KeySpecs, -1 when the argument is no key
	Since           string // Redis version that added it, empty: the command's
	DeprecatedSince string
	Args            []Arg // TypeOneOf, TypeBlock
}
