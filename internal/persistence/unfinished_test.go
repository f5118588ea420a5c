package persistence

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestRemoveUnfinished: what dead processes left is removed, and nothing else.
func TestRemoveUnfinished(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	left := filepath.Join(dir, fmt.Sprintf("temp-%d.rdb", dead.Process.Pid))
	own := temporary(dir) // of another process with the same number, before a restart
	stay := []string{
		filepath.Join(dir, fmt.Sprintf("temp-%d.rdb", os.Getppid())),
		filepath.Join(dir, "temp-.rdb"), filepath.Join(dir, "temp-x.rdb"), filepath.Join(dir, "dump.rdb"),
		filepath.Join(dir, fmt.Sprintf("temp-%d.rdb.bak", dead.Process.Pid)),
	}
	for _, path := range append([]string{left, own}, stay...) {
		if err := os.WriteFile(path, []byte("REDIS"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	busy, err := create(left) // as a process does in another container
	if err != nil {
		t.Fatal(err)
	}
	removed, err := RemoveUnfinished(dir)
	if err != nil || !slices.Equal(removed, []string{own}) {
		t.Errorf("while one is locked: %v, %v", removed, err)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	removed, err = RemoveUnfinished(dir)
	if err != nil || !slices.Equal(removed, []string{left}) {
		t.Errorf("when nobody has it: %v, %v", removed, err)
	}
	for _, path := range stay {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if removed, err := RemoveUnfinished(filepath.Join(dir, "missing")); err != nil || len(removed) > 0 {
		t.Errorf("a directory that is not there: %v, %v", removed, err)
	}
}
