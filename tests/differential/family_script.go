package differential

import (
	"fmt"
	"strconv"
	"strings"
)

// scriptFamily calls what scripts are given with random arguments, of the wrong
// type or number among them, and sends values to and fro.
func scriptFamily() Family {
	eval := func(g func(s *Source) string) Template {
		return Cmd("eval", func(s *Source) []string { return []string{g(s), "1", "key", "arg"} })
	}
	return Family{
		Name: "script",
		Commands: []Template{
			eval(func(s *Source) string { return "return " + luaValue(s, 3) }).Times(3),
			eval(func(s *Source) string { return "redis.setresp(3) return " + luaValue(s, 2) }),
			eval(func(s *Source) string { return "return cjson.encode(" + luaValue(s, 3) + ")" }).Times(2),
			eval(func(s *Source) string { return "return cjson.decode(" + luaQuote(jsonText(s, 3)) + ")" }).Times(2),
			eval(func(s *Source) string { return "return cmsgpack.pack(" + luaValue(s, 3) + ")" }).Times(2),
			eval(func(s *Source) string { return "return {cmsgpack.unpack(cmsgpack.pack(" + luaValue(s, 3) + "))}" }),
			eval(func(s *Source) string { return "return {cmsgpack.unpack(" + luaQuote(randomBytes(s, 12)) + ")}" }),
			eval(func(s *Source) string {
				return "return {struct.unpack(" + structFormat(s) + "," + luaQuote(randomBytes(s, 24)) + ")}"
			}),
			eval(func(s *Source) string { return "return struct.pack(" + structFormat(s) + "," + luaArgs(s) + ")" }),
			eval(func(s *Source) string { return "return struct.size(" + structFormat(s) + ")" }),
			eval(libraryCall("bit", "tobit bnot band bor bxor lshift rshift arshift rol ror bswap tohex")).Times(2),
			eval(libraryCall("string", "byte char find len lower match rep reverse sub upper format gsub")).Times(4),
			eval(libraryCall("math", "abs ceil floor max min fmod")),
			eval(func(s *Source) string {
				return smallNumbers.Replace(libraryCall("table", "concat getn maxn insert remove")(s))
			}),
			eval(func(s *Source) string { return "return {pcall(redis.call," + luaArgs(s) + ")}" }),
			eval(func(s *Source) string {
				return "local v = redis.call('set', KEYS[1], " + luaValue(s, 0) + ") return redis.call('get', KEYS[1])"
			}),
			eval(func(s *Source) string {
				return "return " + luaValue(s, 0) + " " + oneWord(s, "+ - * / .. < <= == ~= and or") + " " + luaValue(s, 0)
			}).Times(2),
			eval(func(s *Source) string { return "return tostring(" + luaNumber(s) + ")" }),
			eval(func(s *Source) string { return "return tonumber(" + luaQuote(randomBytes(s, 4)) + ") or 'nil'" }),
			eval(func(s *Source) string { return strings.Join(s.words(6), " ") }),
		},
		Probes: keyProbes(),
	}
}

// smallNumbers replaces numbers that become a large negative int: table.insert there
// moves as many elements, for minutes.
var smallNumbers = strings.NewReplacer("-2^31", "-3", "2^31", "3", "2^32-1", "4", "2^53", "5", "1e15", "6", "1e100", "7")

func oneWord(s *Source, words string) string {
	list := strings.Fields(words)
	return list[s.IntN(len(list))]
}

// words are tokens of Lua in no good order.
func (s *Source) words(n int) (words []string) {
	for range 1 + s.IntN(n) {
		words = append(words, oneWord(s, "return local if then else end do while for in function x y = == .. + - * # ( ) { } [ ] , ; 1 0x1 1.5e 'a' \"b\" nil true not and or KEYS ARGV redis.call . : ... [[z]] until repeat break"))
	}
	return words
}

func libraryCall(library, functions string) func(s *Source) string {
	return func(s *Source) string {
		return "return {" + library + "." + oneWord(s, functions) + "(" + luaArgs(s) + ")}"
	}
}

func luaArgs(s *Source) string {
	var args []string
	for range s.IntN(4) {
		args = append(args, luaValue(s, 1))
	}
	return strings.Join(args, ",")
}

func luaNumber(s *Source) string {
	switch s.IntN(5) {
	case 0:
		return strconv.Itoa(s.IntN(20) - 5)
	case 1:
		return strconv.FormatFloat(float64(s.IntN(2000)-1000)/8, 'g', -1, 64)
	case 2:
		return oneWord(s, "2^31 2^32-1 2^53 -2^31 1e15 1e100 1/3 255 65536 -129")
	}
	return strconv.Itoa(s.IntN(1000))
}

// luaValue is an expression. Tables have at most one member that is not in their
// array: the order of others is not the same everywhere.
func luaValue(s *Source, depth int) string {
	kinds := 6
	if depth > 0 {
		kinds = 9
	}
	switch s.IntN(kinds) {
	case 0:
		return oneWord(s, "nil true false")
	case 1, 2:
		return "(" + luaNumber(s) + ")"
	case 3, 4, 5:
		return luaQuote(oneWord(s, "a hello 10 0x1F %d %s+ (l+) l . key x%1 -5 1.5 abcabc") + randomBytes(s, 2))
	case 6:
		return "{[" + luaQuote(oneWord(s, "ok err a double map set x")) + "]=" + luaValue(s, depth-1) + "}"
	}
	var members []string
	for range s.IntN(4) {
		if v := luaValue(s, depth-1); v != "nil" {
			members = append(members, v)
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func luaQuote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		fmt.Fprintf(&b, "\\%03d", text[i])
	}
	b.WriteByte('"')
	return b.String()
}

func randomBytes(s *Source, most int) string {
	b := make([]byte, s.IntN(most+1))
	for i := range b {
		b[i] = byte(s.IntN(256))
		if s.IntN(2) == 0 {
			b[i] = "0123456789abcxyz%[](). "[s.IntN(23)]
		}
	}
	return string(b)
}

func structFormat(s *Source) string {
	var b strings.Builder
	for range 1 + s.IntN(5) {
		b.WriteString(oneWord(s, "< > ! !4 b B h H l L i I i1 i3 I8 T f d s x c0 c1 c4 z i40"))
	}
	return luaQuote(b.String())
}

func jsonText(s *Source, depth int) string {
	kinds := 5
	if depth > 0 {
		kinds = 8
	}
	switch s.IntN(kinds) {
	case 0:
		return oneWord(s, "null true false nul tru -1 0x10 1e3 1.5E-2 01 nan -inf")
	case 1:
		return strconv.Itoa(s.IntN(100000) - 50000)
	case 2, 3, 4:
		return oneWord(s, `"a" "" "\n\u00e9" "\ud83d\ude00" "\ud83d" "\x" "a\/b" "unfinished`)
	case 5:
		return `{"` + oneWord(s, "a b") + `" : ` + jsonText(s, depth-1) + oneWord(s, "} } } ,}")
	}
	var members []string
	for range s.IntN(4) {
		members = append(members, jsonText(s, depth-1))
	}
	return "[ " + strings.Join(members, oneWord(s, ", , , ;")) + oneWord(s, "] ] ] ,]")
}
