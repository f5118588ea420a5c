package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"respkv/internal/config"
)

// scriptedNode is a node whose Shutdown does what the test says.
type scriptedNode struct {
	done     chan struct{} // nil: it never ends by itself
	request  chan struct{} // nil: nobody sends SHUTDOWN
	shutdown func(context.Context) error
	reloaded func() // nil: it is not to happen
}

func (n *scriptedNode) Saving() bool { return false }

func (n *scriptedNode) Shutdown(ctx context.Context) error { return n.shutdown(ctx) }
func (n *scriptedNode) Reload()                            { n.reloaded() }
func (n *scriptedNode) Done() <-chan struct{}              { return n.done }
func (n *scriptedNode) Commands() int64                    { return 0 }
func (n *scriptedNode) ShutdownRequested() <-chan struct{} { return n.request }

func starts(n *scriptedNode) starter {
	return func(*config.Live, *slog.Logger) (node, error) { return n, nil }
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRunNode(t *testing.T) {
	broken := errors.New("broken")
	closed := make(chan struct{})
	close(closed)
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, tc := range []struct {
		name    string
		start   starter
		signals int
		timeout string
		want    error
	}{
		{"a signal hands over and ends", starts(&scriptedNode{shutdown: func(context.Context) error { return nil }}), 1, "5", nil},
		{"a second signal ends at once", starts(&scriptedNode{shutdown: waits}), 2, "600", errInterrupted},
		{"the hand-over takes too long", starts(&scriptedNode{shutdown: waits}), 1, "1", context.DeadlineExceeded},
		{"no hand-over is asked for", starts(&scriptedNode{shutdown: waits}), 1, "0", nil},
		{"SHUTDOWN", starts(&scriptedNode{request: closed, shutdown: func(context.Context) error { return nil }}), 0, "5", nil},
		{"SHUTDOWN and two signals", starts(&scriptedNode{request: closed, shutdown: waits}), 2, "600", errInterrupted},
		{"the start fails", func(*config.Live, *slog.Logger) (node, error) { return nil, broken }, 0, "5", broken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, err := config.Load([]config.Setting{{Key: "server.shutdown_timeout", Text: tc.timeout}})
			if err != nil {
				t.Fatal(err)
			}
			signals := make(chan os.Signal, 2)
			for range tc.signals {
				signals <- syscall.SIGTERM
			}
			if err := runNode(config.NewLive(cfg), quiet(), signals, nil, tc.start); !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestANodeThatStopsByItselfIsAFailure(t *testing.T) {
	closed := make(chan struct{})
	close(closed)
	if err := runNode(config.NewLive(config.Default()), quiet(), nil, nil, starts(&scriptedNode{done: closed})); err == nil {
		t.Error("no error")
	}
}

func TestLoggerFollowsConfigSet(t *testing.T) {
	cfg, err := config.Load([]config.Setting{{Key: "log.format", Text: "json"}})
	if err != nil {
		t.Fatal(err)
	}
	live := config.NewLive(cfg)
	var out bytes.Buffer
	log := newLogger(&out, live)
	log.Debug("before")
	if err := live.Set([]config.Pair{{Name: "loglevel", Value: "debug"}}); err != nil {
		t.Fatal(err)
	}
	log.Debug("after")
	if text := out.String(); strings.Contains(text, "before") || !strings.Contains(text, `"msg":"after"`) {
		t.Errorf("logged: %s", text)
	}
}

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		args string
		want int
	}{
		{"version", exitOK},
		{"config check --server.port 1", exitOK},
		{"config check --server.port x", exitUsage},
		{"--nope", exitUsage},
		{"serve extra", exitUsage},
		{"nope", exitUsage},
		{"dev --nodes 0", exitUsage},
		{"dev --nodes 2 --replicas 2", exitUsage},
		{"dev --port 60000", exitUsage},
		{"leave", exitUsage},
		{"leave --addr 127.0.0.1:1", exitFailed},
	} {
		if got := run(strings.Fields(tc.args)); got != tc.want {
			t.Errorf("respkv %s: exit code %d, want %d", tc.args, got, tc.want)
		}
	}
}

// TestHangupReloads: SIGHUP has the node read its files, and ends nothing.
func TestHangupReloads(t *testing.T) {
	signals, reload := make(chan os.Signal, 1), make(chan os.Signal, 1)
	n := &scriptedNode{shutdown: func(context.Context) error { return nil }}
	n.reloaded = func() { signals <- syscall.SIGTERM } // only now may it stop
	reload <- syscall.SIGHUP
	if err := runNode(config.NewLive(config.Default()), quiet(), signals, reload, starts(n)); err != nil {
		t.Error(err)
	}
}
