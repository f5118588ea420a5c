// Package clients tests respkv with the clients and applications of others:
// each program here is written against one library in that library's language,
// takes the addresses of a standalone node or of a cluster, and prints one line
// for each of its tests, as TAP does.
package clients

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// programLimit is how long a program may take on a loaded machine; alone they
// take a few seconds.
const programLimit = 2 * time.Minute

// command is how a program is run, or skips the test where it cannot be.
type command func(t *testing.T, file string) []string

// TestClients runs the programs of client libraries against a standalone node
// and against a cluster of three.
func TestClients(t *testing.T) {
	programs := []struct {
		name string
		run  command
		file string
	}{
		{"ioredis", node, "ioredis.mjs"},
		{"node-redis", node, "node-redis.mjs"},
		{"redis-py", python("redis"), "redis_py.py"},
		{"phpredis", php, "phpredis.php"},
		{"redis-rb", ruby("redis"), "redis_rb.rb"},
	}
	single := harness.StartStandalone(t)
	cluster := harness.StartCluster(t, 3, 2)
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			words := p.run(t, p.file)
			t.Run("standalone", func(t *testing.T) {
				single.CLI("", "FLUSHALL")
				runProgram(t, nil, append(words, "standalone", single.Addr())...)
			})
			t.Run("cluster", func(t *testing.T) {
				harness.Run(t, time.Minute, "", harness.Tool(t, "redis-cli"), "--cluster", "call", cluster.Nodes[0].Addr(), "FLUSHALL", "--cluster-only-masters")
				runProgram(t, nil, append(append(words, "cluster"), cluster.Addrs()...)...)
			})
		})
	}
}

// TestApplications runs what applications keep in Redis beside queues, against
// a standalone node.
func TestApplications(t *testing.T) {
	single := harness.StartStandalone(t)
	t.Run("express", func(t *testing.T) {
		runProgram(t, nil, append(node(t, "web.mjs"), "standalone", single.Addr())...)
	})
	t.Run("celery", func(t *testing.T) {
		runProgram(t, nil, append(python("celery")(t, "celery_queue.py"), "standalone", single.Addr())...)
	})
	t.Run("sidekiq", func(t *testing.T) {
		words := ruby("sidekiq")(t, "sidekiq_queue.rb")
		harness.Tool(t, "sidekiq")
		runProgram(t, nil, append(words, "standalone", single.Addr())...)
	})
}

// runProgram runs a program and makes a test of each line that it prints.
// requests carries out what the program asks for with a line that begins with
// "!".
func runProgram(t *testing.T, requests func(t *testing.T, words []string), words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	// A program that is stopped must not leave its workers behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var complaints strings.Builder
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ran, plan := report(t, out, func(words []string) {
		if requests == nil {
			t.Errorf("nobody carries out %q", words)
			cancel()
			return
		}
		requests(t, words)
		if _, err := io.WriteString(in, "done\n"); err != nil {
			t.Errorf("answering %q: %v", words, err)
		}
	})
	err = cmd.Wait()
	if t.Failed() || err != nil || complaints.Len() > 0 {
		t.Logf("standard error:\n%s", complaints.String())
	}
	if err != nil && !t.Failed() {
		t.Errorf("%s: %v", filepath.Base(words[0]), err)
	}
	if ran == 0 || plan != ran {
		t.Errorf("%d tests ran, the program meant to run %d", ran, plan)
	}
}

// report reads what a program prints. A test of ours ends when its notes do.
func report(t *testing.T, out io.Reader, request func(words []string)) (ran, plan int) {
	t.Helper()
	plan = -1
	var name string
	var failed bool
	var notes []string
	flush := func() {
		if name == "" {
			return
		}
		ran++
		t.Run(name, func(t *testing.T) {
			if failed {
				t.Error(strings.Join(notes, "\n"))
			}
		})
		name, notes = "", nil
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "!"):
			request(strings.Fields(line[1:]))
		case strings.HasPrefix(line, "#"):
			notes = append(notes, line)
		case strings.HasPrefix(line, "ok "), strings.HasPrefix(line, "not ok "):
			flush()
			failed = strings.HasPrefix(line, "not")
			_, name, _ = strings.Cut(line, " - ")
		case strings.HasPrefix(line, "1.."):
			flush()
			if _, err := fmt.Sscanf(line, "1..%d", &plan); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		default:
			t.Logf("printed: %s", line)
		}
	}
	flush()
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	return ran, plan
}

// in is a file of this package's directories.
func in(dir, file string) string {
	return filepath.Join(harness.Root(), "tests", "clients", dir, file)
}

// packages installs what package-lock.json names, where it is not there yet.
var packages = sync.OnceValue(func() error {
	lock, err := os.Stat(in("node", "package-lock.json"))
	if err != nil {
		return err
	}
	if done, err := os.Stat(in("node", "node_modules/.package-lock.json")); err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	cmd := exec.Command("npm", "ci")
	cmd.Dir = in("node", "")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
})

func node(t *testing.T, file string) []string {
	words := []string{harness.Tool(t, "node"), in("node", file)}
	harness.Tool(t, "npm")
	if err := packages(); err != nil {
		t.Fatal(err)
	}
	return words
}

// python finds an interpreter that has the module: the system's packages are
// not seen by others.
func python(module string) command {
	return func(t *testing.T, file string) []string {
		for _, name := range []string{"python3", "/usr/bin/python3"} {
			if exec.Command(name, "-c", "import "+module).Run() == nil {
				return []string{name, in("python", file)}
			}
		}
		t.Skipf("no python3 with %s; make deps installs it", module)
		return nil
	}
}

func php(t *testing.T, file string) []string {
	name := harness.Tool(t, "php")
	if exec.Command(name, "-r", `exit(extension_loaded("redis") ? 0 : 1);`).Run() != nil {
		t.Skip("php has no extension redis; make deps installs it")
	}
	return []string{name, in("php", file)}
}

func ruby(library string) command {
	return func(t *testing.T, file string) []string {
		name := harness.Tool(t, "ruby")
		if exec.Command(name, "-r", library, "-e", "").Run() != nil {
			t.Skipf("ruby has no %s; make deps installs it", library)
		}
		return []string{name, in("ruby", file)}
	}
}
