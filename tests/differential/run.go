package differential

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// maxDifferences is how many differing replies of one transcript are shown.
const maxDifferences = 12

// maxBatch is the most commands that the runner sends before it reads replies.
const maxBatch = 64

// RunTranscript runs a transcript against both servers under one protocol
// version. Differing replies fail the test; what breaks a connection, or too
// many of them, ends the run.
func RunTranscript(t *testing.T, pair Pair, tr *Transcript, version int) {
	t.Helper()
	r := &runner{t: t, tr: tr, version: version}
	for i, s := range []*Server{pair.Redis, pair.Respkv} {
		r.sides[i] = &side{server: s, conns: map[string]*Conn{}, vars: map[string]string{}, version: version}
	}
	defer r.close()
	for _, s := range r.sides {
		if err := s.begin(tr); err != nil {
			t.Fatalf("%s: %v", s.server.Name, err)
		}
	}
	r.run()
}

// side is the runner's view of one server.
type side struct {
	server  *Server
	version int
	admin   *Conn // made first: stays authenticated and is never paused or killed by name
	conns   map[string]*Conn
	vars    map[string]string
	config  [][]string // CONFIG SET commands that restore what the transcript changes
}

// begin empties the server and notes the settings that the transcript changes.
func (s *side) begin(tr *Transcript) (err error) {
	if s.admin, err = Dial(s.server.Addr); err != nil {
		return err
	}
	if _, err = s.admin.Call("FLUSHALL"); err != nil {
		return err
	}
	for _, name := range tr.configNames() {
		v, err := s.admin.Call("CONFIG", "GET", name)
		if err != nil {
			return err
		}
		if len(v.Elements) == 2 {
			s.config = append(s.config, []string{"CONFIG", "SET", name, v.Elements[1].Text})
		}
	}
	return nil
}

// end restores settings and closes the connections.
func (s *side) end() error {
	var errs []error
	for _, c := range s.config {
		now, err := s.admin.Call("CONFIG", "GET", c[2])
		if err == nil && len(now.Elements) == 2 && now.Elements[1].Text != c[3] {
			_, err = s.admin.Call(c...)
		}
		errs = append(errs, err)
	}
	for _, c := range s.conns {
		errs = append(errs, c.Close())
	}
	if s.admin != nil {
		errs = append(errs, s.admin.Close())
	}
	return errors.Join(errs...)
}

func (s *side) conn(name string) (*Conn, error) {
	if c := s.conns[name]; c != nil {
		return c, nil
	}
	c, err := Dial(s.server.Addr)
	if err != nil {
		return nil, err
	}
	s.conns[name] = c
	if s.version == 3 {
		// A server that asks for a password first refuses HELLO; the transcript
		// then says HELLO 3 AUTH itself.
		if _, err = c.Do("HELLO", "3"); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// expand replaces ${NAME} by what this server answered.
func (s *side) expand(args []string) []string {
	if len(s.vars) == 0 {
		return args
	}
	out := slices.Clone(args)
	for i := range out {
		for name, value := range s.vars {
			out[i] = strings.ReplaceAll(out[i], "${"+name+"}", value)
		}
	}
	return out
}

// configNames lists the parameters that the transcript sets.
func (tr *Transcript) configNames() []string {
	var names []string
	for _, s := range tr.Steps {
		if len(s.Args) > 3 && strings.EqualFold(s.Args[0], "config") && strings.EqualFold(s.Args[1], "set") {
			for i := 2; i+1 < len(s.Args); i += 2 {
				names = append(names, strings.ToLower(s.Args[i]))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

type runner struct {
	t       *testing.T
	tr      *Transcript
	version int
	sides   [2]*side
	unlike  int // replies that differed
}

func (r *runner) close() {
	for _, s := range r.sides {
		if err := s.end(); err != nil {
			r.t.Errorf("%s: after the transcript: %v", s.server.Name, err)
		}
	}
}

func (r *runner) fatalf(s Step, format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s:%d: %s\n  %s", r.tr.File, s.Line, joinArgs(s.Args), fmt.Sprintf(format, args...))
}

func (r *runner) errorf(s Step, format string, args ...any) {
	r.t.Helper()
	r.t.Errorf("%s:%d: %s\n  %s", r.tr.File, s.Line, joinArgs(s.Args), fmt.Sprintf(format, args...))
}

func (r *runner) run() {
	steps := r.tr.Steps
	for len(steps) > 0 {
		n := batch(steps)
		if n == 0 {
			if r.wanted(steps[0]) {
				r.single(steps[0])
			}
			n = 1
		} else {
			r.batch(steps[:n])
		}
		steps = steps[n:]
	}
}

// wanted says whether both servers have the commands that the step needs.
func (r *runner) wanted(s Step) bool {
	for _, name := range s.Needs {
		for _, side := range r.sides {
			has, err := side.server.Has(name)
			if err != nil {
				r.fatalf(s, "asking for %s: %v", name, err)
			}
			if !has {
				return false
			}
		}
	}
	return true
}

// batch counts the plain commands at the beginning that may share one write:
// same connection, and nothing to be known before the next is sent.
func batch(steps []Step) int {
	n := 0
	for n < len(steps) && n < maxBatch {
		s := &steps[n]
		if s.Kind != StepCommand || s.Capture != "" || s.Until != "" || s.Conn != steps[0].Conn {
			break
		}
		n++
	}
	return n
}

// batch sends commands in one write and compares the replies.
func (r *runner) batch(steps []Step) {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return !r.wanted(s) })
	if len(steps) == 0 {
		return
	}
	var conns [2]*Conn
	for i, s := range r.sides {
		conns[i] = r.connOf(s, steps[0])
		for _, step := range steps {
			conns[i].Queue(s.expand(step.Args)...)
		}
		if err := conns[i].Flush(); err != nil {
			r.fatalf(steps[0], "%s: %v", s.server.Name, err)
		}
	}
	for _, step := range steps {
		r.readAndCompare(step, conns)
	}
}

func (r *runner) connOf(s *side, step Step) *Conn {
	c, err := s.conn(step.Conn)
	if err != nil {
		r.fatalf(step, "%s: %v", s.server.Name, err)
	}
	return c
}

func (r *runner) readAndCompare(step Step, conns [2]*Conn) {
	var replies [2][]byte
	for i, c := range conns {
		var err error
		if replies[i], err = c.Read(nil); err != nil {
			r.fatalf(step, "%s: %v", r.sides[i].server.Name, err)
		}
	}
	r.compare(step, replies)
}

func (r *runner) compare(step Step, replies [2][]byte) {
	if wrong := step.Check.Compare(replies[0], replies[1]); wrong != "" {
		r.errorf(step, "%s (RESP%d)\n  redis:  %s\n  respkv: %s", wrong, r.version, show(replies[0]), show(replies[1]))
		if r.unlike++; r.unlike == maxDifferences {
			r.t.Fatalf("%s: %d replies differ, the rest is not compared", r.tr.File, r.unlike)
		}
	}
	if step.Capture == "" {
		return
	}
	for i, s := range r.sides {
		v, err := ParseReply(replies[i])
		if err != nil {
			r.fatalf(step, "%s: %v", s.server.Name, err)
		}
		s.vars[step.Capture] = v.Text
	}
}

// single runs a step that can't be part of a batch.
func (r *runner) single(step Step) {
	if step.Kind == StepScanAll {
		r.scanAll(step)
		return
	}
	if step.Until != "" {
		r.until(step)
		return
	}
	var conns [2]*Conn
	for i, s := range r.sides {
		c := r.connOf(s, step)
		conns[i] = c
		switch step.Kind {
		case StepCommand, StepNoReply:
			c.Queue(s.expand(step.Args)...)
		case StepRaw:
			c.QueueRaw(step.Args[0])
		case StepResp2:
			c.Queue("HELLO", "2")
		case StepResp3:
			c.Queue("HELLO", "3")
		}
		if err := c.Flush(); err != nil {
			r.fatalf(step, "%s: %v", s.server.Name, err)
		}
	}
	switch step.Kind {
	case StepNoReply:
	case StepClosed:
		for i, c := range conns {
			if extra, err := c.Read(nil); !isClosed(err) {
				r.fatalf(step, "%s: connection is open: reply %s, error %v", r.sides[i].server.Name, show(extra), err)
			}
			_ = c.Close() // the peer has closed it already
			delete(r.sides[i].conns, step.Conn)
		}
	case StepResp2, StepResp3:
		step.Check = Check{Kind: Ignore} // HELLO's reply has its own tests
		r.readAndCompare(step, conns)
	default:
		r.readAndCompare(step, conns)
	}
}

// isClosed tells the end of a connection from a timeout or a bad reply.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "connection reset")
}

// until repeats the command on each server until it answers as told. It
// stands in for sleeping where time has to pass.
func (r *runner) until(step Step) {
	for _, s := range r.sides {
		c := r.connOf(s, step)
		deadline := time.Now().Add(untilTimeout)
		for {
			raw, err := c.Do(s.expand(step.Args)...)
			if err != nil {
				r.fatalf(step, "%s: %v", s.server.Name, err)
			}
			v, err := ParseReply(raw)
			if err == nil && v.String() == step.Until {
				break
			}
			if time.Now().After(deadline) {
				r.fatalf(step, "%s: still %s, want %s", s.server.Name, show(raw), step.Until)
			}
			time.Sleep(2 * time.Millisecond) // polls, bounded by the deadline
		}
	}
}

// scanAll walks a SCAN-like command to its end on each server and compares the
// elements seen, duplicates removed. "CURSOR" among the arguments stands for
// the cursor.
func (r *runner) scanAll(step Step) {
	var seen [2][]string
	for i, s := range r.sides {
		c := r.connOf(s, step)
		cursor := "0"
		for {
			args := s.expand(step.Args)
			args = slices.Clone(args)
			for j := range args {
				if args[j] == "CURSOR" {
					args[j] = cursor
				}
			}
			v, err := c.Call(args...)
			if err != nil || len(v.Elements) != 2 {
				r.fatalf(step, "%s: %v %v", s.server.Name, v, err)
			}
			for _, e := range v.Elements[1].Elements {
				seen[i] = append(seen[i], e.String())
			}
			if cursor = v.Elements[0].Text; cursor == "0" {
				break
			}
		}
		slices.Sort(seen[i])
		seen[i] = slices.Compact(seen[i])
	}
	if !slices.Equal(seen[0], seen[1]) {
		r.fatalf(step, "elements differ\n  redis:  %v\n  respkv: %v", seen[0], seen[1])
	}
}
