package resp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sortEffectSamples are SORT STORE with patterns, which a cluster refuses: what it
// looked up is not looked up again, but replicated as a list.
var sortEffectSamples = []effectSample{
	{nil, "SORT {t}l BY w_* STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 2 3 1"}},
	{nil, "SORT {t}l BY w_* DESC LIMIT 0 2 STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 1 3"}},
	{nil, "SORT {t}l BY h_*->f STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 3 1 2"}},
	{nil, "SORT {t}l BY w_* ALPHA STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 2 3 1"}},
	{nil, "SORT {t}l BY w_* STORE {t}l", []string{"DEL {t}l", "RPUSH {t}l 2 3 1"}},
	{nil, "SORT {t}l GET # STORE {t}2", []string{"SORT {t}l GET # STORE {t}2"}},
	{nil, "SORT {t}l GET w_* GET missing_* GET # STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 30  1 10  2 20  3"}},
	{nil, "SORT {t}l BY nosort GET h_*->f STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 1 3 2"}},
	{nil, "SORT {t}l BY w_* GET h_*->f STORE {t}l", []string{"DEL {t}l", "RPUSH {t}l 3 1 2"}},
	{nil, "SORT {t}s BY nosort GET w_* STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 30 10 20"}},
	{nil, "SORT {t}z BY nosort DESC GET w_* STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 20 10 30"}},
	{[]string{"SET {t}2 x EX 100"}, "SORT {t}l BY w_* STORE {t}2", []string{"DEL {t}2", "RPUSH {t}2 2 3 1"}},
	{[]string{"SET {t}2 x"}, "SORT {t}missing BY w_* GET # STORE {t}2", []string{"DEL {t}2"}},
	{nil, "SORT {t}missing BY w_* STORE {t}2", nil},
	{nil, "SORT {t}l BY w_*", nil},
	{nil, "SORT {t}l BY h_*->g STORE {t}2", nil}, // not numbers
	{nil, "SORT {t}l BY nosort STORE {t}2", []string{"SORT {t}l BY nosort STORE {t}2"}},
}

// TestSortEffects: a copy that lacks the keys of the patterns gets the same list.
func TestSortEffects(t *testing.T) {
	for _, s := range sortEffectSamples {
		t.Run(s.line, func(t *testing.T) {
			primary, replica := newTestNode(t, nil, &effectLog{}), newTestNode(t, nil, nil)
			for _, line := range append([]string{"RPUSH {t}l 3 2 1", "SADD {t}s 1 2 3", "ZADD {t}z 1 1 2 2 3 3"}, s.before...) {
				primary.prepare(line)
			}
			replica.apply(primary.log.take())
			for _, line := range []string{"MSET w_1 30 w_2 10 w_3 20", "HSET h_1 f 2 g x", "HSET h_2 f 3 g x", "HSET h_3 f 1 g x"} {
				primary.prepare(line)
			}
			primary.log.take()

			reply := primary.do(strings.Fields(s.line)...)
			effects := primary.log.take()
			checkEffects(t, reply, effects, s.want)
			replica.apply(effects)
			for _, key := range []string{"w_1", "w_2", "w_3", "h_1", "h_2", "h_3"} {
				primary.do("DEL", key)
			}
			if a, b := primary.dump(), replica.dump(); !slices.Equal(a, b) {
				t.Errorf("primary has %v, replica %v", a, b)
			}
		})
	}
}

// TestSortEffectsBatches: a long list is replicated in pieces.
func TestSortEffectsBatches(t *testing.T) {
	primary, replica := newTestNode(t, nil, &effectLog{}), newTestNode(t, nil, nil)
	line := []string{"RPUSH", "{t}l"}
	for i := range 2*sortBatch + 1 {
		line = append(line, fmt.Sprint(i))
	}
	primary.do(line...)
	replica.apply(primary.log.take())
	primary.do("SORT", "{t}l", "BY", "w_*", "GET", "#", "STORE", "{t}2")
	effects := primary.log.take()
	if len(effects) != 4 {
		t.Errorf("%d effects, want DEL and three RPUSH", len(effects))
	}
	replica.apply(effects)
	if a, b := primary.dump(), replica.dump(); !slices.Equal(a, b) {
		t.Error("the copy differs")
	}
}
