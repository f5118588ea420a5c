// Package harness runs nodes as real processes for the tests of tests/process:
// the binary that users run, on ports from the kernel, stopped and removed
// when the test ends.
package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// binaryVariable names a binary to test instead of one built from the sources.
const binaryVariable = "PROCESS_TEST_BINARY"

var binary = sync.OnceValues(func() (string, error) {
	if given := os.Getenv(binaryVariable); given != "" {
		return given, nil
	}
	dir, err := os.MkdirTemp("", "respkv-process-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "respkv")
	build := exec.Command("go", "build", "-pgo=off", "-o", path, "./cmd/respkv")
	build.Dir = Root()
	if out, err := build.CombinedOutput(); err != nil {
		return "", &buildError{out, err}
	}
	return path, nil
})

type buildError struct {
	output []byte
	err    error
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + string(e.output) }

// Root is the root of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Binary is the path of the respkv binary: built once for all tests, or the one
// that the variable PROCESS_TEST_BINARY names.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("building respkv: %v", err)
	}
	return path
}

// Main runs the tests of a package and removes the binary. TestMain calls it.
func Main(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil && os.Getenv(binaryVariable) == "" {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// Tool is the path of an installed program; the test is skipped without it.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed; make deps installs it", name)
	}
	return path
}
