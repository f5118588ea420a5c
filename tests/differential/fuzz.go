package differential

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sequenceLength is the commands of one random sequence. Each begins with empty
// databases, so that a failure shrinks to a short transcript.
const sequenceLength = 200

// Command is one generated command.
type Command struct {
	Args  []string
	Check Check
}

// FuzzResult is what Fuzz did and found.
type FuzzResult struct {
	Commands int    // run, probes included
	Skipped  bool   // respkv has no command of the family
	Failure  string // shrunk transcript of the first difference, empty for none
}

// FuzzOptions say how Fuzz runs.
type FuzzOptions struct {
	Version  int // of the protocol
	Seed     uint64
	Duration time.Duration
	Count    int  // if not 0, it stops after that many commands instead
	Events   bool // keyspace events and counted lookups are compared as well
}

// Fuzz runs random sequences of the family against both servers. It stops at the
// first difference. The sequences follow from the seed alone. err is a
// connection or protocol that broke.
func Fuzz(pair Pair, f Family, o FuzzOptions) (FuzzResult, error) {
	var result FuzzResult
	f, err := f.supportedBy(pair.Respkv)
	if err != nil {
		return result, err
	}
	if len(f.Commands) == 0 {
		result.Skipped = true
		return result, nil
	}
	fz := &fuzzer{pair: pair, version: o.Version, reset: f.resetCommands(o.Version)}
	defer fz.close()
	if err := fz.dial(); err != nil {
		return result, err
	}
	if o.Events {
		if fz.events, err = listen(pair); err != nil {
			return result, err
		}
		fz.events.anyOrder = f.EventsAnyOrder
	}
	start := time.Now()
	for n := 0; ; n++ {
		if o.Count > 0 && result.Commands >= o.Count || o.Count == 0 && time.Since(start) >= o.Duration {
			return result, nil
		}
		commands := f.sequence(newSource(o.Seed, n))
		result.Commands += len(commands)
		bad, err := fz.replay(commands)
		if err != nil {
			return result, fmt.Errorf("sequence %d: %w\n%s", n, err, transcriptOf(commands, o.Version))
		}
		if bad != nil {
			result.Failure = fmt.Sprintf("sequence %d of family %s differs; shrunk:\n%s", n, f.Name, fz.shrink(commands, *bad))
			return result, nil
		}
	}
}

// resetCommands make the connection a new one where the family changes what it may
// do, and undo what FLUSHALL leaves.
func (f Family) resetCommands(version int) [][]string {
	if f.Reset == nil {
		return nil
	}
	return append([][]string{{"RESET"}, {"HELLO", strconv.Itoa(version)}}, f.Reset...)
}

// supportedBy drops the templates of commands that the server does not have.
func (f Family) supportedBy(s *Server) (Family, error) {
	var failed error
	lacks := func(t Template) bool {
		has, err := s.Has(t.Name)
		if err != nil {
			failed = err
		}
		return !has
	}
	f.Commands = slices.DeleteFunc(slices.Clone(f.Commands), lacks)
	f.Probes = slices.DeleteFunc(slices.Clone(f.Probes), lacks)
	return f, failed
}

// sequence generates one sequence with its probes.
func (f Family) sequence(s *Source) []Command {
	total := 0
	for _, t := range f.Commands {
		total += t.Weight
	}
	commands := make([]Command, 0, sequenceLength+len(f.Probes)*len(Keys))
	for range sequenceLength {
		pick := s.IntN(total)
		i := 0
		for pick >= f.Commands[i].Weight {
			pick -= f.Commands[i].Weight
			i++
		}
		commands = append(commands, mutate(s, f.Commands[i].generate(s)))
	}
	for _, key := range Keys {
		for _, probe := range f.Probes {
			c := probe.generate(s)
			c.Args = append(c.Args, key)
			commands = append(commands, c)
		}
	}
	return commands
}

func (t Template) generate(s *Source) Command {
	args := strings.Split(t.Name, "|")
	if t.Args != nil {
		args = append(args, t.Args(s)...)
	}
	return Command{Args: args, Check: t.Check}
}

// mutate now and then breaks a command: an argument too many or too few, or
// two exchanged.
func mutate(s *Source, c Command) Command {
	if s.IntN(50) != 0 {
		return c
	}
	switch strings.ToLower(c.Args[0]) {
	case "spop", "sort", "sort_ro":
		// With fewer arguments SPOP chooses at random, and SORT may leave a set in
		// no particular order.
		return c
	}
	args := slices.Clone(c.Args)
	switch last := len(args) - 1; s.IntN(3) {
	case 0:
		if !strings.EqualFold(args[0], "pfadd") { // see hyperloglogFamily
			args = append(args, "extra")
		}
	case 1:
		if last > 0 {
			args = args[:last]
		}
	case 2:
		// A swap could make an offset of a number, and so ask for a huge string,
		// or a score of a member, where lexicographic ranges are defined for equal
		// scores only.
		switch strings.ToLower(args[0]) {
		case "setrange", "setbit", "bitfield", "zadd":
			return c
		}
		if last > 1 {
			i := 1 + s.IntN(last-1)
			args[i], args[i+1] = args[i+1], args[i]
		}
	}
	return Command{Args: args, Check: c.Check}
}

// difference is where a replay found unlike replies.
type difference struct {
	index         int
	wrong         string
	redis, respkv []byte
}

type fuzzer struct {
	pair    Pair
	version int
	conns   [2]*Conn
	replies [2][]byte // reused
	reset   [][]string
	events  *listeners // nil: only replies are compared
}

func (fz *fuzzer) dial() error {
	for i, s := range []*Server{fz.pair.Redis, fz.pair.Respkv} {
		c, err := Dial(s.Addr)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		fz.conns[i] = c
		if fz.version == 3 {
			if err := c.Protocol(3); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return nil
}

func (fz *fuzzer) close() {
	for _, c := range fz.conns {
		if c != nil {
			_ = c.Close() // at the end of a test nothing depends on it
		}
	}
	if fz.events != nil {
		fz.events.close()
	}
}

// resetLength is the number of commands by which replay empties a server. The
// first ends a transaction, if there is one.
const resetLength = 4

// replay runs the commands from empty databases and finds the first difference.
// err is a broken connection or protocol.
func (fz *fuzzer) replay(commands []Command) (*difference, error) {
	if fz.events != nil {
		return fz.replayWatched(commands)
	}
	return fz.replayReplies(commands)
}

// replayReplies runs the commands in one pipeline and compares the replies.
func (fz *fuzzer) replayReplies(commands []Command) (*difference, error) {
	for i, c := range fz.conns {
		for _, args := range fz.reset {
			c.Queue(args...)
		}
		c.Queue("DISCARD")
		c.Queue("UNWATCH")
		c.Queue("FLUSHALL")
		c.Queue("SELECT", "0")
		for _, cmd := range commands {
			c.Queue(cmd.Args...)
		}
		if err := c.Flush(); err != nil {
			return nil, fmt.Errorf("%s: %w", fz.name(i), err)
		}
	}
	var found *difference
	first := -resetLength - len(fz.reset)
	for n := first; n < len(commands); n++ {
		for i, c := range fz.conns {
			var err error
			if fz.replies[i], err = c.Read(fz.replies[i][:0]); err != nil {
				return nil, fmt.Errorf("%s, at command %d: %w", fz.name(i), n, err)
			}
			if n < 0 && n > -resetLength && string(fz.replies[i]) != "+OK\r\n" {
				return nil, fmt.Errorf("%s: can't reset: %s", fz.name(i), show(fz.replies[i]))
			}
		}
		if n < 0 || found != nil { // after a difference the rest is only read
			continue
		}
		if wrong := commands[n].Check.Compare(fz.replies[0], fz.replies[1]); wrong != "" {
			found = &difference{n, wrong, slices.Clone(fz.replies[0]), slices.Clone(fz.replies[1])}
		}
	}
	return found, nil
}

func (fz *fuzzer) name(i int) string {
	return [...]string{fz.pair.Redis.Name, fz.pair.Respkv.Name}[i]
}

// shrink removes what is not needed for the difference, in ever smaller pieces,
// and returns a transcript that ends with the differing command.
func (fz *fuzzer) shrink(commands []Command, bad difference) string {
	commands = slices.Clone(commands[:bad.index+1])
	for size := len(commands) / 2; size > 0; {
		removed := false
		// The last command is the one that differs: it stays.
		for end := len(commands) - 1; end > 0; {
			start := max(end-size, 0)
			trial := slices.Delete(slices.Clone(commands), start, end)
			d, err := fz.replay(trial)
			if err != nil {
				return fmt.Sprintf("# while shrinking: %v\n%s", err, transcriptOf(trial, fz.version))
			}
			end = start
			if d != nil {
				commands, bad, removed = trial[:d.index+1], *d, true
				end = min(end, len(commands)-1)
			}
		}
		if !removed || size > 1 {
			size /= 2
		}
	}
	return fmt.Sprintf("%s# %s\n#   redis:  %s\n#   respkv: %s\n",
		transcriptOf(commands, fz.version), bad.wrong, show(bad.redis), show(bad.respkv))
}

// transcriptOf writes commands as a transcript.
func transcriptOf(commands []Command, version int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "@protocols %d\n", version)
	for _, c := range commands {
		if d := c.Check.directive(); d != "" {
			b.WriteString(d + "\n")
		}
		b.WriteString(joinArgs(c.Args) + "\n")
	}
	return b.String()
}
