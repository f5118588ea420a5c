package resp

import "slices"

// A client of Redis that sends SCRIPT KILL while a script runs is served when that has
// ended or is busy, as there is one thread for both. Here it is served at once, and has
// to wait: else it would be told that nothing runs, and the script would go on.

// enlist makes a script that holds no lock known to those who look for scripts that
// run: they find others by what they hold.
func (run *scriptRun) enlist() {
	if run.locks.exclusive || run.locks.held != (shardSet{}) {
		return
	}
	g := &run.d.scripts
	g.mu.Lock()
	defer g.mu.Unlock()
	run.listed = true
	g.free = append(g.free, run.signal)
}

func (run *scriptRun) delist() {
	if !run.listed {
		return
	}
	g := &run.d.scripts
	g.mu.Lock()
	defer g.mu.Unlock()
	run.listed = false
	g.free = slices.DeleteFunc(g.free, func(other *scriptSignal) bool { return other == run.signal })
}

// running returns the scripts that run at this moment, none of which is busy. If one
// is, ok is false: there is nothing to wait for.
func (g *scriptGate) running() (signals []*scriptSignal, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.busy) > 0 {
		return nil, false
	}
	signals = slices.Clone(g.free)
	if script := g.exclusive.Load(); script != nil {
		signals = append(signals, script)
	}
	for i := range g.holders {
		if script := g.holders[i].Load(); script != nil && !slices.Contains(signals, script) {
			signals = append(signals, script)
		}
	}
	return signals, true
}

// awaitScripts waits until the scripts that run have ended or one of them is busy,
// which takes server.busy_reply_threshold at most. Scripts that begin meanwhile come
// after the caller. In EXEC it is served between two commands, where Redis runs none.
func (c *Ctx) awaitScripts() {
	if c.inExec {
		return
	}
	signals, _ := c.d.scripts.running()
	for _, script := range signals {
		if !script.await() {
			return
		}
	}
}
