package resp

import (
	"time"

	"respkv/internal/config"
	"respkv/internal/lua"
)

const (
	errFewReplicas   = "NOREPLICAS Not enough good replicas to write."
	errMisconfScript = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts."
)

// What refuses all writes of a server, whatever they write to: saving that fails, and
// fewer replicas than replication.min_replicas_to_write. Both are rare: what every
// command pays is a look at two flags.

// refusesWrites says why nobody may write; "": nothing speaks against it.
func (d *Dispatcher) refusesWrites() string {
	switch {
	case d.writesDenied():
		return errMisconf
	case !d.follow.on.Load() && d.fewReplicas():
		return errFewReplicas
	}
	return ""
}

// refusedByState says why a command is refused for what refuses writes; "": it is not.
func (d *Dispatcher) refusedByState(c *Ctx, e *entry) string {
	if !d.saver.misconf.Load() && d.feed.wanted.Load() == 0 && !d.follow.on.Load() {
		return ""
	}
	writes := e.write
	if e.in.exec {
		m := c.session().multi
		writes = m != nil && m.stores
	}
	switch {
	case writes:
		if refused := d.refusesWrites(); refused != "" {
			return refused
		}
	case e.cmd.Name == "ping" && d.writesDenied():
		return errMisconf
	}
	return d.refusedByRole(c, e, writes)
}

// refusedByState says why the script is refused that says by its flags that it may
// write.
func (run *scriptRun) refusedByState() string {
	reason := run.d.refusesWrites()
	if reason == errMisconf {
		return errMisconfScript
	}
	return reason
}

// mayWriteNow says why a script without flags may not write; "": it may. Once it has
// written it may go on.
func (run *scriptRun) mayWriteNow() string {
	if run.wrote || run.flags&lua.Compat == 0 {
		return ""
	}
	if run.d.readOnlyReplica() {
		return "-" + errReadOnlyNode
	}
	if reason := run.d.refusesWrites(); reason != "" {
		return "-" + reason
	}
	return ""
}

// fewReplicas says whether fewer replicas of a standalone node follow it closely than
// there are to be for a write.
func (d *Dispatcher) fewReplicas() bool {
	wanted := d.feed.wanted.Load()
	return wanted > 0 && d.feed.good(time.Now().UnixMilli(), d.config.Config().Replication.MinReplicasMaxLagSeconds) < int(wanted)
}

// good counts the replicas that have acknowledged something in the last seconds.
func (f *replicaFeed) good(now int64, seconds int) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		if r.state == "online" && (now-r.ackedAt.Load())/1000 <= int64(seconds) {
			n++
		}
	}
	return n
}

// configure notes how many replicas there are to be for a write.
func (f *replicaFeed) configure(c *config.Config) {
	wanted := c.Replication.MinReplicasToWrite
	if c.Replication.MinReplicasMaxLagSeconds == 0 {
		wanted = 0 // as in Redis
	}
	f.wanted.Store(int32(wanted))
}
