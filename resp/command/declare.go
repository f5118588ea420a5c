package command

// The constructors in this file keep the declared entries short and readable.

// at is a spec of one key at a fixed position.
func at(index int, flags KeyFlags) KeySpec {
	return keyRange(index, 0, 1, flags)
}

// keyRange is a spec of keys from a fixed position to last (relative, or from
// the end when negative).
func keyRange(index, last, step int, flags KeyFlags) KeySpec {
	return KeySpec{Begin: BeginIndex, Index: index, Find: FindRange, LastKey: last, KeyStep: step, Flags: flags}
}

// keyNum is a spec of keys that follow their count, which is at a fixed position.
func keyNum(index int, flags KeyFlags) KeySpec {
	return KeySpec{Begin: BeginIndex, Index: index, Find: FindKeyNum, FirstKey: 1, KeyStep: 1, Flags: flags}
}

// afterWord is a spec of one key after a keyword.
func afterWord(keyword string, startFrom int, flags KeyFlags) KeySpec {
	return KeySpec{Begin: BeginKeyword, Keyword: keyword, StartFrom: startFrom, Find: FindRange, KeyStep: 1, Flags: flags}
}

// elsewhere is a spec of keys that can't be described.
func elsewhere(flags KeyFlags) KeySpec { return KeySpec{Flags: flags} }

func (s KeySpec) note(text string) KeySpec { s.Notes = text; return s }

// upTo extends a spec to a range of keys.
func (s KeySpec) upTo(last, step, limit int) KeySpec {
	s.LastKey, s.KeyStep, s.Limit = last, step, limit
	return s
}

func str(name string) Arg      { return Arg{Name: name, Type: TypeString, KeySpec: -1} }
func integer(name string) Arg  { return Arg{Name: name, Type: TypeInteger, KeySpec: -1} }
func double(name string) Arg   { return Arg{Name: name, Type: TypeDouble, KeySpec: -1} }
func pattern(name string) Arg  { return Arg{Name: name, Type: TypePattern, KeySpec: -1} }
func unixTime(name string) Arg { return Arg{Name: name, Type: TypeUnixTime, KeySpec: -1} }

// key is a key argument that the spec of that number finds.
func key(name string, spec int) Arg { return Arg{Name: name, Type: TypeKey, KeySpec: spec} }

// word is a literal word.
func word(name, token string) Arg {
	return Arg{Name: name, Type: TypePureToken, Token: token, KeySpec: -1}
}

func oneOf(name string, args ...Arg) Arg {
	return Arg{Name: name, Type: TypeOneOf, KeySpec: -1, Args: args}
}

func block(name string, args ...Arg) Arg {
	return Arg{Name: name, Type: TypeBlock, KeySpec: -1, Args: args}
}

// token puts a literal word before the argument.
func (a Arg) token(word string) Arg { a.Token = word; return a }

// opt marks an argument that may be left out.
func (a Arg) opt() Arg { a.Flags |= Optional; return a }

// many marks an argument that may be repeated.
func (a Arg) many() Arg { a.Flags |= Multiple; return a }

// manyTokens marks an argument that may be repeated with its token.
func (a Arg) manyTokens() Arg { a.Flags |= Multiple | MultipleToken; return a }

// since gives the version that added the argument.
func (a Arg) since(version string) Arg { a.Since = version; return a }

// until gives the version that deprecated the argument.
func (a Arg) until(version string) Arg { a.DeprecatedSince = version; return a }

// spec ties an argument that is no key itself to a key spec.
func (a Arg) spec(n int) Arg { a.KeySpec = n; return a }
