package resp

import (
	"respkv/internal/lua"
	"respkv/resp/command"
)

// heldBack parks the client when CLIENT PAUSE makes a command wait: it
// is not consumed then. One atomic load while nothing is paused.
func (d *Dispatcher) heldBack(client *Client, e *entry, args [][]byte) bool {
	paused := d.server.Paused()
	if paused == PauseOff || client.Has(FlagReplica|FlagMonitor) {
		return false
	}
	if d.mayWrite(e, args) || e.in.exec && client.Session.(*session).multi.mayWrite(d) {
		return client.ParkPaused(PauseWrite)
	}
	return client.ParkPaused(PauseAll)
}

// mayWrite says whether CLIENT PAUSE WRITE holds a command. As in Redis, what a script
// says of itself counts in place of what is known of all scripts.
func (d *Dispatcher) mayWrite(e *entry, args [][]byte) bool {
	if e.in.script {
		p := d.prepare(e.cmd, args)
		if flags := p.flags(); flags&lua.Compat == 0 {
			return flags&lua.NoWrites == 0
		}
	}
	return e.pausedByWrites()
}

// frozen says whether CLIENT PAUSE keeps the data as it is: keys past their
// deadline are gone for who asks, but nothing is removed, nor evicted.
func (d *Dispatcher) frozen() bool { return d.server.Paused() != PauseOff }

// pausedByWrites says whether CLIENT PAUSE WRITE holds the command, whatever its
// arguments: writes, and what replicates or runs scripts that may write.
func (e *entry) pausedByWrites() bool {
	return e.write || e.cmd.Flags&command.MayReplicate != 0
}
