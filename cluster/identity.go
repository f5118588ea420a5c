package cluster

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"respkv/cluster/slotmap"
)

const (
	idFile     = "node-id"
	voteFile   = "formation-vote" // while no cluster has formed
	formedFile = "cluster"        // the one that has
)

// loadID returns the ID kept in dir, making one in a fresh directory.
func loadID(dir string) (slotmap.NodeID, error) {
	path := filepath.Join(dir, idFile)
	data, err := os.ReadFile(path)
	if err == nil {
		id := slotmap.NodeID(strings.TrimSpace(string(data)))
		if err := id.Validate(); err != nil {
			return "", fmt.Errorf("%s: %w%s", path, err, lostID(dir))
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if lost := lostID(dir); lost != "" {
		return "", fmt.Errorf("%s is missing%s", path, lost)
	}
	var raw [slotmap.NodeIDLen / 2]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	id := slotmap.NodeID(hex.EncodeToString(raw[:]))
	return id, writeDurable(path, []byte(id+"\n"))
}

// lostID says what to do about an ID that cannot be read although the node has
// been a member: it must not become another one behind the cluster's back.
func lostID(dir string) string {
	raft := filepath.Join(dir, "raft")
	owner, err := readOwner(raft)
	if _, missing := os.Stat(filepath.Join(raft, logFile)); missing != nil && owner == "" && err == nil {
		return ""
	}
	restore := ""
	if owner != "" {
		restore = "write " + owner + ", the ID of the node whose state is in " + raft + ", into it, or "
	}
	return ": " + restore + "remove data_dir (" + dir + "): the node then joins as a new one"
}

// loadVote returns the vote of an earlier process in a formation that has not
// ended, empty when there is none.
func loadVote(dir string) (slotmap.NodeID, error) {
	path := filepath.Join(dir, voteFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id := slotmap.NodeID(strings.TrimSpace(string(data)))
	if err := id.Validate(); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return id, nil
}

// saveVote replaces the vote on disk; empty removes it.
func saveVote(dir string, vote slotmap.NodeID) error {
	path := filepath.Join(dir, voteFile)
	if vote == "" {
		return removeIfThere(path)
	}
	return writeDurable(path, []byte(vote+"\n"))
}

// writeDurable replaces a file as a whole, so that it survives a crash of the
// machine.
func writeDurable(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := writeSynced(tmp, data); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// formed is the cluster that a node belongs to, as gossip shows it.
type formed struct {
	Cluster string
	Founder slotmap.NodeID
}

// loadFormed returns what saveFormed has noted, nothing when it has not.
func loadFormed(dir string) (f formed, err error) {
	path := filepath.Join(dir, formedFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return formed{}, nil
	}
	if err != nil {
		return formed{}, err
	}
	words := strings.Fields(string(data))
	if len(words) != 2 {
		return formed{}, fmt.Errorf("%s: not a cluster and its founder", path)
	}
	f = formed{words[0], slotmap.NodeID(words[1])}
	if err := f.Founder.Validate(); err != nil {
		return formed{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func saveFormed(dir string, f formed) error {
	return writeDurable(filepath.Join(dir, formedFile), fmt.Appendf(nil, "%s %s\n", f.Cluster, f.Founder))
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// newBoot names this process; never 0.
func newBoot() (uint64, error) {
	var raw [8]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(raw[:])>>1 | 1, nil
}

// wipe makes the directory a fresh one: the next start is a new node, or, with its
// ID left, one that belongs to no cluster.
func wipe(dir string, keepID bool) error {
	err := errors.Join(removeState(filepath.Join(dir, "raft")), saveVote(dir, ""), removeIfThere(filepath.Join(dir, formedFile)),
		removeIfThere(filepath.Join(dir, givenFile)))
	if !keepID {
		err = errors.Join(err, removeIfThere(filepath.Join(dir, idFile)))
	}
	return err
}

// removeState removes raft's directory at one blow: with a part of it left, the
// next start would take it for damaged.
func removeState(dir string) error {
	aside := dir + ".removed"
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	if err := os.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(aside)
}

// lockDir makes dir this process's own, until the file is closed.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another process uses it; each node needs a data_dir of its own")
		}
		return nil, fmt.Errorf("data_dir %s: %w", dir, err)
	}
	return f, nil
}
