package differential

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Check says how the two replies to one command are compared. The zero value
// asks for the same bytes; the others are for replies that Redis documents as
// unordered, random or dependent on time.
type Check struct {
	Kind      CheckKind
	Tolerance float64        // Near
	Pattern   *regexp.Regexp // Like
	Fields    []string       // SameFields
}

// CheckKind is the kind of comparison.
type CheckKind uint8

// The kinds of comparison. Errors compare byte for byte in all of them, except
// in SameErrorCode and Ignore.
const (
	Exact         CheckKind = iota
	Ignore                  // not compared
	Unordered               // elements in any order
	UnorderedPair           // pairs of elements in any order
	UnorderedDeep           // elements in any order, at all levels
	ScanPage                // [cursor, elements in any order]; compared where both are the last page
	Near                    // numbers within Tolerance of each other
	SameShape               // same types and lengths, other values
	SameErrorCode           // errors with the same first word
	Like                    // both match Pattern
	SameFields              // the same values of Fields in a map or in "k:v" or "k=v" text
	StreamTimes             // times of consumers and pending entries within Tolerance; without those that 7.0 does not tell
)

// Compare returns "" when the replies agree, otherwise what is wrong.
func (c Check) Compare(redis, respkv []byte) string {
	if c.Kind != Like && bytes.Equal(redis, respkv) || c.Kind == Ignore {
		return ""
	}
	const differ = "replies differ"
	if c.Kind == Exact {
		return differ
	}
	a, errA := ParseReply(redis)
	b, errB := ParseReply(respkv)
	if errA != nil || errB != nil {
		return "a reply can't be parsed"
	}
	if c.Kind == SameErrorCode && a.IsError() && b.IsError() {
		codeA, _, _ := strings.Cut(a.Text, " ")
		codeB, _, _ := strings.Cut(b.Text, " ")
		if codeA == codeB {
			return ""
		}
		return "error codes differ"
	}
	if a.IsError() || b.IsError() || a.Kind != b.Kind {
		return differ
	}
	same := false
	switch c.Kind {
	case Unordered:
		same = slices.Equal(sortedKeys(a.Elements, 1), sortedKeys(b.Elements, 1))
	case UnorderedPair:
		same = slices.Equal(sortedKeys(a.Elements, 2), sortedKeys(b.Elements, 2))
	case UnorderedDeep:
		same = a.canonical() == b.canonical()
	case ScanPage:
		same = len(a.Elements) == 2 && len(b.Elements) == 2 &&
			(a.Elements[0].Text != "0" || b.Elements[0].Text != "0" || slices.Equal(sortedKeys(a.Elements[1].Elements, 1), sortedKeys(b.Elements[1].Elements, 1)))
	case Near:
		same = near(a, b, c.Tolerance)
	case SameShape:
		same = sameShape(a, b)
	case Like:
		for _, v := range []Reply{a, b} {
			if !c.Pattern.MatchString(v.plainText()) {
				return fmt.Sprintf("%q does not match %s", v.plainText(), c.Pattern)
			}
		}
		same = true
	case StreamTimes:
		same = streamTimes(a, b, c.Tolerance)
	case SameFields:
		for _, f := range c.Fields {
			va, okA := a.field(f)
			vb, okB := b.field(f)
			if va != vb || okA != okB {
				return fmt.Sprintf("field %s: redis %q, respkv %q", f, va, vb)
			}
		}
		same = true
	}
	if same {
		return ""
	}
	return differ
}

// sortedKeys turns groups of n elements into sorted strings.
func sortedKeys(elements []Reply, n int) []string {
	var keys []string
	for i := 0; i < len(elements); i += n {
		key := ""
		for _, e := range elements[i:min(i+n, len(elements))] {
			key += e.String() + " "
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// canonical is the reply with the elements of every aggregate sorted, as text.
func (v Reply) canonical() string {
	if v.Elements == nil {
		return v.String()
	}
	n := 1
	if v.Kind == '%' {
		n = 2
	}
	var parts []string
	for i := 0; i < len(v.Elements); i += n {
		part := ""
		for _, e := range v.Elements[i : i+n] {
			part += e.canonical() + " "
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return string(v.Kind) + "(" + strings.Join(parts, ",") + ")"
}

// near compares numbers, or texts that are numbers, with a tolerance; negative
// numbers are codes (-1: no deadline) and must be equal.
func near(a, b Reply, tolerance float64) bool {
	if a.Kind != b.Kind || len(a.Elements) != len(b.Elements) {
		return false
	}
	for i := range a.Elements {
		if !near(a.Elements[i], b.Elements[i], tolerance) {
			return false
		}
	}
	if a.Text == b.Text {
		return true
	}
	x, errX := strconv.ParseFloat(a.Text, 64)
	y, errY := strconv.ParseFloat(b.Text, 64)
	return errX == nil && errY == nil && x >= 0 && y >= 0 && math.Abs(x-y) <= tolerance
}

func sameShape(a, b Reply) bool {
	if a.Kind != b.Kind || len(a.Elements) != len(b.Elements) {
		return false
	}
	for i := range a.Elements {
		if !sameShape(a.Elements[i], b.Elements[i]) {
			return false
		}
	}
	return true
}

// plainText is the text without the format of a verbatim string.
func (v Reply) plainText() string {
	if v.Kind == '=' && len(v.Text) >= 4 {
		return v.Text[4:]
	}
	return v.Text
}

// field finds a field in a map, in an array of alternating names and values,
// or as "name:value" or "name=value" in lines or words of text.
func (v Reply) field(name string) (string, bool) {
	for i := 0; i+1 < len(v.Elements); i += 2 {
		if v.Elements[i].Text == name {
			return v.Elements[i+1].String(), true
		}
	}
	for _, word := range strings.Fields(v.plainText()) {
		if rest, ok := strings.CutPrefix(word, name); ok && rest != "" && (rest[0] == ':' || rest[0] == '=') {
			return rest[1:], true
		}
	}
	return "", false
}

// directive is the transcript line for the check, "" for Exact.
func (c Check) directive() string {
	switch c.Kind {
	case Exact:
		return ""
	case StreamTimes:
		return "@stream-times " + strconv.FormatFloat(c.Tolerance, 'f', -1, 64)
	case Near:
		return "@time " + strconv.FormatFloat(c.Tolerance, 'f', -1, 64)
	case Like:
		return "@like " + c.Pattern.String()
	case SameFields:
		return "@fields " + strings.Join(c.Fields, " ")
	}
	for word, kind := range checkWords {
		if kind == c.Kind {
			return word
		}
	}
	return ""
}

// checkWords are the directives of checks without a parameter.
var checkWords = map[string]CheckKind{
	"@skip-reply":   Ignore,
	"@sorted":       Unordered,
	"@sorted-pairs": UnorderedPair,
	"@sorted-deep":  UnorderedDeep,
	"@scan":         ScanPage,
	"@shape":        SameShape,
	"@error-code":   SameErrorCode,
}

// newStreamFields are fields of consumers that Redis 7.2 added.
var newStreamFields = []string{"active-time", "inactive"}

// pendingEntry matches the ID that pending entries begin with.
var pendingEntry = regexp.MustCompile(`^[0-9]+-[0-9]+$`)

// streamTimes compares replies of XINFO and XPENDING, where all is the same but
// the times: those in the field "idle" or "seen-time", and the one before the last
// of a pending entry.
func streamTimes(a, b Reply, tolerance float64) bool {
	b.Elements = withoutFields(b.Elements, newStreamFields)
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Elements) != len(b.Elements) {
		return false
	}
	n := len(a.Elements)
	pending := (n == 3 || n == 4) && pendingEntry.MatchString(a.Elements[0].Text) && a.Elements[n-1].Kind == ':'
	for i := range a.Elements {
		x, y := a.Elements[i], b.Elements[i]
		timed := i%2 == 1 && slices.Contains([]string{"idle", "seen-time"}, a.Elements[i-1].Text)
		if timed || pending && i == n-2 {
			if !near(x, y, tolerance) {
				return false
			}
		} else if !streamTimes(x, y, tolerance) {
			return false
		}
	}
	return true
}

// withoutFields drops fields with their values from alternating names and values.
func withoutFields(elements []Reply, names []string) []Reply {
	var rest []Reply
	for i := 0; i < len(elements); i++ {
		if i%2 == 0 && slices.Contains(names, elements[i].Text) {
			i++
			continue
		}
		rest = append(rest, elements[i])
	}
	return rest
}
