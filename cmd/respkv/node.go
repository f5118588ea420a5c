package main

import (
	"errors"
	"log/slog"

	"respkv/internal/config"
)

// startNode joins store, replication, cluster and resp into a running node.
var startNode starter = func(*config.Live, *slog.Logger) (node, error) {
	return nil, errors.New("this build holds no server: internal/node is not part of it")
}
