package command

import "errors"

// ErrKeys says that the keys of an argument vector can't be told because the
// vector is malformed. The command will refuse it; no key is touched.
var ErrKeys = errors.New("command: keys of malformed arguments")

// AppendKeys appends to dst the positions in args of the names that route the
// command: its keys, and names that are routed as keys (NotKey). args is the
// whole vector, command name first; its arity need not have been checked. On a
// malformed vector dst comes back as it was, with ErrKeys.
//
// It does not allocate while dst has room.
func (c *Command) AppendKeys(dst []int, args [][]byte) ([]int, error) {
	switch c.keys.kind {
	case keysNone:
		return dst, nil
	case keysRange:
		first, last, ok := c.keys.span(len(args))
		if !ok {
			return dst, ErrKeys
		}
		for i := first; i <= last; i += c.keys.step {
			dst = append(dst, i)
		}
		return dst, nil
	case keysSet, keysBitfield: // one key; only its flags depend on the arguments
		if len(args) < 2 {
			return dst, ErrKeys
		}
		return append(dst, 1), nil
	}
	var buf [16]KeyRef // commands with movable keys seldom have more
	refs, err := c.AppendKeyRefs(buf[:0], args)
	for _, r := range refs {
		dst = append(dst, r.Pos)
	}
	return dst, err
}

// AppendKeyRefs is AppendKeys with what the command does with each key. Where
// that depends on other arguments (VariableFlags), the flags are those that
// these arguments make true.
func (c *Command) AppendKeyRefs(dst []KeyRef, args [][]byte) ([]KeyRef, error) {
	switch c.keys.kind {
	case keysNone:
		return dst, nil
	case keysSet:
		return setKeys(dst, args)
	case keysBitfield:
		return bitfieldKeys(dst, args)
	case keysSort:
		return sortKeys(dst, args, true)
	case keysSortRO:
		return sortKeys(dst, args, false)
	case keysMigrate:
		return migrateKeys(dst, args)
	}
	start := len(dst)
	for i := range c.KeySpecs {
		var ok bool
		if dst, ok = c.KeySpecs[i].appendRefs(dst, args, c.Flags&NoMandatoryKeys != 0); !ok {
			return dst[:start], ErrKeys
		}
	}
	return dst, nil
}

// TakesKeys says whether the command can have keys. NotKey names don't count.
func (c *Command) TakesKeys() bool {
	for i := range c.KeySpecs {
		if c.KeySpecs[i].Flags&NotKey == 0 {
			return true
		}
	}
	return false
}

// keyKind selects how the keys of a command are found.
type keyKind uint8

const (
	keysNone  keyKind = iota
	keysRange         // one spec with a fixed first key: keyPlan has all
	keysSpecs         // as the specs say
	// What specs can't express:
	keysSet
	keysBitfield
	keysSort
	keysSortRO
	keysMigrate
)

// keyPlan is the compiled form of a command's key specs.
type keyPlan struct {
	kind        keyKind
	first, step int
	last        int // relative to first; negative: from the end of the arguments
}

// span gives first and last key position in argc arguments.
func (p *keyPlan) span(argc int) (first, last int, ok bool) {
	first, last = p.first, p.first+p.last
	if p.last < 0 {
		last = argc + p.last
	}
	return first, last, last >= first && last < argc
}

func compileKeys(c *Command) keyPlan {
	switch c.Name {
	case "set":
		return keyPlan{kind: keysSet}
	case "bitfield":
		return keyPlan{kind: keysBitfield}
	case "pfmerge":
		// Without sources the second spec finds no key, and COMMAND GETKEYS says
		// so; but the command runs, on its first key.
		return keyPlan{kind: keysRange, first: 1, step: 1, last: -1}
	case "sort":
		return keyPlan{kind: keysSort}
	case "sort_ro":
		return keyPlan{kind: keysSortRO}
	case "migrate":
		return keyPlan{kind: keysMigrate}
	}
	switch {
	case len(c.KeySpecs) == 0:
		return keyPlan{}
	case len(c.KeySpecs) > 1:
		return keyPlan{kind: keysSpecs}
	}
	s := &c.KeySpecs[0]
	if s.Begin == BeginIndex && s.Find == FindRange && s.Limit == 0 {
		return keyPlan{kind: keysRange, first: s.Index, step: s.KeyStep, last: s.LastKey}
	}
	return keyPlan{kind: keysSpecs}
}

// appendRefs appends the keys that one spec finds. A keyword that is not there
// means no keys, and so does a count of 0 where noneOK; anything else that
// doesn't fit makes ok false.
func (s *KeySpec) appendRefs(dst []KeyRef, args [][]byte, noneOK bool) (_ []KeyRef, ok bool) {
	var first int
	switch s.Begin {
	case BeginIndex:
		first = s.Index
	case BeginKeyword:
		if first, ok = s.afterKeyword(args); !ok {
			return dst, true
		}
	default:
		return dst, false
	}

	last := 0
	switch s.Find {
	case FindRange:
		switch {
		case s.LastKey >= 0:
			last = first + s.LastKey
		case s.Limit == 0:
			last = len(args) + s.LastKey
		default:
			last = first + (len(args)-first)/s.Limit + s.LastKey
		}
	case FindKeyNum:
		at := first + s.KeyNumIdx
		if at >= len(args) {
			return dst, false
		}
		n, valid := parseCount(args[at], len(args))
		if !valid {
			return dst, false
		}
		if n == 0 {
			return dst, noneOK
		}
		first += s.FirstKey
		last = first + (n-1)*s.KeyStep
	default:
		return dst, false
	}
	if last < first || last >= len(args) {
		return dst, false
	}
	for i := first; i <= last; i += s.KeyStep {
		dst = append(dst, KeyRef{i, s.Flags})
	}
	return dst, true
}

// afterKeyword finds the argument after the keyword, forwards from StartFrom
// or backwards when that is negative. As the last argument it has none.
func (s *KeySpec) afterKeyword(args [][]byte) (int, bool) {
	if s.StartFrom >= 0 {
		for i := s.StartFrom; i+1 < len(args); i++ {
			if equalFold(args[i], s.Keyword) {
				return i + 1, true
			}
		}
		return 0, false
	}
	for i := min(len(args)+s.StartFrom, len(args)-2); i > 0; i-- {
		if equalFold(args[i], s.Keyword) {
			return i + 1, true
		}
	}
	return 0, false
}

// parseCount reads a decimal count of at most limit, without sign, blanks or
// leading zeros.
func parseCount(b []byte, limit int) (n int, ok bool) {
	if len(b) == 0 || len(b) > 1 && b[0] == '0' {
		return 0, false
	}
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		if n = n*10 + int(d-'0'); n > limit {
			return 0, false
		}
	}
	return n, true
}

// setKeys: SET key value [GET ...] reads the old value only with GET.
func setKeys(dst []KeyRef, args [][]byte) ([]KeyRef, error) {
	if len(args) < 2 {
		return dst, ErrKeys
	}
	flags := OW | KeyUpdate
	for i := 3; i < len(args); i++ {
		if equalFold(args[i], "get") {
			flags = RW | KeyAccess | KeyUpdate
			break
		}
	}
	return append(dst, KeyRef{1, flags}), nil
}

// bitfieldKeys: BITFIELD with nothing but GET (and OVERFLOW) only reads.
func bitfieldKeys(dst []KeyRef, args [][]byte) ([]KeyRef, error) {
	if len(args) < 2 {
		return dst, ErrKeys
	}
	flags := RO | KeyAccess
	for i := 2; i < len(args); i++ {
		switch {
		case equalFold(args[i], "get") && i+2 < len(args):
			i += 2
		case equalFold(args[i], "overflow") && i+1 < len(args):
			i++
		default: // SET, INCRBY, or a syntax error
			flags = RW | KeyAccess | KeyUpdate
			i = len(args)
		}
	}
	return append(dst, KeyRef{1, flags}), nil
}

// sortKeys: the sorted key and the STORE destination, which may stand among
// options whose values could look like STORE themselves. Keys made from BY and
// GET patterns are not among the arguments.
func sortKeys(dst []KeyRef, args [][]byte, store bool) ([]KeyRef, error) {
	if len(args) < 2 {
		return dst, ErrKeys
	}
	dst = append(dst, KeyRef{1, RO | KeyAccess})
	destination := 0
	for i := 2; store && i < len(args); i++ {
		switch {
		case equalFold(args[i], "limit"):
			i += 2
		case equalFold(args[i], "get"), equalFold(args[i], "by"):
			i++
		case equalFold(args[i], "store") && i+1 < len(args):
			i++
			destination = i // the last one counts
		}
	}
	if destination > 0 {
		dst = append(dst, KeyRef{destination, OW | KeyUpdate})
	}
	return dst, nil
}

// migrateKeys: one key at its fixed place or, where that is empty, any number
// after KEYS, which ends the options.
func migrateKeys(dst []KeyRef, args [][]byte) ([]KeyRef, error) {
	const flags = RW | KeyAccess | KeyDelete
	if len(args) < 6 {
		return dst, ErrKeys
	}
	for i := 6; i < len(args); i++ {
		switch {
		case equalFold(args[i], "auth"):
			i++
		case equalFold(args[i], "auth2"):
			i += 2
		case equalFold(args[i], "keys") && i+1 < len(args):
			if len(args[3]) > 0 {
				return dst, ErrKeys
			}
			for i++; i < len(args); i++ {
				dst = append(dst, KeyRef{i, flags})
			}
			return dst, nil
		}
	}
	return append(dst, KeyRef{3, flags}), nil
}

// legacyRange is the key range that clients older than key specs understand:
// the specs with a fixed position that touch each other, as one range.
func legacyRange(specs []KeySpec) (first, last, step int) {
	const open = 1 << 30 // up to the last argument, whatever it is
	first, last, step = open, 0, 0
	previousLast := 0
	for i := range specs {
		s := &specs[i]
		if s.Begin != BeginIndex || s.Find != FindRange {
			continue
		}
		if s.KeyStep > 1 && len(specs) > 1 {
			continue // keys of several specs can't interleave
		}
		if first != open && s.Index != previousLast+1 {
			continue // a gap
		}
		if s.Index < first {
			first = s.Index
		}
		step = s.KeyStep
		end := open + s.LastKey
		if s.LastKey >= 0 {
			end = s.Index + s.LastKey
		}
		previousLast = end
		last = max(last, end)
	}
	if first == open {
		return 0, 0, 0
	}
	if last >= open/2 {
		last -= open
	}
	return first, last, step
}
