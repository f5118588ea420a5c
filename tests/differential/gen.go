package differential

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// Source is what generators draw from: the random numbers of one sequence,
// and numbers that no other command of the sequence has.
type Source struct {
	*rand.Rand
	unique int64
}

func newSource(seed uint64, sequence int) *Source {
	return &Source{Rand: rand.New(rand.NewPCG(seed, uint64(sequence)))}
}

// Unique returns 1, 2, 3...
func (s *Source) Unique() int64 {
	s.unique++
	return s.unique
}

// Gen generates some arguments (none, one or more).
type Gen func(s *Source) []string

// Lit is fixed words, split at blanks.
func Lit(words string) Gen {
	args := strings.Fields(words)
	return func(*Source) []string { return args }
}

// Text is one fixed argument, taken as it is.
func Text(arg string) Gen {
	return func(*Source) []string { return []string{arg} }
}

// AnyOf picks one of the generators.
func AnyOf(gens ...Gen) Gen {
	return func(s *Source) []string { return gens[s.IntN(len(gens))](s) }
}

// Words picks one of the words, split at blanks.
func Words(words string) Gen {
	list := strings.Fields(words)
	return func(s *Source) []string { return []string{list[s.IntN(len(list))]} }
}

// Texts picks one of the arguments, taken as they are.
func Texts(args ...string) Gen {
	return func(s *Source) []string { return []string{args[s.IntN(len(args))]} }
}

// Seq is all of the generators in order.
func Seq(gens ...Gen) Gen {
	return func(s *Source) []string {
		var args []string
		for _, g := range gens {
			args = append(args, g(s)...)
		}
		return args
	}
}

// Opt is the generators, or nothing: each in half of the cases.
func Opt(gens ...Gen) Gen { return Chance(50, gens...) }

// Chance is the generators in percent of the cases, otherwise nothing.
func Chance(percent int, gens ...Gen) Gen {
	seq := Seq(gens...)
	return func(s *Source) []string {
		if s.IntN(100) >= percent {
			return nil
		}
		return seq(s)
	}
}

// Mostly is g, and in percent of the cases instead of it rare.
func Mostly(g Gen, percent int, rare Gen) Gen {
	return func(s *Source) []string {
		if s.IntN(100) < percent {
			return rare(s)
		}
		return g(s)
	}
}

// Repeat is the generators between low and high times.
func Repeat(low, high int, gens ...Gen) Gen {
	seq := Seq(gens...)
	return func(s *Source) []string {
		var args []string
		for range low + s.IntN(high-low+1) {
			args = append(args, seq(s)...)
		}
		return args
	}
}

// Counted is a count and then that many times g, as after "numkeys". Now and
// then the count is wrong.
func Counted(low, high int, g Gen) Gen {
	return func(s *Source) []string {
		n := low + s.IntN(high-low+1)
		count := strconv.Itoa(n)
		if s.IntN(20) == 0 {
			count = badInts[s.IntN(len(badInts))]
		}
		args := []string{count}
		for range n {
			args = append(args, g(s)...)
		}
		return args
	}
}

// Range is an integer between low and high, both included.
func Range(low, high int) Gen {
	return func(s *Source) []string { return []string{strconv.Itoa(low + s.IntN(high-low+1))} }
}

// badInts are arguments that are no acceptable integer, or at its limits.
var badInts = []string{
	"", "x", "1.5", " 1", "1 ", "+1", "01", "-0", "1e3", "0x10", "--1",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
	"99999999999999999999", "2147483648", "4294967296",
}

// Int is an integer: mostly small, sometimes at a limit or none at all.
var Int = Mostly(Range(-20, 20), 12, Texts(badInts...))

// Float is a floating-point number in one of many notations, sometimes none.
var Float = Mostly(
	AnyOf(Range(-20, 20), Texts("0.1", "-0.1", "3.14", "1.5e2", "5.0e3", "-2.5", "0.00001", "1e-10", "100000000000000000000", ".5", "5.")),
	10, Texts("inf", "-inf", "nan", "1e400", "x", "", " 1", "1 ", "0x10", "1e", "+3"))

// Value is a string value: integers, short and long text, binary.
var Value = AnyOf(
	Range(-100, 100),
	Texts("", "a", "foobar", "hello world", "10", "3.0", "-1.50", "9223372036854775807", "-9223372036854775808", "00", "1e5"),
	Texts("\x00\x01\xff", "\r\n", "tab\tquote\"", "\xe4\xbd\xa0"),
	longText,
)

// longText is around the sizes at which encodings change.
func longText(s *Source) []string {
	n := [...]int{20, 43, 44, 45, 63, 64, 65, 100, 1000}[s.IntN(9)]
	return []string{strings.Repeat(string(rune('a'+s.IntN(3))), n)}
}

// Key is one of the few keys of a sequence.
var Key = Texts(Keys...)

// Keys are all the keys of a sequence: few, so that commands meet. The tag puts
// them into one slot, for servers in cluster mode.
var Keys = []string{"{k}a", "{k}b", "{k}c", "{k}d", "{k}e"}

// lifetimeSpacing is the distance in seconds between any two deadlines of a
// sequence, so that a comparison of deadlines (EXPIRE GT) does not depend on
// how long the sequence takes.
const lifetimeSpacing = 1000

// lifetime is a relative deadline in seconds, far away and unlike any other of
// the sequence.
func lifetime(s *Source) int64 {
	return (1000 + s.Unique()*7919%1009) * lifetimeSpacing
}

// Seconds is a relative deadline in seconds, now and then in the past or wrong.
var Seconds = Mostly(func(s *Source) []string { return []string{strconv.FormatInt(lifetime(s), 10)} },
	15, Texts("0", "-1", "-100", "x", "", "1.5", "9223372036854775807", "9223372036854775", "-9223372036854775808"))

// Millis is Seconds in milliseconds.
var Millis = Mostly(func(s *Source) []string { return []string{strconv.FormatInt(lifetime(s)*1000+1, 10)} },
	15, Texts("0", "-1", "-100", "x", "", "1.5", "9223372036854775807", "-9223372036854775808"))

// farFuture is after every relative deadline, in seconds.
const farFuture = 6_000_000_000

// UnixSeconds is an absolute deadline in seconds.
var UnixSeconds = Mostly(
	func(s *Source) []string { return []string{strconv.FormatInt(farFuture+lifetime(s), 10)} },
	15, Texts("1", "0", "-1", "x", "9223372036854775807", "9223372036854775"))

// UnixMillis is UnixSeconds in milliseconds.
var UnixMillis = Mostly(
	func(s *Source) []string { return []string{strconv.FormatInt((farFuture+lifetime(s))*1000+1, 10)} },
	15, Texts("1", "0", "-1", "x", "9223372036854775807"))
