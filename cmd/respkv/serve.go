package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"respkv/internal/config"
	"respkv/internal/threads"
)

// node is what serve needs of a running node.
type node interface {
	// Shutdown hands this node's primaries over, as far as ctx allows, and
	// stops it.
	Shutdown(ctx context.Context) error
	// Reload reads certificates anew.
	Reload()
	// ShutdownRequested is closed when a client sent SHUTDOWN.
	ShutdownRequested() <-chan struct{}
	// Done is closed when the node has stopped.
	Done() <-chan struct{}
	// Saving says whether the node is writing its data to disk.
	Saving() bool
	// Commands is how many commands of clients were executed.
	Commands() int64
}

// starter starts a node. When it returns, the node accepts clients.
type starter func(live *config.Live, log *slog.Logger) (node, error)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run one node in the foreground",
		Long: `Run one node in the foreground; it logs to standard error.

SIGTERM and SIGINT hand the node's primaries over to replicas and end the process
with code 0; a second signal ends it at once with code 130. SIGHUP reads the TLS files anew.`,
		Args: noArguments,
	}
	s := addSettings(cmd)
	rdb := cmd.Flags().String("rdb", "", "load this RDB `file` before serving; short for --persistence.load")
	cmd.RunE = func(*cobra.Command, []string) error {
		if *rdb != "" {
			if err := s.flags.Set("persistence.load", *rdb); err != nil {
				return err
			}
		}
		return serve(s)
	}
	return cmd
}

func serve(s *settings) error {
	cfg, err := s.load(os.Environ())
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	live := config.NewLive(cfg)
	return runNode(live, newLogger(os.Stderr, live), signals, reload, startNode)
}

// newLogger writes to w in the configured form, at the level that CONFIG SET
// can change.
func newLogger(w io.Writer, live *config.Live) *slog.Logger {
	cfg := live.Config()
	level := new(slog.LevelVar)
	level.Set(cfg.Log.Level)
	live.Observe(func(_, cfg *config.Config) error {
		level.Set(cfg.Log.Level)
		return nil
	}, "log.level")
	options := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// runNode starts a node and keeps it until one of signals or the node itself
// ends it.
func runNode(live *config.Live, log *slog.Logger, signals, reload <-chan os.Signal, start starter) error {
	cfg := live.Config()
	log.Info("starting", "version", version, "pid", os.Getpid(), "bind", cfg.Server.Bind, "port", cfg.Server.Port,
		"cluster", cfg.Cluster.Enabled, "config", cfg.File)
	n, err := start(live, log)
	if err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	if cfg.Server.Threads > 0 {
		runtime.GOMAXPROCS(cfg.Server.Threads)
	} else {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go threads.Govern(ctx, n.Commands, log)
	}
	for {
		select {
		case <-n.Done():
			return errors.New("the node stopped by itself; the log says why")
		case <-n.ShutdownRequested():
			log.Info("stopping", "reason", "SHUTDOWN")
		case <-reload:
			n.Reload()
			continue
		case sig := <-signals:
			log.Info("stopping", "signal", sig.String())
		}
		return shutdown(n, live, log, signals)
	}
}

// unresponsive is how long a node may take to stop after its time is up.
const unresponsive = 5 * time.Second

// shutdown stops the node within server.shutdown_timeout, or at the next
// signal.
func shutdown(n node, live *config.Live, log *slog.Logger, signals <-chan os.Signal) error {
	limit := live.Config().Server.ShutdownTimeout
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	finished := make(chan error, 1)
	go func() { finished <- n.Shutdown(ctx) }()
	overdue := time.NewTimer(limit + unresponsive)
	defer overdue.Stop()
	for {
		select {
		case err := <-finished:
			if limit == 0 && errors.Is(err, context.DeadlineExceeded) {
				err = nil // no time was asked for
			}
			if err != nil {
				return fmt.Errorf("stopped, but not as it should: %w", err)
			}
			log.Info("stopped")
			return nil
		case <-signals:
			return errInterrupted
		case <-overdue.C:
			if !n.Saving() { // a save takes as long as it takes
				return fmt.Errorf("the node did not stop within %v", limit+unresponsive)
			}
			overdue.Reset(unresponsive)
		}
	}
}
