package cluster

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"respkv/cluster/slotmap"
)

const testOwner = slotmap.NodeID("0123456789abcdef0123456789abcdef01234567")

func testFiles(dir string) *raftGroup {
	return &raftGroup{dir: filepath.Join(dir, "raft"), id: testOwner, log: hclog.NewNullLogger(), slog: slog.New(slog.DiscardHandler)}
}

// fillRaft makes the files of a node that has been a member for a while, and
// returns its log.
func fillRaft(t *testing.T, dir string) []*raft.Log {
	t.Helper()
	g := testFiles(dir)
	files, err := g.openFiles()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.store.Close() }()
	random := rand.New(rand.NewPCG(1, 2))
	var logs []*raft.Log
	for i := range 300 {
		data := make([]byte, random.IntN(200))
		if i%50 == 0 {
			data = make([]byte, 10000) // more than a page
		}
		for k := range data {
			data[k] = byte(random.Uint32())
		}
		logs = append(logs, &raft.Log{Index: uint64(i + 1), Term: uint64(1 + i/100), Data: data, AppendedAt: time.Unix(int64(i), 0)})
	}
	for from := 0; from < len(logs); from += 20 {
		if err := files.store.StoreLogs(logs[from : from+20]); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.store.SetUint64(currentTerm, 3); err != nil {
		t.Fatal(err)
	}
	return logs
}

// readRaft opens the files of a copy of dir, and returns the log.
func readRaft(dir string) ([]*raft.Log, error) {
	files, err := testFiles(dir).openFiles()
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.store.Close() }()
	last, err := files.store.LastIndex()
	if err != nil {
		return nil, err
	}
	var logs []*raft.Log
	for i := uint64(1); i <= last; i++ {
		l := &raft.Log{}
		if err := files.store.GetLog(i, l); err != nil {
			return nil, fmt.Errorf("found only when it is read: %w", err)
		}
		logs = append(logs, l)
	}
	return logs, nil
}

// TestDamagedLog damages raft.db in every way: the node says which file it is,
// or nothing is lost. It never panics, and never goes on with a part.
func TestDamagedLog(t *testing.T) {
	good := t.TempDir()
	want := fillRaft(t, good)
	image, err := os.ReadFile(filepath.Join(good, "raft", logFile))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	try := func(what string, data []byte) error {
		t.Helper()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "raft", logFile)
		err := os.Remove(path)
		if data != nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := readRaft(dir)
		switch {
		case err != nil && !strings.Contains(err.Error(), filepath.Join(dir, "raft")):
			t.Errorf("%s: the error does not say where: %v", what, err)
		case err != nil && !strings.Contains(err.Error(), "remove its data_dir ("+dir+")"):
			t.Errorf("%s: the error does not say what to do: %v", what, err)
		case err == nil && !sameLogs(got, want):
			t.Errorf("%s: the node goes on with a damaged log", what)
		}
		return err
	}
	if err := try("nothing", image); err != nil {
		t.Fatalf("a whole log is refused: %v", err)
	}
	for what, data := range map[string][]byte{"missing": nil, "empty": {}, "half": image[:len(image)/2], "one page": image[:os.Getpagesize()]} {
		if err := try(what, data); err == nil {
			t.Errorf("a log that is %s is taken", what)
		}
	}
	// A bucket that is not found is made anew.
	for _, name := range []string{"conf", "logs"} {
		renamed := bytes.ReplaceAll(image, []byte(name), []byte("x"+name[1:]))
		if err := try("another name than "+name, renamed); err == nil {
			t.Errorf("a log without %s is taken", name)
		}
	}
	refused := 0
	for i := range 100 {
		data := append([]byte(nil), image...)
		for range 1 + i%3*20 {
			data[random.IntN(len(data))] ^= 1 << random.IntN(8)
		}
		if try(fmt.Sprintf("damage %d", i), data) != nil {
			refused++
		}
	}
	// Some damage hits pages that are not in use.
	if t.Logf("%d of 100 refused", refused); refused < 33 {
		t.Error("hardly any damage is noticed")
	}
}

func sameLogs(a, b []*raft.Log) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := *a[i], *b[i]
		x.AppendedAt, y.AppendedAt = time.Time{}, time.Time{} // of no meaning but for a metric
		if len(x.Data) == 0 && len(y.Data) == 0 {
			x.Data, y.Data = nil, nil
		}
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

// TestDamagedIdentity: a node does not become another one because its ID is
// lost or damaged.
func TestDamagedIdentity(t *testing.T) {
	for what, damage := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"half":    func(path string) error { return os.Truncate(path, 20) },
		"another's": func(path string) error {
			return os.WriteFile(path, []byte("f"+testOwner[1:]+"\n"), 0o600)
		},
	} {
		dir := t.TempDir()
		fillRaft(t, dir)
		path := filepath.Join(dir, idFile)
		if err := os.WriteFile(path, []byte(testOwner+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if id, err := loadID(dir); err != nil || id != testOwner {
			t.Fatalf("ID %s, %v", id, err)
		}
		if err := damage(path); err != nil {
			t.Fatal(err)
		}
		id, err := loadID(dir)
		if err == nil {
			g := testFiles(dir)
			g.id = id
			_, err = g.openFiles()
		}
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), string(testOwner)) {
			t.Errorf("node-id %s: %v", what, err)
		}
	}
}

// TestDirInUse: a data directory belongs to one process.
func TestDirInUse(t *testing.T) {
	dir := t.TempDir()
	first, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second process: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

// TestDiscarded: state that was thrown away is not missed.
func TestDiscarded(t *testing.T) {
	dir := t.TempDir()
	fillRaft(t, dir)
	g := testFiles(dir)
	if err := g.discard(); err != nil {
		t.Fatal(err)
	}
	if begun, err := g.begun(); begun || err != nil {
		t.Errorf("begun: %v, %v", begun, err)
	}
	if logs, err := readRaft(dir); err != nil || len(logs) != 0 {
		t.Errorf("%d entries, %v", len(logs), err)
	}
}

// TestTermWaitsForDisk: raft is not told that a term cannot be written down,
// which would be its panic; it waits, until raft is stopped.
func TestTermWaitsForDisk(t *testing.T) {
	files, err := testFiles(t.TempDir()).openFiles()
	if err != nil {
		t.Fatal(err)
	}
	if err := files.store.Close(); err != nil { // now every write fails
		t.Fatal(err)
	}
	returned, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		returned <- files.store.SetUint64(currentTerm, 7)
	}()
	eventually(t, patience, "the failure is noted", files.store.failing.Load)
	if err := files.store.SetUint64(lastVoteTerm, 7); err == nil {
		t.Error("a vote that was not written down")
	}
	close(files.store.closed)
	<-ended
	if len(returned) > 0 {
		t.Errorf("raft was told %v", <-returned)
	}
}
