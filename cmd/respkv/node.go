package main

import (
	"log/slog"

	"respkv/internal/config"
	joined "respkv/internal/node"
)

// startNode joins store, replication, cluster and resp into a running node.
var startNode starter = func(live *config.Live, log *slog.Logger) (node, error) {
	n, err := joined.Start(live, version, log)
	if err != nil {
		return nil, err // not n: a nil *Node in the interface would not be nil
	}
	return n, nil
}
