package process

import (
	"os/exec"
	"testing"

	"respkv/tests/process/harness"
)

// TestCommandTableIsCurrent compares the table in docs/compatibility.md with
// what the binary lists.
func TestCommandTableIsCurrent(t *testing.T) {
	t.Parallel()
	harness.Tool(t, "redis-server")
	tool := exec.Command("go", "run", "./scripts/commandtable", "-check", "-respkv", harness.Binary(t))
	tool.Dir = harness.Root()
	if out, err := tool.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
