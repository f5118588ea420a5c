package node

import (
	"errors"

	"respkv/internal/config"
)

// Redis's texts, but for the first one.
var (
	errPortOfMember = errors.New("the other nodes of a cluster know this one by its port and address: set them at the start")
	errPort         = errors.New("Unable to listen on this port. Check server logs.")
	errBind         = errors.New("Failed to bind to specified addresses.")
)

// observeListening makes CONFIG SET of addresses and port take effect.
func (n *Node) observeListening() {
	n.live.Observe(func(old, next *config.Config) error {
		if next.Cluster.Enabled {
			return errPortOfMember
		}
		err := n.server.Relisten(next.Server.Bind, next.Server.Port)
		if err == nil {
			return nil
		}
		n.log.Warn("the server goes on listening where it did", "error", err)
		if next.Server.Port != old.Server.Port {
			return errPort
		}
		return errBind
	}, "server.bind", "server.port")
}
