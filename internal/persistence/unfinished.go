package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Names of snapshots that are not complete yet have the process between these.
const (
	temporaryBegin = "temp-"
	temporaryEnd   = ".rdb"
)

// temporary is where this process writes a snapshot that is to be in dir.
func temporary(dir string) string {
	return filepath.Join(dir, temporaryBegin+strconv.Itoa(os.Getpid())+temporaryEnd)
}

// lock tells RemoveUnfinished of other processes that the file is being written.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// RemoveUnfinished removes the snapshots in dir that processes were killed over,
// and returns their paths: each crash would leave as much as all keys take. A file
// stays as long as the process that it names lives, which may be another server's,
// or somebody has it locked, since in another container names are others.
func RemoveUnfinished(dir string) (removed []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []error
	for _, entry := range entries {
		name, begins := strings.CutPrefix(entry.Name(), temporaryBegin)
		name, ends := strings.CutSuffix(name, temporaryEnd)
		pid, err := strconv.Atoi(name)
		if !begins || !ends || err != nil || pid <= 0 || !entry.Type().IsRegular() {
			continue
		}
		if pid != os.Getpid() && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		switch err := removeUnlocked(path); {
		case err == nil:
			removed = append(removed, path)
		case !errors.Is(err, syscall.EWOULDBLOCK):
			all = append(all, fmt.Errorf("removing an unfinished snapshot: %w", err))
		}
	}
	return removed, errors.Join(all...)
}

func removeUnlocked(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lock(f); err != nil {
		return err
	}
	return os.Remove(path)
}
