package differential

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Transcript is a scenario: commands sent to both servers, beginning with empty
// databases, whose replies are compared one by one. The text form has one
// command a line, quoted as in redis-cli; lines beginning with # are comments.
// Lines beginning with @ are directives.
//
// For the next command:
//
//	@sorted @sorted-pairs @sorted-deep   elements in any order
//	@scan                                a SCAN page: elements in any order, any cursor
//	@time N                              numbers may differ by N
//	@stream-times N                      times of consumers and pending entries may
//	@shape                               same types, any values
//	@error-code                          errors with the same code
//	@like REGEXP                         both replies match
//	@fields NAME...                      the same values of these fields of a map or INFO-like text
//	@skip-reply                          not compared
//	@no-reply                            there is none (CLIENT REPLY OFF)
//	@capture NAME                        compared by type; ${NAME} in later commands is each server's own reply
//	@until REPLY                         repeated until both answer so (as redis-cli prints it)
//
// Steps of their own:
//
//	@conn NAME       use another connection, made at first use; the first is "a"
//	@resp2 @resp3    protocol of this connection from here
//	@async COMMAND   send without waiting for the reply
//	@read            read and compare one more reply (of @async, or a push)
//	@raw "BYTES"     send bytes as they are and compare one reply
//	@closed          both servers have closed the connection; it is made anew
//	@scan-all CMD... CMD with cursors from 0 until 0: the same elements in all
//
// Blocks and settings:
//
//	@needs NAME...   until @end: only when both have these commands ("config|get")
//	@end
//	@protocols 2|3   run the file under this protocol only, not under both
type Transcript struct {
	File      string
	Protocols []int
	Steps     []Step
}

// Step is one line of a transcript.
type Step struct {
	Line    int
	Kind    StepKind
	Conn    string
	Args    []string // command; Raw: the bytes
	Check   Check
	Capture string
	Until   string
	Needs   []string // commands that both servers must have
}

// StepKind is what a step does.
type StepKind uint8

// The kinds of step.
const (
	StepCommand StepKind = iota
	StepNoReply          // command without a reply
	StepRead             // read one more reply
	StepRaw              // send bytes, read one reply
	StepClosed           // the connection is closed
	StepScanAll          // run a SCAN to its end
	StepResp2            // switch protocol
	StepResp3
)

// ParseTranscript reads a transcript file.
func ParseTranscript(path string) (*Transcript, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written
	p := parser{t: &Transcript{File: path, Protocols: []int{2, 3}}, conn: "a"}
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 4<<20)
	for scanner.Scan() {
		p.line++
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := p.parse(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, p.line, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	if p.needs != nil || p.next.Check.Kind != Exact || p.next.Capture != "" || p.next.Until != "" {
		return nil, fmt.Errorf("%s: ends inside @needs or after a directive for the next command", path)
	}
	return p.t, nil
}

type parser struct {
	t     *Transcript
	line  int
	conn  string
	needs []string
	next  Step // what directives said of the next command
}

func (p *parser) parse(line string) error {
	if line[0] != '@' {
		return p.command(p.next.Kind, line)
	}
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	if kind, ok := checkWords[word]; ok {
		p.next.Check = Check{Kind: kind}
		return nil
	}
	switch word {
	case "@time":
		n, err := strconv.ParseFloat(rest, 64)
		p.next.Check = Check{Kind: Near, Tolerance: n}
		return err
	case "@stream-times":
		n, err := strconv.ParseFloat(rest, 64)
		p.next.Check = Check{Kind: StreamTimes, Tolerance: n}
		return err
	case "@like":
		re, err := regexp.Compile(rest)
		p.next.Check = Check{Kind: Like, Pattern: re}
		return err
	case "@fields":
		p.next.Check = Check{Kind: SameFields, Fields: strings.Fields(rest)}
	case "@no-reply":
		p.next.Kind = StepNoReply
	case "@capture":
		p.next.Capture = rest
		p.next.Check = Check{Kind: SameShape}
	case "@until":
		p.next.Until = rest
	case "@conn":
		p.conn = rest
	case "@resp2":
		p.add(StepResp2, nil)
	case "@resp3":
		p.add(StepResp3, nil)
	case "@async":
		return p.command(StepNoReply, rest)
	case "@read":
		p.add(StepRead, nil)
	case "@raw":
		args, err := splitArgs(rest)
		if err != nil || len(args) != 1 {
			return fmt.Errorf("@raw needs one quoted string")
		}
		p.add(StepRaw, args)
	case "@closed":
		p.add(StepClosed, nil)
	case "@scan-all":
		return p.command(StepScanAll, rest)
	case "@needs":
		p.needs = strings.Fields(rest)
	case "@end":
		p.needs = nil
	case "@protocols":
		n, err := strconv.Atoi(rest)
		p.t.Protocols = []int{n}
		return err
	default:
		return fmt.Errorf("unknown directive %s", word)
	}
	return nil
}

func (p *parser) command(kind StepKind, line string) error {
	args, err := splitArgs(line)
	if err == nil && len(args) == 0 {
		err = fmt.Errorf("no command")
	}
	if err != nil {
		return err
	}
	p.add(kind, args)
	return nil
}

func (p *parser) add(kind StepKind, args []string) {
	s := p.next
	p.next = Step{}
	s.Line, s.Kind, s.Conn, s.Args, s.Needs = p.line, kind, p.conn, args, p.needs
	p.t.Steps = append(p.t.Steps, s)
}

// untilTimeout bounds how long a step with @until is repeated.
const untilTimeout = time.Minute
