package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// outputLimits is client-output-buffer-limit: groups of class, hard limit,
// soft limit and soft seconds. Classes that are not named keep their limits.
type outputLimits struct{ p *OutputLimits }

func outputLimitsValue(field func(*Config) *OutputLimits) func(*Config) value {
	return func(c *Config) value { return outputLimits{field(c)} }
}

func (v outputLimits) class(l *OutputLimits, name string) *OutputLimit {
	switch strings.ToLower(name) {
	case "normal":
		return &l.Normal
	case "replica", "slave":
		return &l.Replica
	case "pubsub":
		return &l.PubSub
	}
	return nil
}

func (v outputLimits) setRedis(s string) error {
	words := strings.Fields(s)
	if len(words)%4 != 0 {
		return errors.New("Wrong number of arguments in buffer limit configuration.")
	}
	next := *v.p
	for ; len(words) > 0; words = words[4:] {
		limit := v.class(&next, words[0])
		if limit == nil {
			return errors.New("Invalid client class specified in buffer limit configuration.")
		}
		hard, err1 := ParseMemory(words[1])
		soft, err2 := ParseMemory(words[2])
		seconds, err3 := strconv.ParseUint(words[3], 10, 31)
		if err1 != nil || err2 != nil || err3 != nil || hard > math.MaxInt64 || soft > math.MaxInt64 {
			return errors.New("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
		}
		*limit = OutputLimit{Hard: int64(hard), Soft: int64(soft), SoftSeconds: time.Duration(seconds) * time.Second}
	}
	*v.p = next
	return nil
}

func (v outputLimits) set(s string) error { return v.setRedis(s) }

func (v outputLimits) format(replica string, size func(int64) string) string {
	var b strings.Builder
	for _, c := range []struct {
		name string
		l    OutputLimit
	}{{"normal", v.p.Normal}, {replica, v.p.Replica}, {"pubsub", v.p.PubSub}} {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s %s %s %d", c.name, size(c.l.Hard), size(c.l.Soft), int64(c.l.SoftSeconds/time.Second))
	}
	return b.String()
}

func (v outputLimits) text() string { return v.format("replica", formatMemory) }

func (v outputLimits) redis() string {
	return v.format("slave", func(n int64) string { return strconv.FormatInt(n, 10) })
}
func (v outputLimits) kind() string { return "groups of class, hard limit, soft limit, seconds" }
func (v outputLimits) allowed() string {
	return "groups of: normal, replica or pubsub; hard limit; soft limit; seconds above the soft limit"
}

// durability is async, replicas=N or quorum.
type durability struct{ p *Durability }

func durabilityValue(field func(*Config) *Durability) func(*Config) value {
	return func(c *Config) value { return durability{field(c)} }
}

func (v durability) setRedis(s string) error {
	s = strings.ToLower(strings.TrimSpace(s))
	if count, ok := strings.CutPrefix(s, "replicas="); ok {
		n, err := parseInteger(count)
		if err != nil || n < 1 || n > 16 {
			return errNotOneOf([]string{"async", "replicas=N (N from 1 to 16)", "quorum"})
		}
		*v.p = Durability{Mode: "replicas", Replicas: int(n)}
		return nil
	}
	if s != "async" && s != "quorum" {
		return errNotOneOf([]string{"async", "replicas=N (N from 1 to 16)", "quorum"})
	}
	*v.p = Durability{Mode: s}
	return nil
}
func (v durability) set(s string) error { return v.setRedis(s) }

func (v durability) text() string {
	if v.p.Mode == "replicas" {
		return "replicas=" + strconv.Itoa(v.p.Replicas)
	}
	return v.p.Mode
}
func (v durability) redis() string   { return v.text() }
func (v durability) kind() string    { return "word" }
func (v durability) allowed() string { return "async, replicas=N (N from 1 to 16) or quorum" }

// keyspaceEvents is notify-keyspace-events: a set of letters, kept in the order
// in which CONFIG GET shows them.
type keyspaceEvents struct{ p *string }

func keyspaceEventsValue(field func(*Config) *string) func(*Config) value {
	return func(c *Config) value { return keyspaceEvents{field(c)} }
}

const (
	// eventClasses are the letters that A stands for.
	eventClasses = "g$lshzxetd"
	// eventLetters is every letter but A. n and m are not part of A.
	eventLetters = eventClasses + "nKEm"
)

func (v keyspaceEvents) setRedis(s string) error {
	s = strings.ReplaceAll(s, "A", eventClasses)
	for _, letter := range s {
		if !strings.ContainsRune(eventLetters, letter) {
			return errors.New("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
		}
	}
	var b strings.Builder
	for _, letter := range eventLetters {
		if strings.ContainsRune(s, letter) {
			b.WriteRune(letter)
		}
	}
	*v.p = b.String()
	return nil
}

func (v keyspaceEvents) set(s string) error { return v.setRedis(s) }

func (v keyspaceEvents) text() string { return strings.Replace(*v.p, eventClasses, "A", 1) }

// redis leaves n out where A is shown, as Redis does.
func (v keyspaceEvents) redis() string { return strings.Replace(v.text(), "An", "A", 1) }
func (v keyspaceEvents) kind() string  { return "letters" }
func (v keyspaceEvents) allowed() string {
	return "letters of: K E g $ l s h z x e t d n m A; empty: none"
}

// lines is a list of lines of text. In text they are separated by line ends.
type lines struct {
	p   *[]string
	max int
}

func linesValue(field func(*Config) *[]string, max int) func(*Config) value {
	return func(c *Config) value { return lines{field(c), max} }
}

func (v lines) setRedis(s string) error {
	var all []string
	for _, line := range strings.Split(s, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	if len(all) > v.max {
		return fmt.Errorf("argument must have at most %d entries", v.max)
	}
	*v.p = all
	return nil
}
func (v lines) set(s string) error { return v.setRedis(s) }
func (v lines) text() string       { return strings.Join(*v.p, "\n") }
func (v lines) redis() string      { return v.text() }
func (v lines) kind() string       { return "list of lines" }
func (v lines) allowed() string    { return fmt.Sprintf("a list of at most %d lines", v.max) }

// access is a LocalAccess.
func accessValue(field func(*Config) *LocalAccess) func(*Config) value {
	return func(c *Config) value {
		return enum{p: (*string)(field(c)), words: []string{"no", "yes", "local"}}
	}
}
