package harness

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
)

// The record of writes must see a loss: shown on redis-server, where the test
// itself takes a write away.
func TestWritersSeeALoss(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	server := exec.Command(Tool(t, "redis-server"), "--port", "0", "--unixsocket", socket, "--save", "")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	t.Cleanup(func() { _ = client.Close() })
	ctx := context.Background()
	Eventually(t, Patience, func() error { return client.Ping(ctx).Err() })

	w := StartWriters(t, client, 2)
	w.WaitFor(t, 2*keysPerWriter, Patience)
	w.Stop()
	if lost := w.Lost(t); len(lost) != 0 {
		t.Fatalf("nothing was lost, and yet: %v", lost)
	}
	client.Del(ctx, "writer0:1")
	client.Set(ctx, "writer1:2", 1, 0)
	if lost := w.Lost(t); len(lost) != 2 {
		t.Errorf("two writes were taken away, found: %v", lost)
	}
}
