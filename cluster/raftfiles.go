package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	bolt "go.etcd.io/bbolt"
)

// Files in raft's directory, beside its snapshots.
const (
	logFile = "raft.db"
	// ownerFile holds the ID of the node whose state this is. It is written
	// once the log is there: with it, a log that is missing has been lost.
	ownerFile = idFile
)

// raftFiles are raft's open files.
type raftFiles struct {
	store     logStore
	snapshots raft.SnapshotStore
}

func (g *raftGroup) path(file string) string { return filepath.Join(g.dir, file) }

// damaged is the error for files that this node must not go on with. What a
// voter has promised is in them: with less than all of it, the cluster could
// lose what it has decided.
func (g *raftGroup) damaged(file string, err error) error {
	return fmt.Errorf("%s: %w. This node's part of the cluster's state is damaged: remove its data_dir (%s) and start it again. "+
		"It joins as a new node and copies its data from the others", file, err, filepath.Dir(g.dir))
}

// openFiles opens the files, after a look at all of them the first time.
func (g *raftGroup) openFiles() (_ raftFiles, err error) {
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return raftFiles{}, err
	}
	path := g.path(logFile)
	if !g.checked {
		if err := errors.Join(g.checkOwner(), g.checkMissing()); err != nil {
			return raftFiles{}, err
		}
		if err := checkDB(path); err != nil {
			return raftFiles{}, g.damaged(path, err)
		}
	}
	store, err := raftboltdb.New(raftboltdb.Options{
		Path:        path,
		BoltOptions: &bolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType},
		NoSync:      false,
	})
	if err != nil {
		return raftFiles{}, fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = store.Close()
		}
	}()
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(g.dir, 2, g.log)
	if err != nil {
		return raftFiles{}, fmt.Errorf("%s: %w", g.path("snapshots"), err)
	}
	files := raftFiles{logStore{store, &storeState{path: path, log: g.slog, closed: make(chan struct{})}}, snapshots}
	if !g.checked {
		if err := files.check(); err != nil {
			return raftFiles{}, g.damaged(g.dir, err)
		}
		if _, err := os.Stat(g.path(ownerFile)); err != nil {
			if err := writeDurable(g.path(ownerFile), []byte(g.id+"\n")); err != nil {
				return raftFiles{}, err
			}
		}
		g.checked = true
	}
	return files, nil
}

// checkOwner compares whose state this is with this node's ID.
func (g *raftGroup) checkOwner() error {
	owner, err := readOwner(g.dir)
	if err != nil || owner == "" || owner == string(g.id) {
		return err
	}
	return fmt.Errorf("%s says that this node is %s, %s is of node %q: one of them is damaged or from elsewhere. "+
		"Put back what belongs there, or remove data_dir: the node then joins as a new one",
		filepath.Join(filepath.Dir(g.dir), idFile), g.id, g.dir, owner)
}

// readOwner is the ID of the node whose raft state is in dir, as it is written
// there; empty when there is none.
func readOwner(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}

// checkMissing reports a log that was there once.
func (g *raftGroup) checkMissing() error {
	path := g.path(logFile)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	owner, err := readOwner(g.dir)
	snapshots, _ := filepath.Glob(g.path("snapshots/*"))
	if err != nil || owner == "" && len(snapshots) == 0 {
		return err
	}
	return g.damaged(path, errors.New("it is missing or empty"))
}

// servers are those of the last configuration on disk.
func (f raftFiles) servers() ([]raft.Server, error) {
	first, err := f.store.FirstIndex()
	if err != nil {
		return nil, err
	}
	last, err := f.store.LastIndex()
	if err != nil {
		return nil, err
	}
	var l raft.Log
	for i := last; i >= first && i > 0; i-- {
		if err := f.store.GetLog(i, &l); err != nil {
			return nil, err
		}
		if l.Type == raft.LogConfiguration {
			return raft.DecodeConfiguration(l.Data).Servers, nil
		}
	}
	list, err := f.snapshots.List()
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0].Configuration.Servers, nil
}

// snapshot is the newest one that can be read, as raft would take it; nil when
// there is none.
func (f raftFiles) snapshot() ([]byte, error) {
	list, err := f.snapshots.List()
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		_, r, err := f.snapshots.Open(s.ID)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(r, maxStateSnapshot+1))
		return data, errors.Join(err, r.Close())
	}
	return nil, nil
}

// logStore is raft's log and stable store. Each entry of the log has a
// checksum, in a field of raft's that we have no other use for: damaged pages
// are found by their form, damaged entries only so.
type logStore struct {
	*raftboltdb.BoltStore
	*storeState
}

// storeState tells of a disk that is full or broken, and when entries are written.
type storeState struct {
	storing storing
	path    string
	log     *slog.Logger
	failing atomic.Bool
	closed  chan struct{} // when raft is to end
}

// storeRetry is how often a write that must not fail is tried.
const storeRetry = 200 * time.Millisecond

// noted logs that writing fails, and that it works again.
func (s *storeState) noted(err error) error {
	switch was := s.failing.Swap(err != nil); {
	case err != nil && !was:
		s.log.Error("the cluster's state cannot be written: until it can, this node takes no part in deciding and follows no changes",
			"file", s.path, "error", err)
	case err == nil && was:
		s.log.Info("the cluster's state can be written again", "file", s.path)
	}
	return err
}

// SetUint64 is raft's. Raft panics when it cannot write down a new term; while
// the disk is full it waits here, and the others do without this node. A
// goroutine that still waits when raft is stopped ends.
func (s logStore) SetUint64(key []byte, value uint64) error {
	for {
		err := s.noted(s.BoltStore.SetUint64(key, value))
		if err == nil || !bytes.Equal(key, currentTerm) {
			return err
		}
		select {
		case <-s.closed:
			runtime.Goexit()
		case <-time.After(storeRetry):
		}
	}
}

func checksum(l *raft.Log) []byte {
	head := binary.LittleEndian.AppendUint64(nil, l.Index)
	head = append(binary.LittleEndian.AppendUint64(head, l.Term), byte(l.Type))
	table := crc32.MakeTable(crc32.Castagnoli)
	return binary.LittleEndian.AppendUint32(nil, crc32.Update(crc32.Checksum(head, table), table, l.Data))
}

// StoreLog is raft's.
func (s logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs is raft's.
func (s logStore) StoreLogs(logs []*raft.Log) error {
	summed := make([]*raft.Log, len(logs))
	for i, l := range logs {
		c := *l // raft goes on with the original
		c.Extensions = checksum(l)
		summed[i] = &c
	}
	s.storing.begin()
	defer s.storing.end()
	return s.noted(s.BoltStore.StoreLogs(summed))
}

// GetLog is raft's.
func (s logStore) GetLog(index uint64, l *raft.Log) error {
	if err := s.BoltStore.GetLog(index, l); err != nil {
		return err
	}
	if l.Index != index || len(l.Extensions) > 0 && !bytes.Equal(l.Extensions, checksum(l)) {
		return fmt.Errorf("entry %d of the log is damaged", index)
	}
	l.Extensions = nil
	return nil
}
