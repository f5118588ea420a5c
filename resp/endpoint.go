package resp

import "respkv/cluster/slotmap"

// Values of cluster-preferred-endpoint-type: how this node names the nodes that
// it sends clients to, itself included. What the others prefer is nothing to it.
const (
	endpointIP       = "ip"
	endpointHostname = "hostname"
	endpointUnknown  = "unknown-endpoint" // clients keep the host they are connected to
)

func (d *Dispatcher) preferredEndpoint() string {
	return d.config.Config().Cluster.PreferredEndpointType
}

// endpointOf is the host of a redirection to n: empty for unknown endpoints.
func (d *Dispatcher) endpointOf(n *slotmap.Node) string {
	switch d.preferredEndpoint() {
	case endpointHostname:
		if n.Hostname != "" {
			return n.Hostname
		}
		return "?"
	case endpointUnknown:
		return ""
	}
	return n.Host
}

// endpoint writes how clients are to reach a node; null: as they did.
func (c *Ctx) endpoint(n *slotmap.Node) {
	if c.d.preferredEndpoint() == endpointUnknown {
		c.W.Null()
		return
	}
	c.W.BulkString(c.d.endpointOf(n))
}
