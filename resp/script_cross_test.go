package resp

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestScriptCrossesSlots: in a cluster a script without a first line that says otherwise may
// touch keys of all slots that the node serves, as in Redis: the first time, when nobody knew,
// and then.
func TestScriptCrossesSlots(t *testing.T) {
	log := &effectLog{durable: 1, acked: 1}
	n := newTestNode(t, newRouting(t, everySlot), log)
	for _, c := range []struct{ script, want, effects string }{
		{"redis.call('set','{a}',1) redis.call('set','{b}',2) return redis.call('get','{a}')", "$1\r\n1\r\n", "SET {a} 1|SET {b} 2"},
		{"redis.call('get','{a}') redis.call('set','{b}',3) redis.call('set','{c}',3) return redis.call('get','{b}')", "$1\r\n3\r\n", "SET {b} 3|SET {c} 3"},
		{"#!lua\nredis.call('set','{a}',1) redis.call('set','{b}',2)", "-ERR Script attempted to access keys that do not hash to the same slot", "SET {a} 1"},
	} {
		for _, keys := range [][]string{{"{a}"}, nil} {
			for range 2 {
				log.waited = nil
				if got := n.eval(n.client, c.script, keys...); !strings.HasPrefix(got, c.want) {
					t.Errorf("%s with keys %q: %q, want %q", c.script, keys, got, c.want)
				}
				var effects []string
				var slots []uint16
				for _, e := range log.take() {
					effects = append(effects, e.String())
					slots = append(slots, e.slot)
				}
				if got := strings.Join(effects, "|"); got != c.effects {
					t.Errorf("%s with keys %q: effects %q, want %q", c.script, keys, got, c.effects)
				}
				for _, slot := range slots {
					if !slices.ContainsFunc(log.waited, func(m Mark) bool { return m.Slot == slot }) {
						t.Errorf("%s with keys %q: answered before slot %d was acknowledged: %v", c.script, keys, slot, log.waited)
					}
				}
			}
		}
	}
	n.run(n.client, "multi")
	n.eval(n.client, "redis.call('set','{d}',1) return redis.call('set','{e}',2)")
	log.waited = nil
	if got := n.doAs(n.client, "exec"); got != "*1\r\n+OK\r\n" || len(log.waited) != 2 {
		t.Errorf("EXEC: %q, acknowledged %v", got, log.waited)
	}
}

// TestScriptsCrossAtOnce: scripts that cross slots in all directions end. One that wrote before
// it was known to cross, and meets another such, is refused there.
func TestScriptsCrossAtOnce(t *testing.T) {
	n := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	keys := []string{"{a}", "{b}", "{c}"}
	n.eval(n.client, "for _, k in ipairs(ARGV) do redis.call('set', k, 0) end")
	var wg sync.WaitGroup
	var added atomic.Int64
	for i := range 4 {
		client := n.newClient(2)
		wg.Go(func() {
			for round := range 100 {
				first, second := keys[(i+round)%3], keys[(i+round+1+round%2)%3]
				text := fmt.Sprintf("-- %d-%d\nredis.call('incr', KEYS[1]) redis.call('incr', '%s') return 1", i, round, second)
				for range 2 {
					switch got := n.doAs(client, "eval", text, "1", first); {
					case got == ":1\r\n":
						added.Add(2)
					case strings.HasPrefix(got, "-TRYAGAIN "):
						added.Add(1)
					default:
						t.Errorf("%s: %q", text, got)
					}
				}
			}
		})
	}
	wg.Wait()
	want := fmt.Sprintf(":%d\r\n", added.Load())
	if got := n.eval(n.client, "local n = 0 for _, k in ipairs({'{a}','{b}','{c}'}) do n = n + redis.call('get', k) end return n"); got != want {
		t.Errorf("added up %q, want %q", got, want)
	}
}
