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

	"respkv/cluster/slotmap"
)

const (
	idFile     = "node-id"
	voteFile   = "formation-vote" // while no cluster has formed
	formedFile = "cluster"        // the one that has
)

// loadID returns the ID kept in dir, making one in a fresh directory.
func loadID(dir string) (slotmap.NodeID, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("data_dir: %w", err)
	}
	path := filepath.Join(dir, idFile)
	data, err := os.ReadFile(path)
	if err == nil {
		id := slotmap.NodeID(strings.TrimSpace(string(data)))
		if err := id.Validate(); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var raw [slotmap.NodeIDLen / 2]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	id := slotmap.NodeID(hex.EncodeToString(raw[:]))
	tmp := path + ".tmp"
	if err := writeSynced(tmp, []byte(id+"\n")); err != nil {
		return "", err
	}
	return id, os.Rename(tmp, path)
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
	tmp := path + ".tmp"
	if err := writeSynced(tmp, []byte(vote+"\n")); err != nil {
		return err
	}
	return os.Rename(tmp, path)
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
	path := filepath.Join(dir, formedFile)
	tmp := path + ".tmp"
	if err := writeSynced(tmp, fmt.Appendf(nil, "%s %s\n", f.Cluster, f.Founder)); err != nil {
		return err
	}
	return os.Rename(tmp, path)
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

// wipe makes the directory a fresh one: the next start is a new node.
func wipe(dir string) error {
	return errors.Join(os.RemoveAll(filepath.Join(dir, "raft")), saveVote(dir, ""), removeIfThere(filepath.Join(dir, formedFile)),
		os.Remove(filepath.Join(dir, idFile)))
}
