package persistence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// syncBytes is how much is written before it is passed on to the disk, so that the
// end of a large file does not have to wait for all of it.
const syncBytes = 32 << 20

// attempts is how often a snapshot is begun that FLUSHALL and the like end; large
// values are written at once from the wholeAttempt-th on.
const (
	attempts     = 20
	wholeAttempt = 3
)

// File writes snapshots to files. Its zero value writes to the real file system.
type File struct {
	// Create makes the temporary file; nil: os.OpenFile. Tests put full disks here.
	Create func(path string) (Output, error)
}

// Output is a file being written.
type Output interface {
	io.Writer
	Sync() error
	Truncate(size int64) error
	Seek(offset int64, whence int) (int64, error)
	Close() error
}

func create(path string) (Output, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = lock(f)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%s: another process writes it; each server needs a data_dir of its own", path)
	} else { // locked, or there are no locks on this file system
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Save writes a snapshot that was begun to path: to a temporary file beside it, which takes its place
// once it is complete and on disk. On an error, and when the process ends, path is
// what it was.
func (f File) Save(ctx context.Context, s *Snapshot, path string) (err error) {
	temporary := temporary(filepath.Dir(path))
	open := f.Create
	if open == nil {
		open = create
	}
	var out Output
	if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		out, err = open(temporary)
	}
	if err != nil {
		s.Abandon()
		return fmt.Errorf("saving to %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(temporary)
			err = fmt.Errorf("saving to %s: %w", path, err)
		}
	}()
	err = Fill(ctx, s, out)
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// Fill writes a snapshot that was begun to an empty file, anew if keys were flushed
// meanwhile.
func Fill(ctx context.Context, s *Snapshot, out Output) error {
	for attempt := 1; ; attempt++ {
		err := s.Write(ctx, &syncingWriter{out: out})
		if !errors.Is(err, ErrInterrupted) || attempt == attempts {
			return err
		}
		if err := out.Truncate(0); err != nil {
			return err
		}
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			return err
		}
		s.Whole = attempt+1 >= wholeAttempt
		s.Begin()
	}
}

// syncDir makes the new name of a file durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

type syncingWriter struct {
	out      Output
	unsynced int
}

func (w *syncingWriter) Write(b []byte) (int, error) {
	n, err := w.out.Write(b)
	if w.unsynced += n; err == nil && w.unsynced >= syncBytes {
		w.unsynced, err = 0, w.out.Sync()
	}
	return n, err
}
