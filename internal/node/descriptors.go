package node

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"syscall"

	"respkv/internal/config"
)

// Descriptors kept for other things than clients: listeners, files, and the
// connections of the cluster. Without some of its own a node with too many
// clients would lose its place in the cluster.
const (
	ownDescriptors     = 32
	clusterDescriptors = 128
)

// clientRoom is how many clients the process may have of its limit of open
// files.
func clientRoom(limit uint64, clustered bool) int {
	own := uint64(ownDescriptors)
	if clustered {
		own = clusterDescriptors
	}
	return int(min(limit-min(limit/2, own), math.MaxUint32))
}

// fitClients lowers server.maxclients to what the limit of open files allows,
// and refuses to raise it above.
func fitClients(live *config.Live, log *slog.Logger) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	cfg := live.Config()
	room := clientRoom(limit.Cur, cfg.Cluster.Enabled)
	if wanted := cfg.Server.MaxClients; wanted > room {
		if err := live.Set([]config.Pair{{Name: "maxclients", Value: strconv.Itoa(room)}}); err != nil {
			return err
		}
		log.Warn("server.maxclients is lowered to what the limit of open files (ulimit -n) allows", "wanted", wanted, "maxclients", room, "open_files", limit.Cur)
	}
	live.Observe(func(_, cfg *config.Config) error {
		if cfg.Server.MaxClients > room {
			return fmt.Errorf("The operating system is not able to handle the specified number of clients, try with %d", room) //nolint:staticcheck // Redis's words
		}
		return nil
	}, "server.maxclients")
	return nil
}
