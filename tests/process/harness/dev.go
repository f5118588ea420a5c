package harness

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Dev is a running `respkv dev`.
type Dev struct {
	cmd   *exec.Cmd
	out   lockedBuffer
	ended chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// StartDev runs `respkv dev` from that port on.
func StartDev(t testing.TB, port int, args ...string) *Dev {
	t.Helper()
	d := &Dev{ended: make(chan struct{})}
	d.cmd = exec.Command(Binary(t), append([]string{"dev", "--port", strconv.Itoa(port), "--dir", t.TempDir()}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait() // the state is in cmd
		close(d.ended)
	}()
	t.Cleanup(func() {
		// SIGTERM, not SIGKILL: it has children to end.
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		<-d.ended
	})
	return d
}

// WaitFor waits until text has been printed.
func (d *Dev) WaitFor(t testing.TB, text string, within time.Duration) {
	t.Helper()
	Eventually(t, within, func() error {
		out := d.out.String()
		if strings.Contains(out, text) {
			return nil
		}
		err := fmt.Errorf("respkv dev did not print %q:\n%s", text, out)
		select {
		case <-d.ended:
			return Final(err)
		default:
			return err
		}
	})
}

// Interrupt presses Ctrl-C and fails the test if the command does not end with
// code 0 within the time.
func (d *Dev) Interrupt(t testing.TB, within time.Duration) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
		if code := d.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("respkv dev ended with code %d:\n%s", code, d.out.String())
		}
	case <-time.After(within):
		t.Fatalf("respkv dev did not end within %v of Ctrl-C:\n%s", within, d.out.String())
	}
}
