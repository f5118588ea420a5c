package differential

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// Events beside replies: a fuzzer with listeners also compares the keyspace
// events that a sequence makes, in their order, and the lookups that it counts.

// listeners are connections that have subscribed to the keyspace events of the
// two servers.
type listeners struct {
	conns [2]*Conn
	marks int // ends of sequences so far

	anyOrder bool
}

// eventEnd is the channel of messages that end the events of a sequence.
const eventEnd = "__keyend"

var lookups = Check{Kind: SameFields, Fields: []string{"keyspace_hits", "keyspace_misses"}}

func listen(pair Pair) (*listeners, error) {
	l := new(listeners)
	for i, s := range []*Server{pair.Redis, pair.Respkv} {
		c, err := Dial(s.Addr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		l.conns[i] = c
		if _, err := c.Call("CONFIG", "SET", "notify-keyspace-events", "KEAnm"); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if _, err := c.Call("PSUBSCRIBE", "__key*"); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return l, nil
}

func (l *listeners) close() {
	for _, c := range l.conns {
		if c != nil {
			_ = c.Close() // at the end of a test nothing depends on it
		}
	}
}

// watched is a sequence that ends with what tells of lookups and ends the
// events. Its first command forgets the lookups before.
func (l *listeners) watched(commands []Command) []Command {
	l.marks++
	all := append([]Command{{Args: []string{"CONFIG", "RESETSTAT"}}}, commands...)
	return append(all,
		Command{Args: []string{"DISCARD"}, Check: Check{Kind: Ignore}},
		Command{Args: []string{"INFO", "stats"}, Check: lookups},
		Command{Args: []string{"PUBLISH", eventEnd, strconv.Itoa(l.marks)}})
}

// compare reads the events of a sequence, to their end, and says what differs.
func (l *listeners) compare() (wrong string, redis, respkv []byte, err error) {
	var events [2][][]byte
	for i, c := range l.conns {
		for {
			b, err := c.Read(nil)
			if err != nil {
				return "", nil, nil, err
			}
			if bytes.Contains(b, []byte("\r\n"+eventEnd+"\r\n")) {
				if !bytes.HasSuffix(b, []byte("\r\n"+strconv.Itoa(l.marks)+"\r\n")) {
					return "", nil, nil, fmt.Errorf("the end of another sequence: %q", b)
				}
				break
			}
			events[i] = append(events[i], b)
		}
	}
	if l.anyOrder {
		for i := range events {
			slices.SortFunc(events[i], bytes.Compare)
		}
	}
	n := min(len(events[0]), len(events[1]))
	for i := range n {
		if !bytes.Equal(events[0][i], events[1][i]) {
			return fmt.Sprintf("event %d differs", i), events[0][i], events[1][i], nil
		}
	}
	switch {
	case len(events[0]) > n:
		return "an event is missing", events[0][n], nil, nil
	case len(events[1]) > n:
		return "an event too many", nil, events[1][n], nil
	}
	return "", nil, nil, nil
}

// replayWatched is replay with events. A difference of them is reported at the
// last command.
func (fz *fuzzer) replayWatched(commands []Command) (*difference, error) {
	found, err := fz.replayReplies(fz.events.watched(commands))
	if err != nil {
		return nil, err
	}
	wrong, redis, respkv, err := fz.events.compare()
	switch {
	case err != nil:
		return nil, err
	case found != nil:
		// Not the command before, nor those behind, which are not in the list.
		found.index = min(max(found.index-1, 0), len(commands)-1)
		return found, nil
	case wrong != "":
		return &difference{len(commands) - 1, wrong, slices.Clone(redis), slices.Clone(respkv)}, nil
	}
	return nil, nil
}
