package resp

import (
	"strconv"

	"respkv/cluster"
	"respkv/resp/command"
)

// route answers for slots that this node does not serve. True: run it here. The
// first time it leaves the lease of a slot that is this node's to admit, which
// looks anyway: reading the clock twice more costs as much as a fifth of a SET.
// again: admit found that something has changed.
func (d *Dispatcher) route(c *Ctx, again bool) bool {
	if c.write && d.repl != nil && !d.withinLossBudget(c.slot) {
		c.reject(c.entry, errLossBudget)
		return false
	}
	if !again && d.routing.Mine(c.slot) {
		return true
	}
	readonly := d.readsReplicas(c.Client) || c.entry.in.shardChans
	dec := d.routing.Route(c.slot, readonly, c.asking || c.Cmd.Flags&command.Asking != 0, c.write)
	if dec.Verdict == cluster.Here {
		return true
	}
	if c.hasMigrated(dec) {
		c.W.Simple("NOKEY")
		return false
	}
	c.redirect(c.d.redirection(dec, c.slot, c.Client.TLS()))
	return false
}

// redirect is reject for what another node would do: EXEC gets the text as it
// is.
func (c *Ctx) redirect(text string) {
	if c.entry.in.exec {
		c.entry.stats.rejected.Add(1)
		c.discard()
		c.W.Error(text)
		return
	}
	c.reject(c.entry, text)
}

func (d *Dispatcher) redirection(dec cluster.Decision, slot uint16, tls bool) string {
	switch dec.Verdict {
	case cluster.Moved, cluster.Ask:
		host, port := d.endpointOf(dec.Node), cluster.PortOf(dec.Node, tls)
		kind := "MOVED "
		if dec.Verdict == cluster.Ask {
			kind = "ASK "
		}
		return kind + strconv.Itoa(int(slot)) + " " + host + ":" + strconv.Itoa(port)
	case cluster.Unassigned:
		return "CLUSTERDOWN Hash slot not served"
	case cluster.TryAgain:
		return "TRYAGAIN Multiple keys request during rehashing of slot"
	}
	return "CLUSTERDOWN The cluster is down"
}

// admit looks at ownership again under the shard lock. reroute means that the
// lock must be given up and the command routed anew, after wait if that is set.
// It also decides whether keys past their deadline may be removed: only the
// primary does that, replicas follow its effects.
func (d *Dispatcher) admit(c *Ctx) (wait <-chan struct{}, reroute bool) {
	c.Tx.KeepExpired = c.keepsExpired()
	if d.routing == nil {
		return nil, false
	}
	a := d.routing.Admit(c.slot, c.write)
	switch a.Gate {
	case cluster.Paused:
		return a.Wait, true
	case cluster.Reroute:
		return nil, true
	}
	c.Tx.KeepExpired = c.Tx.KeepExpired || !a.Owner
	return nil, false
}
