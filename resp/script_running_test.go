package resp

import (
	"runtime"
	"strings"
	"testing"

	"respkv/internal/config"
)

// TestScriptKillAwaitsBusy: SCRIPT KILL, FUNCTION KILL and FUNCTION STATS that come
// while a script runs that is not busy yet wait until it is, whatever it holds.
func TestScriptKillAwaitsBusy(t *testing.T) {
	endless := "while true do pcall(function() while true do end end) end"
	library := "#!lua name=l\nredis.register_function{function_name='f', callback=function() " + endless + " end, flags={'no-writes'}}"
	const killed = "-ERR Script killed by user with SCRIPT KILL..."
	for _, test := range []struct {
		name   string
		before [][]string
		line   []string
		while  string // sent while it runs
		want   string
	}{
		{"alone", nil, []string{"eval", endless, "0"}, "script kill", "+OK\r\n"},
		{"with a key", nil, []string{"eval", endless, "1", "k"}, "script kill", "+OK\r\n"},
		{"beside others", nil, []string{"eval_ro", "return redis.call('get', KEYS[1]) or (function() " + endless + " end)()", "1", "k"}, "script kill", "+OK\r\n"},
		{"without locks", nil, []string{"eval_ro", endless, "0"}, "script kill", "+OK\r\n"},
		{"without locks, by the other name", nil, []string{"eval_ro", endless, "0"}, "function kill", "-" + errBusyScript + "\r\n"},
		{"without locks, stats", nil, []string{"eval_ro", endless, "0"}, "function stats", "-" + errBusyScript + "\r\n"},
		{"in EXEC", [][]string{{"multi"}, {"eval_ro", endless, "0"}}, []string{"exec"}, "script kill", "+OK\r\n"},
		{"in EXEC with a key", [][]string{{"multi"}, {"eval", endless, "1", "k"}}, []string{"exec"}, "script kill", "+OK\r\n"},
		{"function", nil, []string{"fcall", "f", "0"}, "function kill", "+OK\r\n"},
		{"function, by the other name", nil, []string{"fcall_ro", "f", "1", "k"}, "script kill", "-" + errBusyFunction + "\r\n"},
		{"function, stats", nil, []string{"fcall", "f", "0"}, "function stats", "*4\r\n$14\r\nrunning_script\r\n*6\r\n$4\r\nname\r\n$1\r\nf\r\n"},
	} {
		for _, routing := range []Routing{nil, newRouting(t, everySlot)} {
			name := test.name + ", standalone"
			if routing != nil {
				name = test.name + ", cluster"
			}
			t.Run(name, func(t *testing.T) {
				n := newTestNode(t, routing, nil)
				if err := n.d.config.Set([]config.Pair{{Name: "busy-reply-threshold", Value: "50"}}); err != nil {
					t.Fatal(err)
				}
				n.doAs(n.client, "function", "load", library)
				client, ended := n.newClient(2), make(chan string)
				for _, line := range test.before {
					n.doAs(client, line...)
				}
				go func() { ended <- n.doAs(client, test.line...) }()
				for signals, ok := n.d.scripts.running(); ok && len(signals) == 0; signals, ok = n.d.scripts.running() {
					runtime.Gosched()
				}
				if got := n.doAs(n.client, strings.Fields(test.while)...); !strings.HasPrefix(got, test.want) {
					t.Errorf("%s: %q, want %q", test.while, got, test.want)
				}
				kill := "script"
				if strings.HasPrefix(test.line[0], "fcall") {
					kill = "function"
				}
				n.doAs(n.client, kill, "kill") // once more does no harm
				if got := <-ended; !strings.Contains(got, killed) {
					t.Errorf("ended with %q", got)
				}
				n.expect(kill+" kill", "-"+errNotBusy+"\r\n")
				if signals, ok := n.d.scripts.running(); !ok || len(signals) > 0 {
					t.Errorf("%d scripts run, none is busy: %v", len(signals), ok)
				}
			})
		}
	}
}

// TestScriptKillAwaitsEnd: who waits for a script that ends in time is told that none
// runs.
func TestScriptKillAwaitsEnd(t *testing.T) {
	n := newTestNode(t, nil, nil)
	for _, line := range []string{"script kill", "function kill"} {
		run := &scriptRun{d: n.d, signal: &scriptSignal{}}
		run.locks = &run.alone
		run.enlist()
		client, replied := n.newClient(2), make(chan string)
		go func() { replied <- n.doAs(client, strings.Fields(line)...) }()
		for waited := false; !waited; {
			run.signal.mu.Lock()
			waited = run.signal.wake != nil
			run.signal.mu.Unlock()
			runtime.Gosched()
		}
		run.unlock()
		if got := <-replied; got != "-"+errNotBusy+"\r\n" {
			t.Errorf("%s: %q", line, got)
		}
	}
}
