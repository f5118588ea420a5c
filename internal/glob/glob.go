// Package glob matches names against the patterns of KEYS, SCAN, PSUBSCRIBE and
// CONFIG GET.
//
// A pattern is a sequence of elements: * (any number of bytes), ? (one byte),
// [...] (one byte of a set: bytes, ranges, \ before a byte takes it literally,
// ^ in front inverts), \x (the byte x) and bytes that stand for themselves. A
// set that is not closed ends with the pattern. Bytes, not characters: patterns
// know no encoding.
//
// Source: the KEYS command page, and what redis-server 7.0.15 answers in the
// corners that it leaves open.
package glob

// Match reports whether all of name matches pattern. It takes time in the order
// of len(pattern)*len(name) at worst, and constant memory.
func Match(pattern, name []byte) bool { return match(pattern, name, false) }

// MatchFold is Match that does not tell ASCII upper and lower case apart, but
// for a byte after \ in a set.
func MatchFold(pattern, name []byte) bool { return match(pattern, name, true) }

// match goes back to the last * only: every element but * takes exactly one
// byte, so what an earlier * could still reach, the last one reaches too.
func match(pattern, name []byte, fold bool) bool {
	if len(name) == 0 {
		return len(pattern) == 0 // "*" does not match it either, as in Redis
	}
	p, n := 0, 0
	star, from := -1, 0 // place after the last *, and of the name it was tried at
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			for p < len(pattern) && pattern[p] == '*' {
				p++
			}
			if p == len(pattern) {
				return true
			}
			star, from = p, n
			continue
		}
		if p < len(pattern) {
			if next, ok := element(pattern, p, name[n], fold); ok {
				p, n = next, n+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, n = star, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// element matches one byte with the element at p and returns the place after
// the element.
func element(pattern []byte, p int, b byte, fold bool) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return set(pattern, p+1, b, fold)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, equal(pattern[p], b, fold)
}

// set matches one byte with the set whose first byte after [ is at p.
func set(pattern []byte, p int, b byte, fold bool) (next int, ok bool) {
	invert := p < len(pattern) && pattern[p] == '^'
	if invert {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch {
		case pattern[p] == '\\' && p+1 < len(pattern):
			p++
			ok = ok || pattern[p] == b
		case p+2 < len(pattern) && pattern[p+1] == '-':
			ok = ok || inRange(pattern[p], pattern[p+2], b, fold)
			p += 2
		default:
			ok = ok || equal(pattern[p], b, fold)
		}
	}
	return min(p+1, len(pattern)), ok != invert
}

// inRange compares bytes as signed, which is what they are to Redis on the
// machines it mostly runs on.
func inRange(first, last, b byte, fold bool) bool {
	lo, hi := int8(first), int8(last)
	if lo > hi {
		lo, hi = hi, lo
	}
	c := int8(b)
	if fold {
		lo, hi, c = int8(lower(byte(lo))), int8(lower(byte(hi))), int8(lower(b))
	}
	return lo <= c && c <= hi
}

func equal(a, b byte, fold bool) bool {
	return a == b || fold && lower(a) == lower(b)
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}
