package proto

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// run feeds input to a parser in pieces cut at the given offsets, each piece
// in a buffer of its own so that nothing may rely on where the bytes lie, and
// returns the commands, how many bytes are left over and the error.
func run(p *Parser, input string, cuts []int) (cmds [][]string, left int, err error) {
	start := 0
	for _, end := range append(cuts, len(input)) {
		for {
			buf := []byte(input[start:end])
			args, n, err := p.Parse(buf, nil)
			if err != nil {
				return cmds, 0, err
			}
			if n == 0 {
				break
			}
			start += n
			if len(args) > 0 {
				cmd := make([]string, len(args))
				for i, a := range args {
					cmd[i] = string(a)
				}
				cmds = append(cmds, cmd)
			}
		}
	}
	return cmds, len(input) - start, nil
}

// multi is a command in wire format.
func multi(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

type parseCase struct {
	name, input     string
	unauthenticated bool
	maxBulk         int
	cmds            [][]string
	left            int
	err             error
}

var parseCases = []parseCase{
	{name: "multibulk", input: multi("SET", "k", "v"), cmds: [][]string{{"SET", "k", "v"}}},
	{name: "empty argument", input: multi("SET", "", "\r\n"), cmds: [][]string{{"SET", "", "\r\n"}}},
	{name: "pipeline", input: multi("A") + "b c\r\n" + multi("D", "e"), cmds: [][]string{{"A"}, {"b", "c"}, {"D", "e"}}},
	{name: "ignored", input: "*0\r\n*-1\r\n*-9\r\n\r\n\n   \r\nPING\r\n", cmds: [][]string{{"PING"}}},
	{name: "incomplete header", input: "*1", left: 2},
	{name: "incomplete line end", input: "*1\r", left: 3},
	{name: "incomplete bulk header", input: "*1\r\n$4", left: 6},
	{name: "incomplete bulk", input: "*1\r\n$4\r\nPING\r", left: 13},
	{name: "line end after bulk is not looked at", input: "*1\r\n$1\r\naXY*1\r\n$1\r\nb\r\n", cmds: [][]string{{"a"}, {"b"}}},
	{name: "count not a number", input: "*x\r\n", err: ErrMultibulkLength},
	{name: "count empty", input: "*\r\n", err: ErrMultibulkLength},
	{name: "count leading zero", input: "*01\r\n", err: ErrMultibulkLength},
	{name: "count plus", input: "*+1\r\n", err: ErrMultibulkLength},
	{name: "count minus zero", input: "*-0\r\n", err: ErrMultibulkLength},
	{name: "count minus", input: "*-\r\n", err: ErrMultibulkLength},
	{name: "count too many digits", input: "*99999999999999999999\r\n", err: ErrMultibulkLength},
	{name: "count above int64", input: "*9223372036854775808\r\n", err: ErrMultibulkLength},
	{name: "count below int64", input: "*-9223372036854775809\r\n", err: ErrMultibulkLength},
	{name: "count least int64", input: "*-9223372036854775808\r\nX\r\n", cmds: [][]string{{"X"}}},
	{name: "count three billion", input: "*3000000000\r\n", err: ErrMultibulkLength},
	{name: "count limit", input: "*1048576\r\n", left: 10},
	{name: "count past limit", input: "*1048577\r\n", err: ErrMultibulkLength},
	{name: "count line without end", input: "*" + strings.Repeat("1", MaxInline), err: ErrCountTooBig},
	{name: "count line at limit", input: "*" + strings.Repeat("1", MaxInline-1), left: MaxInline},
	{name: "bulk largest int64", input: "*1\r\n$9223372036854775807\r\n", err: ErrBulkLength},
	{name: "bulk minus one", input: "*1\r\n$-1\r\n", err: ErrBulkLength},
	{name: "bulk minus two", input: "*1\r\n$-2\r\n", err: ErrBulkLength},
	{name: "bulk minus hundred", input: "*1\r\n$-100\r\n", err: ErrBulkLength},
	{name: "bulk not a number", input: "*1\r\n$x\r\n", err: ErrBulkLength},
	{name: "bulk past default limit", input: "*1\r\n$536870913\r\n", err: ErrBulkLength},
	{name: "bulk at default limit", input: "*1\r\n$536870912\r\n", left: 16},
	{name: "bulk past own limit", input: "*1\r\n$2000001\r\n", maxBulk: 2000000, err: ErrBulkLength},
	{name: "bulk line without end", input: "*1\r\n$" + strings.Repeat("1", MaxInline), err: ErrBulkCountTooBig},
	{name: "no dollar", input: "*1\r\n:4\r\n", err: Error("Protocol error: expected '$', got ':'")},
	{name: "no dollar, empty line", input: "*1\r\n\r\n", err: Error("Protocol error: expected '$', got '\r'")},
	{name: "error after a command", input: "PING\r\n*x\r\n", cmds: [][]string{{"PING"}}, err: ErrMultibulkLength},
	{name: "unauthenticated args", input: "*11\r\n", unauthenticated: true, err: ErrUnauthenticatedArgs},
	{name: "unauthenticated args at limit", input: "*10\r\n", unauthenticated: true, left: 5},
	{name: "unauthenticated bulk", input: "*1\r\n$16385\r\n", unauthenticated: true, err: ErrUnauthenticatedBulk},
	{name: "unauthenticated bulk at limit", input: "*1\r\n$16384\r\n", unauthenticated: true, left: 12},
	{name: "inline", input: "set  k\tv \r\n", cmds: [][]string{{"set", "k", "v"}}},
	{name: "inline bare newline", input: "get k\n", cmds: [][]string{{"get", "k"}}},
	{name: "inline NUL before the line end", input: "\x16\x03\x01\x02\x00\x01\nping\r\n", left: 13},
	{name: "inline NUL after the line end", input: "ping\n\x00\n", cmds: [][]string{{"ping"}}, left: 2},
	{name: "inline NUL too big", input: "\x00\n" + strings.Repeat("x", MaxInline), err: ErrInlineTooBig},
	{name: "inline dollar", input: "$5 hello\r\n", cmds: [][]string{{"$5", "hello"}}},
	{name: "inline length overflow", input: "$9223372036854775807 x\r\n", cmds: [][]string{{"$9223372036854775807", "x"}}},
	{name: "inline quotes", input: `set "a b" 'c d'` + "\n", cmds: [][]string{{"set", "a b", "c d"}}},
	{name: "inline escapes", input: `e "\x41\n\r\t\b\a\\\"\q\xZZ"` + "\n", cmds: [][]string{{"e", "A\n\r\t\b\a\\\"qxZZ"}}},
	{name: "inline single quote escape", input: `e 'it\'s \x41\n'` + "\n", cmds: [][]string{{"e", `it's \x41\n`}}},
	{name: "inline quote within word", input: `e ab"c d"` + "\n", cmds: [][]string{{"e", "abc d"}}},
	{name: "inline empty strings", input: `e "" ''` + "\n", cmds: [][]string{{"e", "", ""}}},
	{name: "inline unbalanced", input: "e \"abc\n", err: ErrUnbalancedQuotes},
	{name: "inline unbalanced single", input: "e 'abc\n", err: ErrUnbalancedQuotes},
	{name: "inline text after quote", input: "e \"a\"b\n", err: ErrUnbalancedQuotes},
	{name: "inline backslash at end", input: "e \"a\\\n", err: ErrUnbalancedQuotes},
	{name: "inline without end", input: strings.Repeat("x", MaxInline+1), err: ErrInlineTooBig},
	{name: "inline at limit", input: strings.Repeat("x", MaxInline), left: MaxInline},
}

func TestParse(t *testing.T) {
	for _, c := range parseCases {
		t.Run(c.name, func(t *testing.T) {
			p := &Parser{Unauthenticated: c.unauthenticated, MaxBulk: c.maxBulk}
			cmds, left, err := run(p, c.input, nil)
			if !errors.Is(err, c.err) || !reflect.DeepEqual(cmds, c.cmds) || left != c.left {
				t.Fatalf("got %q, %d left, %v; want %q, %d left, %v", cmds, left, err, c.cmds, c.left, c.err)
			}
		})
	}
}

// Every case again, cut in two at every byte, and byte by byte.
func TestParseSplit(t *testing.T) {
	for _, c := range parseCases {
		if len(c.input) > 1000 {
			continue
		}
		var every []int
		for i := range c.input {
			every = append(every, i)
			p := &Parser{Unauthenticated: c.unauthenticated, MaxBulk: c.maxBulk}
			cmds, left, err := run(p, c.input, []int{i})
			if err != c.err || !reflect.DeepEqual(cmds, c.cmds) || left != c.left {
				t.Fatalf("%s cut at %d: got %q, %d left, %v", c.name, i, cmds, left, err)
			}
		}
		p := &Parser{Unauthenticated: c.unauthenticated, MaxBulk: c.maxBulk}
		if cmds, left, err := run(p, c.input, every); err != c.err || !reflect.DeepEqual(cmds, c.cmds) || left != c.left {
			t.Fatalf("%s byte by byte: got %q, %d left, %v", c.name, cmds, left, err)
		}
	}
}

// The parser must say how much it waits for, so that the buffer can be made
// that large and no larger.
func TestNeed(t *testing.T) {
	p := &Parser{}
	input := []byte("*2\r\n$3\r\nSET\r\n$100000\r\n")
	if _, n, err := p.Parse(input, nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if need, last := p.Need(); need != len(input)+100002 || !last {
		t.Fatalf("needs %d, last %v; want %d", need, last, len(input)+100002)
	}
	p = &Parser{}
	p.Parse([]byte("*3\r\n$100000\r\nabc"), nil)
	if need, last := p.Need(); need != 13+100002 || last {
		t.Fatalf("needs %d, last %v", need, last)
	}
	p = &Parser{}
	p.Parse([]byte("PING"), nil)
	if need, _ := p.Need(); need != 5 {
		t.Fatalf("needs %d", need)
	}
}

// Input in many small pieces must cost what it costs in one: work is counted
// in bytes that the parser would have to look at again.
func TestParseLinear(t *testing.T) {
	const args = 50000
	cmd := make([]string, args)
	for i := range cmd {
		cmd[i] = "x"
	}
	input := []byte(multi(cmd...))
	p := &Parser{}
	allocs := testing.AllocsPerRun(1, func() {
		p.Reset()
		for end := 1; end < len(input); end++ {
			if _, n, err := p.Parse(input[:end], nil); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		}
	})
	if allocs > 60 {
		t.Errorf("%v allocations for one command in pieces", allocs)
	}
	out, n, err := p.Parse(input, nil)
	if err != nil || n != len(input) || len(out) != args {
		t.Fatal(len(out), n, err)
	}
	if lent := p.TakeBack(); cap(lent) < args || p.Overhead() != 0 {
		t.Errorf("gives back %d spans, keeps %d bytes of bookkeeping", cap(lent), p.Overhead())
	}
}

// TestParseLent: commands of many arguments leave no garbage, and one that is incomplete keeps
// what was lent for it.
func TestParseLent(t *testing.T) {
	cmd := make([]string, 500)
	for i := range cmd {
		cmd[i] = "argument"
	}
	input := []byte(multi(cmd...))
	p, args := &Parser{}, make([][]byte, 0, len(cmd))
	var lent Spans
	once := func() {
		p.Lend(lent)
		if out, n, err := p.Parse(input, args); err != nil || n != len(input) || len(out) != len(cmd) {
			t.Fatal(len(out), n, err)
		}
		lent = p.TakeBack()
	}
	once()
	if allocs := testing.AllocsPerRun(10, once); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
	p.Lend(lent)
	if _, n, _ := p.Parse(input[:len(input)/2], args); n != 0 || p.TakeBack() != nil {
		t.Error("the bookkeeping of half a command was taken away")
	}
	p.Lend(make(Spans, 0, 1000))
	once()
}

// Announcing much must not allocate much.
func TestParseAllocatesNothingInAdvance(t *testing.T) {
	for _, input := range []string{"*1048576\r\n", "*1048576\r\n$536870912\r\n", "*3000000000\r\n"} {
		var p Parser
		if n := testing.AllocsPerRun(10, func() {
			p.Reset()
			p.Parse([]byte(input), nil)
		}); n > 1 {
			t.Errorf("%q: %v allocations", input, n)
		}
	}
}

func FuzzParser(f *testing.F) {
	for _, c := range parseCases {
		if len(c.input) < 1000 {
			f.Add([]byte(c.input), uint64(len(c.input)), c.unauthenticated)
		}
	}
	f.Add([]byte(multi("HELLO", "3", "AUTH", "u", "p")+multi("MSET", "a", "1", "b", "2")), uint64(7), true)
	f.Add([]byte("*1\r\n$9223372036854775807\r\n*3000000000\r\n"), uint64(1), false)
	f.Fuzz(func(t *testing.T, input []byte, seed uint64, unauthenticated bool) {
		limits := func() *Parser { return &Parser{Unauthenticated: unauthenticated, MaxBulk: 1 << 20} }
		cmds, left, err := run(limits(), string(input), nil)
		if left < 0 || left > len(input) {
			t.Fatalf("%d of %d bytes left", left, len(input))
		}
		r := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for i := range input {
			if r.IntN(4) == 0 {
				cuts = append(cuts, i)
			}
		}
		split, splitLeft, splitErr := run(limits(), string(input), cuts)
		if !reflect.DeepEqual(cmds, split) || left != splitLeft || err != splitErr {
			t.Fatalf("cut at %v: %q, %d left, %v; whole: %q, %d left, %v", cuts, split, splitLeft, splitErr, cmds, left, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	input := []byte(strings.Repeat(multi("SET", "key:000000000001", strings.Repeat("v", 64)), 16))
	var p Parser
	args := make([][]byte, 0, 64)
	b.ReportAllocs()
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		for off := 0; off < len(input); {
			_, n, err := p.Parse(input[off:], args)
			if err != nil {
				b.Fatal(err)
			}
			off += n
		}
	}
}
