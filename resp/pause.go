package resp

import "respkv/resp/command"

// heldBack parks the client when CLIENT PAUSE makes the command of e wait: it
// is not consumed then. One atomic load while nothing is paused.
func (d *Dispatcher) heldBack(client *Client, e *entry) bool {
	paused := d.server.Paused()
	if paused == PauseOff || client.Has(FlagReplica|FlagMonitor) {
		return false
	}
	writes := e.pausedByWrites() || e.in.exec && client.Session.(*session).multi.mayWrite()
	if !writes {
		return client.ParkPaused(PauseAll)
	}
	return client.ParkPaused(PauseWrite)
}

// frozen says whether CLIENT PAUSE keeps the data as it is: keys past their
// deadline are gone for who asks, but nothing is removed, nor evicted.
func (d *Dispatcher) frozen() bool { return d.server.Paused() != PauseOff }

// pausedByWrites says whether CLIENT PAUSE WRITE holds the command: writes, and
// what replicates or runs scripts that may write.
func (e *entry) pausedByWrites() bool {
	return e.write || e.cmd.Flags&command.MayReplicate != 0
}
