// Package node builds one node out of store, replication, cluster and RESP
// server, and ends it in the right order. cmd/respkv runs one per process,
// tests run several.
package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/internal/certs"
	"respkv/internal/config"
	"respkv/internal/observe"
	"respkv/replication"
	"respkv/resp"
	"respkv/store"
)

// Node is one running node. Safe for concurrent use.
type Node struct {
	log        *slog.Logger
	live       *config.Live
	store      *store.Store
	dispatcher *resp.Dispatcher
	server     *resp.Server
	observer   *observe.Observer
	certs      *certs.Store // nil: nothing uses TLS

	// Cluster mode only; nil when standalone.
	member *membership
	repl   *replication.Log
	source atomic.Pointer[replication.Source]
	plane  *plane

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup // end with ctx

	requested chan struct{} // closed when SHUTDOWN asks for the end
	request   sync.Once
	end       sync.Once
	hurried   atomic.Bool // SHUTDOWN NOW
	accepting atomic.Bool // clients: from Start to Shutdown
	done      chan struct{}
	err       error // valid once done is closed
}

// Start builds a node and begins to serve. When it returns without an error the
// node accepts clients; a clustered node may still be looking for its cluster.
//
// version is the program's own, for INFO.
func Start(live *config.Live, version string, log *slog.Logger) (_ *Node, err error) {
	cfg := live.Config()
	n := &Node{log: log, live: live, requested: make(chan struct{}), done: make(chan struct{})}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	started := n // returning an error leaves n nil
	defer func() {
		if err != nil {
			started.close()
		}
	}()

	if err := fitClients(live, log); err != nil {
		return nil, err
	}
	cfg = live.Config()
	if err := n.loadCertificates(cfg); err != nil {
		return nil, err
	}
	hooks := &storeHooks{}
	databases := cfg.Store.Databases
	if cfg.Cluster.Enabled {
		databases = 1 // as Redis Cluster: only database 0 exists
	}
	n.store, err = store.Open(store.Options{Databases: databases, Hooks: hooks, MaxStringLength: cfg.Server.ProtoMaxBulkLen, HugePages: cfg.Store.HugePages})
	if err != nil {
		return nil, err
	}
	options := resp.DispatcherOptions{Store: n.store, Config: live, Shutdown: n.requestShutdown, Version: version, Logger: log}
	options.DialPrimary = n.dialPrimary
	if cfg.Cluster.Enabled {
		if err := n.buildCluster(cfg); err != nil {
			return nil, err
		}
		options.Routing, options.Replicator, options.Shared = n.member, &replicator{n: n}, n.member
	}
	n.dispatcher, err = resp.NewDispatcher(options)
	if err != nil {
		return nil, err
	}
	hooks.dispatcher = n.dispatcher
	if n.plane != nil {
		n.plane.keyspace.replaced = n.dispatcher.SlotReplaced
		n.plane.keyspace.watch = n.dispatcher.Watch
	}
	n.server, err = resp.NewServer(n.serverConfig(cfg), n.dispatcher)
	if err != nil {
		return nil, err
	}
	if path := loadPath(cfg); path != "" {
		if err := n.dispatcher.LoadFile(path); err != nil {
			return nil, err
		}
	}
	if n.member != nil {
		if err := n.buildSource(); err != nil {
			return nil, err
		}
	}
	n.dispatcher.Attach(n.server) // its cron looks at what has been built so far
	if n.member != nil {
		if err := n.startCluster(); err != nil {
			return nil, err
		}
	}
	if err := n.startObserver(); err != nil {
		return nil, err
	}
	n.dispatcher.FollowConfigured()
	if err := n.server.Start(); err != nil {
		return nil, err
	}
	n.observeListening()
	n.accepting.Store(true)
	return n, nil
}

// loadPath is the file that a node loads before it serves; "": none.
func loadPath(cfg *config.Config) string {
	if cfg.Persistence.Load != config.LoadAuto {
		return cfg.Persistence.Load
	}
	saved := filepath.Join(cfg.DataDir, cfg.Persistence.DBFilename)
	if _, err := os.Stat(saved); cfg.Cluster.Enabled || errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return saved
}

// storeHooks breaks the circle of construction: the store wants its hooks
// before the dispatcher, which needs the store, exists. Nothing expires before.
type storeHooks struct{ dispatcher *resp.Dispatcher }

func (h *storeHooks) Expired(db int, k store.Key) { h.dispatcher.Expired(db, k) }

func (h *storeHooks) FieldsExpired(db int, k store.Key, fields [][]byte, all bool) {
	h.dispatcher.FieldsExpired(db, k, fields, all)
}

// ShutdownRequested is closed when a client sent SHUTDOWN.
func (n *Node) ShutdownRequested() <-chan struct{} { return n.requested }

func (n *Node) requestShutdown(o resp.ShutdownOptions) error {
	if o.Now {
		n.hurried.Store(true)
	}
	n.request.Do(func() { close(n.requested) })
	return nil
}

// Done is closed when the node has ended.
func (n *Node) Done() <-chan struct{} { return n.done }

// drainTime is how long clients have to take the replies of their last commands
// when the node stops.
const drainTime = time.Second

// A node that has handed its slots over goes on answering MOVED until nobody has asked
// for quietTime, at most for redirectTime: a client that is told where to go loses
// nothing, one whose connection ends under its command does not know whether that was done.
const (
	quietTime    = 200 * time.Millisecond
	redirectTime = 500 * time.Millisecond
)

// Shutdown ends the node: it hands its primaries over, as far as ctx allows, sends clients
// there, stops accepting, lets running commands finish and closes everything.
func (n *Node) Shutdown(ctx context.Context) error {
	n.end.Do(func() {
		n.accepting.Store(false)
		if n.hurried.Load() { // nobody is waited for
			hurried, cancel := context.WithCancel(ctx)
			cancel()
			ctx = hurried
		}
		if n.member != nil {
			n.saveAtEnd() // while there is something of this node's own
			redirect := func() {
				ctx, cancel := context.WithTimeout(ctx, redirectTime)
				defer cancel()
				n.server.Quiet(ctx, quietTime)
			}
			if err := n.Cluster().Shutdown(ctx, redirect); err != nil {
				n.log.Warn("the hand-over at shutdown is incomplete: a failover will take the rest", "error", err)
			}
		}
		n.dispatcher.StopFollowing()
		if n.member == nil {
			n.dispatcher.AwaitReplicas(ctx)
		}
		// The hand-over may have used up ctx; clients get a moment of their own to
		// take their replies.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := n.server.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			n.err = fmt.Errorf("closing the client port: %w", err)
		}
		if n.member == nil {
			n.saveAtEnd() // with all that was answered
		}
		n.close()
		close(n.done)
	})
	<-n.done
	return n.err
}

func (n *Node) saveAtEnd() {
	if err := n.dispatcher.SaveAtEnd(); err != nil {
		n.err = err
	}
}

// Saving says whether the keyspace is being written to disk, which the end of the
// process is to wait for.
func (n *Node) Saving() bool { return n.dispatcher.Saving() }

// Kill ends the node as a crash would: no goodbye to clients or cluster. Tests
// use it.
func (n *Node) Kill() {
	n.end.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		n.server.Shutdown(ctx)
		n.close()
		close(n.done)
	})
	<-n.done
}

// close releases what was built, in the reverse order of use. The server has
// ended or never started.
func (n *Node) close() {
	n.cancel()
	n.tasks.Wait()
	if n.observer != nil {
		n.observer.Close()
	}
	if n.dispatcher != nil {
		n.dispatcher.Close()
	}
	if n.member != nil {
		if err := n.member.Close(); err != nil {
			n.log.Warn("closing the cluster", "error", err)
		}
	}
	if n.plane != nil {
		n.plane.close()
	}
	if source := n.source.Load(); source != nil {
		source.Close()
	}
	if n.repl != nil {
		if err := n.repl.Close(); err != nil {
			n.log.Warn("closing the replication log", "error", err)
		}
	}
	if n.store != nil {
		if err := n.store.Close(); err != nil {
			n.log.Warn("closing the store", "error", err)
		}
	}
}

// Server is the client side; tests ask it for its address.
func (n *Node) Server() *resp.Server { return n.server }

// Cluster is the cluster side, nil for a standalone node.
func (n *Node) Cluster() *cluster.Node {
	if n.member == nil {
		return nil
	}
	return n.member.current.Load()
}

// Commands is how many commands of clients were executed since the process
// started, or CONFIG RESETSTAT.
func (n *Node) Commands() int64 { return n.dispatcher.Commands() }

// Store is the keyspace.
func (n *Node) Store() *store.Store { return n.store }

func (n *Node) serverConfig(cfg *config.Config) resp.ServerConfig {
	return resp.ServerConfig{
		Bind:           cfg.Server.Bind,
		Port:           cfg.Server.Port,
		Backlog:        cfg.Server.TCPBacklog,
		TLSPort:        cfg.TLS.Port,
		TLS:            n.clientTLS(cfg),
		UnixSocket:     cfg.Server.UnixSocket,
		UnixSocketPerm: uint32(cfg.Server.UnixSocketPerm),
		NoPassword:     n.dispatcher.NoPassword,
		Limits:         resp.LimitsOf(cfg),
		Log:            n.log,
	}
}

// buildCluster makes log, source, plane and cluster node, none of them started.
func (n *Node) buildCluster(cfg *config.Config) error {
	rc := replication.DefaultConfig()
	rc.LogBytes = cfg.Replication.LogSize
	rc.Timeout = cfg.Replication.LinkTimeout
	rc.Heartbeat = min(rc.Heartbeat, rc.Timeout/4)
	rc.CopyBytesPerSecond = cfg.Replication.CopyRate
	var err error
	if n.repl, err = replication.NewLog(rc); err != nil {
		return fmt.Errorf("replication: %w", err)
	}
	n.plane = newPlane(n, rc)
	c, err := cluster.New(n.clusterOptions(cfg))
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	n.member = &membership{n: n}
	n.member.current.Store(c)
	return nil
}

// buildSource makes what serves the links of replicas.
func (n *Node) buildSource() error {
	source, err := replication.NewSource(replication.SourceOptions{
		Config: n.plane.cfg, Log: n.repl, Slots: n.plane.keyspace, Keys: n.dispatcher.Keys,
		NodeID: string(n.Cluster().ID()), BootID: n.Cluster().Boot(), Logger: n.log,
		Known:  func(id string) bool { return n.Cluster().Map().Node(slotmap.NodeID(id)) != nil },
		Counts: func(id string, slot uint16) bool { return n.Cluster().Map().Slot(slot).Counts(slotmap.NodeID(id)) },
	})
	if err != nil {
		return fmt.Errorf("replication: %w", err)
	}
	n.source.Store(source)
	return nil
}

// serveLink serves the link of a replica to this node.
func (n *Node) serveLink(conn net.Conn) {
	if err := n.source.Load().Serve(n.ctx, conn); err != nil && n.ctx.Err() == nil {
		n.log.Debug("a replication link to this node ended", "peer", conn.RemoteAddr(), "error", err)
	}
}

func (n *Node) startCluster() error {
	n.observeCluster()
	n.live.Observe(func(_, next *config.Config) error {
		return n.Cluster().SetSecrets(next.Cluster.Secret, next.Cluster.SecretAccept)
	}, "cluster.secret", "cluster.secret_accept")
	if n.live.Config().Cluster.Secret == "" {
		n.log.Warn("cluster.secret is not set: whoever reaches the cluster port can join the cluster and read and change everything")
	}
	if err := n.openCluster(); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

// observeCluster makes settings of the cluster take effect while it runs.
func (n *Node) observeCluster() {
	n.live.Observe(func(_, next *config.Config) error {
		c := &next.Cluster
		n.Cluster().SetRuntime(cluster.Runtime{
			RequireFullCoverage: c.RequireFullCoverage,
			AllowReadsWhenDown:  c.AllowReadsWhenDown,
			ReplicaMaxLag:       c.ReplicaMaxLag,
			MoveConcurrency:     c.MoveConcurrency,
			MoveSlots:           c.MoveSlots,
			MoveTimeout:         c.MoveTimeout,
			ReturnTimeout:       c.ReturnTimeout,
			TrustRefused:        c.TrustRefused,
		})
		return nil
	}, "cluster.require_full_coverage", "cluster.allow_reads_when_down", "cluster.replica_max_lag_ms",
		"cluster.move_concurrency", "cluster.move_slots", "cluster.move_timeout", "cluster.return_timeout", "cluster.trust_refused")
	// The number of replicas is in the map from its formation on. Only what was set
	// for the whole cluster changes it, not what some node was started with.
	n.member.Observe("config", func(name string, value []byte) {
		if name != "cluster.replicas" || value == nil {
			return
		}
		var set config.Config // the dispatcher's observer may be told later
		if err := config.Lookup(name).Set(&set, string(value)); err == nil {
			n.Cluster().SetReplicas(set.Cluster.Replicas)
		}
	})
}

// acks is what failovers must know of the durability of writes.
func acks(d config.Durability) int {
	switch d.Mode {
	case "replicas":
		return d.Replicas
	case "quorum":
		return slotmap.AcksQuorum
	}
	return 0
}

// announced is how clients are told to reach this node.
func announced(cfg *config.Config) cluster.Announced {
	shown := cluster.Announced{
		ClientPort: cfg.Server.Port, ClientTLSPort: cfg.TLS.Port,
		Hostname: cfg.Cluster.AnnounceHostname,
	}
	if cfg.Cluster.AnnouncePort != 0 && cfg.Server.Port != 0 {
		shown.ClientPort = cfg.Cluster.AnnouncePort
	}
	if cfg.Cluster.AnnounceTLSPort != 0 && cfg.TLS.Port != 0 {
		shown.ClientTLSPort = cfg.Cluster.AnnounceTLSPort
	}
	return shown
}

func (n *Node) clusterConfig(cfg *config.Config) cluster.Config {
	c := cluster.DefaultConfig()
	c.DataDir = cfg.DataDir
	c.Bind = cfg.Server.Bind
	if len(c.Bind) == 0 {
		c.Bind = []string{"*"}
	}
	c.BindPort = cfg.ClusterPort()
	c.AnnounceHost = cfg.Cluster.AnnounceIP
	c.AnnouncePort = cfg.Cluster.AnnounceClusterPort
	c.Announced = announced(cfg)
	c.Seeds = cfg.Cluster.Seeds
	c.Expect = cfg.Cluster.Expect
	c.Replicas = cfg.Cluster.Replicas
	c.Zone = cfg.Cluster.Zone
	c.Weight = cfg.Cluster.Weight
	c.NodeTimeout = cfg.Cluster.NodeTimeout
	c.ReturnTimeout = cfg.Cluster.ReturnTimeout
	c.MoveConcurrency = cfg.Cluster.MoveConcurrency
	c.MoveSlots = cfg.Cluster.MoveSlots
	c.MoveTimeout = cfg.Cluster.MoveTimeout
	c.TrustRefused = cfg.Cluster.TrustRefused
	c.Secret, c.SecretAccept = cfg.Cluster.Secret, cfg.Cluster.SecretAccept
	c.TLS = n.clusterTLS(cfg)
	c.RequireFullCoverage = cfg.Cluster.RequireFullCoverage
	c.AllowReadsWhenDown = cfg.Cluster.AllowReadsWhenDown
	c.ReplicaMaxLag = cfg.Cluster.ReplicaMaxLag
	return c
}

// bindHost is the first address of server.bind, without its "may be missing"
// mark.
func bindHost(bind []string) string {
	for _, host := range bind {
		if len(host) > 1 && host[0] == '-' {
			host = host[1:]
		}
		switch host {
		case "*":
			return "0.0.0.0"
		case "::*":
			return "::"
		}
		return host
	}
	return "0.0.0.0"
}
