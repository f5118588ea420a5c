package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"respkv/internal/freeport"
)

func TestLeave(t *testing.T) {
	for _, tc := range []struct {
		name, password string
		leave          func(*fakeNode) string
		want           string // "" success
	}{
		{"moves everything", "secret", func(f *fakeNode) string {
			for left := int64(allSlots); left >= 0; left -= allSlots / 4 {
				atomic.StoreInt64(&f.slots, left)
			}
			return ""
		}, ""},
		{"is refused", "", func(*fakeNode) string { return "ERR the last node cannot leave" }, "the last node cannot leave"},
		{"wrong password", "wrong", nil, "ERR"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fakeNode{id: "me", slots: allSlots}
			f.leave = func() string { return tc.leave(f) }
			err := leave(endpoint{addr: startFake(t, f), password: tc.password}, io.Discard)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// A node that answers LEAVE while it still holds slots is followed until it
// holds none.
func TestLeaveWaitsForTheData(t *testing.T) {
	f := &fakeNode{id: "me", slots: allSlots, leave: func() string { return "" }}
	addr := startFake(t, f)
	result := make(chan error, 1)
	go func() { result <- leave(endpoint{addr: addr}, io.Discard) }()
	select {
	case err := <-result:
		t.Fatalf("returned (%v) while the node held all slots", err)
	case <-time.After(600 * time.Millisecond):
	}
	atomic.StoreInt64(&f.slots, 0)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestClientRefusesWhatIsNoReply(t *testing.T) {
	for _, reply := range []string{"x\r\n", "$99999999999\r\n", "*99999999999\r\n", "$-2\r\n", ":abc\r\n", "\r\n", "$3\r\nab",
		strings.Repeat("*1\r\n", 50), strings.Repeat("a", 1<<20)} {
		here, there := net.Pipe()
		go func() {
			_, _ = there.Read(make([]byte, 1000))
			_, _ = there.Write([]byte(reply))
			_ = there.Close()
		}()
		c := newClient(here)
		if got, err := c.do(time.Second, "PING"); err == nil {
			t.Errorf("%.20q was taken for the reply %v", reply, got)
		}
		c.close()
		_ = there.Close()
	}
}

// output collects what dev prints.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	line chan struct{} // signalled after each write
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	o.text.Write(p)
	o.mu.Unlock()
	select {
	case o.line <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (o *output) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		o.mu.Lock()
		all := o.text.String()
		o.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		select {
		case <-o.line:
		case <-deadline:
			t.Fatalf("no %q in:\n%s", text, all)
		}
	}
}

func startDev(t *testing.T, mode string) (o devOptions, out *output, signals chan os.Signal, result chan error) {
	t.Setenv(fakeNodeVariable, mode)
	out = &output{line: make(chan struct{}, 1)}
	o = devOptions{nodes: 3, replicas: 1, port: freeport.Find(t, 3, 10000), dir: t.TempDir(), formed: time.Minute, stopped: time.Minute}
	signals, result = make(chan os.Signal, 2), make(chan error, 1)
	go func() { result <- dev(o, out, signals) }()
	return o, out, signals, result
}

func TestDev(t *testing.T) {
	o, out, signals, result := startDev(t, "ok")
	out.waitFor(t, "redis-cli -c -p")
	out.waitFor(t, "PRIMARY SLOTS")
	if err := portsFree(o); err == nil {
		t.Error("no node listens")
	}
	signals <- syscall.SIGINT
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := portsFree(o); err != nil {
		t.Errorf("a node is still there: %v", err)
	}
	if logs, _ := filepath.Glob(filepath.Join(o.dir, "node-*", "respkv.log")); len(logs) != 3 {
		t.Errorf("logs: %v", logs)
	}
}

func TestDevSecondSignalKills(t *testing.T) {
	o, out, signals, result := startDev(t, "deaf")
	out.waitFor(t, "redis-cli -c -p")
	signals <- syscall.SIGINT
	out.waitFor(t, "again ends the nodes")
	signals <- syscall.SIGINT
	if err := <-result; !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
	if err := portsFree(o); err != nil {
		t.Errorf("a node is still there: %v", err)
	}
}

func TestDevShowsWhyANodeEnded(t *testing.T) {
	_, _, _, result := startDev(t, "dies")
	if err := <-result; err == nil || !strings.Contains(err.Error(), "it was not meant to be") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v", err)
	}
}
