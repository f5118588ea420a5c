package differential

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"respkv/internal/freeport"
)

// Server is one of the two servers compared.
type Server struct {
	Name string // "redis" or "respkv"
	Addr string

	mu       sync.Mutex
	commands map[string]bool // what COMMAND INFO said, by full name
}

// Pair is both sides of a comparison.
type Pair struct {
	Redis, Respkv *Server
}

// StartPair starts (or finds) both servers for the time of the test.
func StartPair(t testing.TB) Pair {
	t.Helper()
	p := Pair{Redis: StartRedis(t, "redis")}
	switch addr := os.Getenv("RESPKV_ADDR"); addr {
	case "":
		p.Respkv = startRespkv(t)
	case "redis-server":
		p.Respkv = StartRedis(t, "respkv")
	default:
		p.Respkv = &Server{Name: "respkv", Addr: addr}
		waitReady(t, p.Respkv, nil)
	}
	return p
}

// StartRedis starts a redis-server without persistence. The test is skipped
// when there is no binary.
func StartRedis(t testing.TB, name string) *Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server in PATH to compare with")
	}
	port := freeport.Find(t, 1)
	return start(t, name, port, exec.Command(binary,
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--daemonize", "no", "--dir", t.TempDir(), "--enable-debug-command", "yes"))
}

func startRespkv(t testing.TB) *Server {
	t.Helper()
	binary, err := respkvBinary()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no respkv to compare: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	port := freeport.Find(t, 1)
	return start(t, "respkv", port, exec.Command(binary, "serve",
		"--server.bind", "127.0.0.1", "--server.port", strconv.Itoa(port),
		"--data_dir", t.TempDir(), "--log.level", "warn", "--server.enable_debug_command", "yes"))
}

// respkvBinary builds respkv once a test process.
var respkvBinary = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(root, "cmd", "respkv")); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "respkv-differential-")
	if err != nil {
		return "", err
	}
	binDir = dir
	binary := filepath.Join(dir, "respkv")
	build := exec.Command("go", "build", "-pgo=off", "-o", binary, "./cmd/respkv")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/respkv: %w\n%s", err, out)
	}
	return binary, nil
})

// binDir holds the built binary; TestMain removes it.
var binDir string

// start runs a server process until the test ends and waits until it answers.
func start(t testing.TB, name string, port int, cmd *exec.Cmd) *Server {
	t.Helper()
	var log lockedBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	// A test process that is killed takes its servers with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only when it has ended already
		<-exited
		if t.Failed() && log.Len() > 0 {
			t.Logf("%s log:\n%s", name, log.String())
		}
	})
	s := &Server{Name: name, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	waitReady(t, s, exited)
	return s
}

func waitReady(t testing.TB, s *Server, exited <-chan struct{}) {
	t.Helper()
	deadline := time.Now().Add(replyTimeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := Dial(s.Addr)
		if err == nil {
			_, err = c.Call("PING")
			c.Close()
			if err == nil {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s at %s does not answer: %v", s.Name, s.Addr, err)
		}
		select {
		case <-exited:
			t.Fatalf("%s ended at start", s.Name)
		case <-tick.C:
		}
	}
}

// Has says whether the server has a command, given by full name.
func (s *Server) Has(name string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if has, known := s.commands[name]; known {
		return has, nil
	}
	c, err := Dial(s.Addr)
	if err != nil {
		return false, err
	}
	defer c.Close()
	v, err := c.Call("COMMAND", "INFO", name)
	if err != nil {
		return false, err
	}
	if s.commands == nil {
		s.commands = map[string]bool{}
	}
	has := len(v.Elements) == 1 && v.Elements[0].Kind != '_'
	s.commands[strings.Clone(name)] = has
	return has, nil
}

// lockedBuffer collects a process's output while the test may read it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
