package resp

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/config"
	"respkv/internal/persistence"
	"respkv/internal/threads"
	"respkv/store"
)

// saver writes the keyspace to disk: SAVE, BGSAVE, the save points, the end of the
// node. One snapshot is under way at a time, those for replicas of Redis's own protocol
// included (sync.go).
type saver struct {
	file persistence.File

	mu        sync.Mutex // guards below; a leaf
	running   *snapshotRun
	scheduled bool // BGSAVE came where it could not run at once
	last      saveRecord
	closed    bool
	done      sync.WaitGroup

	misconf atomic.Bool  // the last save in the background failed
	atEnd   atomic.Int32 // one of saveAtEnd...
}

// snapshotRun is a snapshot under way.
type snapshotRun struct {
	*persistence.Snapshot
	toDisk  bool
	started time.Time
	dirty   int64 // changes counted at its moment
	cancel  context.CancelCauseFunc
	ended   chan struct{}
}

// saveRecord is what became of saves.
type saveRecord struct {
	at     time.Time     // of the last successful one; of the start before
	tried  time.Time     // of the last one in the background
	took   time.Duration // of the last one in the background; -1: none
	failed bool          // the last one in the background
	dirty  int64         // changes counted when the last successful one was made
	count  int64
	loaded persistence.Loaded // what the node began with
}

var (
	errSaving     = errors.New("a snapshot is under way")
	errLoadingNow = errors.New("the snapshot of the primary is being loaded")
	errShutdown   = errors.New("the node is being shut down")
	errSaveEnded  = errors.New("ended: the end of the node, or a save that cannot wait, came before")
)

func (s *saver) init(now time.Time) {
	s.last = saveRecord{at: now, took: -1}
}

// begin makes a snapshot of this moment. atCut is called then, under all locks. Error:
// errSaving, errShutdown. finish is to be called after it is written.
func (d *Dispatcher) beginSnapshot(toDisk, allLocked bool, atCut func()) (run *snapshotRun, ctx context.Context, err error) {
	cfg := d.config.Config()
	streamKnown := !d.follow.on.Load()
	if toDisk && !streamKnown && !allLocked {
		// What it has is what its position counts; without that nobody could go on from it.
		if streamKnown = d.follow.rest(); streamKnown {
			defer d.follow.applying.Unlock()
		}
	}
	run = &snapshotRun{toDisk: toDisk, started: time.Now(), ended: make(chan struct{})}
	run.Snapshot = &persistence.Snapshot{
		Store: d.store, Gate: snapshotGate{d}, Owned: d.savedSlots(), Access: accessKind(cfg),
		Compress: cfg.Persistence.RDBCompression, Checksum: cfg.Persistence.RDBChecksum,
		Aux: [][2]string{{"redis-ver", RedisVersion}, {"respkv-ver", d.version}},
		AtCut: func() {
			run.dirty = d.stats.dirty.Load()
			if toDisk && streamKnown {
				run.Aux = append(run.Aux, d.streamAux()...)
			}
			if atCut != nil {
				atCut()
			}
		},
		Functions: d.dumpFunctions, AllLocked: allLocked, Several: d.scripts.several.RLocker(),
	}
	s := &d.saver
	s.mu.Lock()
	switch {
	case s.closed:
		err = errShutdown
	case d.follow.loading.Load():
		err = errLoadingNow // the keyspace is incomplete
	case s.running != nil:
		err = errSaving
	default:
		s.running = run
		s.done.Add(1)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	ctx, run.cancel = context.WithCancelCause(context.Background())
	threads.Begin()
	run.Begin()
	return run, ctx, nil
}

// finish ends a snapshot.
func (s *saver) finish(run *snapshotRun) {
	threads.End()
	run.cancel(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = nil
	close(run.ended)
	s.done.Done()
}

// savedSlots says which slots a snapshot has: in a cluster those that this node is
// primary of.
func (d *Dispatcher) savedSlots() func(slot uint16) bool {
	if d.routing == nil {
		return nil
	}
	id := d.routing.ID()
	return func(slot uint16) bool { return d.routing.Map().Slot(slot).Primary == id }
}

// accessKind: as Redis, what the policy goes by is saved.
func accessKind(cfg *config.Config) persistence.AccessKind {
	switch p, evicts := evictPolicy(cfg.Store.MaxMemoryPolicy); {
	case !evicts:
	case p.By == store.EvictIdle:
		return persistence.AccessIdle
	case p.By == store.EvictRare:
		return persistence.AccessFreq
	}
	return persistence.AccessNone
}

// snapshotGate puts a cut where writes ask. It implements persistence.Gate.
type snapshotGate struct{ d *Dispatcher }

func (g snapshotGate) Begin(cut *store.Cut) { g.d.gate.begin(cut) }
func (g snapshotGate) End()                 { g.d.gate.end() }

// saveFile is the path of the file that is saved to.
func (d *Dispatcher) saveFile() string {
	cfg := d.config.Config()
	return filepath.Join(cfg.DataDir, cfg.Persistence.DBFilename)
}

// saveNow writes a snapshot that was begun to the file, and notes what became of it.
func (d *Dispatcher) saveNow(ctx context.Context, run *snapshotRun, background bool) error {
	path := d.saveFile()
	err := d.saver.file.Save(ctx, run.Snapshot, path)
	took := time.Since(run.started)
	if errors.Is(err, errSaveEnded) {
		d.log.Info("saving was ended for another save")
		return err // no failure of the disk
	}
	d.saver.note(run, err, took, background)
	if err != nil {
		d.log.Error("saving failed", "error", err)
		return err
	}
	d.log.Info("saved", "file", path, "keys", run.Keys(), "bytes", run.Bytes(), "took", took)
	return nil
}

func (s *saver) note(run *snapshotRun, err error, took time.Duration, background bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.last
	if background {
		r.took, r.failed = took, err != nil
	}
	if err == nil {
		r.at, r.dirty, r.failed = time.Now(), run.dirty, false
		r.count++
	}
	s.misconf.Store(r.failed)
}

// backgroundSave begins to save. Errors: errSaving, errShutdown.
func (d *Dispatcher) backgroundSave() error {
	run, ctx, err := d.beginSnapshot(true, false, nil)
	if err != nil {
		return err
	}
	d.saver.mu.Lock()
	d.saver.last.tried, d.saver.scheduled = run.started, false
	d.saver.mu.Unlock()
	go func() {
		defer d.saver.finish(run)
		_ = d.saveNow(ctx, run, true) // noted and logged there
	}()
	return nil
}

// schedule puts a save off to the next round of the cron. False: one is under way.
func (s *saver) schedule() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return false
	}
	s.scheduled = true
	return true
}

// saveRetry is how long to wait after a save in the background failed, as in Redis.
const saveRetry = 5 * time.Second

// saveIfDue saves when a save point says so, or when BGSAVE was put off. The cron
// calls it.
func (d *Dispatcher) saveIfDue(now time.Time) {
	if point, due := d.saveDue(now); due {
		if point.Seconds > 0 {
			d.log.Info("saving, as configured", "changes", point.Changes, "seconds", point.Seconds)
		}
		_ = d.backgroundSave() // under way already: the next round asks again
	}
}

func (d *Dispatcher) saveDue(now time.Time) (point config.SavePoint, due bool) {
	s := &d.saver
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil || s.closed {
		return point, false
	}
	if s.scheduled {
		return point, true
	}
	if s.last.failed && now.Sub(s.last.tried) < saveRetry {
		return point, false
	}
	changes := d.stats.dirty.Load() - s.last.dirty
	for _, p := range d.config.Config().Persistence.Save {
		if changes >= p.Changes && now.Sub(s.last.at) > time.Duration(p.Seconds)*time.Second {
			return p, true
		}
	}
	return point, false
}

// stop ends the snapshot under way and lets no other begin, but for SaveAtEnd.
func (s *saver) stop() {
	s.mu.Lock()
	s.closed = true
	if s.running != nil {
		s.running.cancel(errSaveEnded)
	}
	s.mu.Unlock()
	s.done.Wait()
}

// abort ends the snapshot under way and waits for that.
func (s *saver) abort() {
	s.mu.Lock()
	run := s.running
	if run != nil {
		run.cancel(errSaveEnded)
	}
	s.mu.Unlock()
	if run != nil {
		<-run.ended
	}
}

// What the end of the node does about saving.
const (
	saveAtEndAsConfigured int32 = iota // if there are save points
	saveAtEndChanges                   // SHUTDOWN has saved: what came since
	saveAtEndNothing                   // SHUTDOWN NOSAVE
)

// SaveAtEnd saves a last time before the node ends, if that was configured or asked
// for; as long as it takes. It is called before Close, when clients are gone, or, in a
// cluster, before slots are handed over.
func (d *Dispatcher) SaveAtEnd() error {
	switch d.saver.atEnd.Load() {
	case saveAtEndNothing:
		return nil
	case saveAtEndChanges:
		if d.changesSinceSave() == 0 {
			return nil
		}
	default:
		if len(d.config.Config().Persistence.Save) == 0 {
			return nil
		}
	}
	return d.saveInForeground()
}

// saveInForeground ends the save under way and makes one at once.
func (d *Dispatcher) saveInForeground() error {
	d.saver.abort()
	run, ctx, err := d.beginSnapshot(true, false, nil)
	if err != nil {
		return err
	}
	defer d.saver.finish(run)
	return d.saveNow(ctx, run, false)
}

// Saving says whether the keyspace is being written to disk.
func (d *Dispatcher) Saving() bool {
	d.saver.mu.Lock()
	defer d.saver.mu.Unlock()
	return d.saver.running != nil && d.saver.running.toDisk
}

func (d *Dispatcher) changesSinceSave() int64 {
	d.saver.mu.Lock()
	defer d.saver.mu.Unlock()
	return d.stats.dirty.Load() - d.saver.last.dirty
}

// writesDenied says whether writes are refused because saving fails.
func (d *Dispatcher) writesDenied() bool {
	if !d.saver.misconf.Load() {
		return false
	}
	cfg := &d.config.Config().Persistence
	return cfg.StopWritesOnSaveErrors && len(cfg.Save) > 0
}

// Loader is what reads files into this node's keyspace.
func (d *Dispatcher) Loader() *persistence.Loader {
	cfg := d.config.Config()
	return &persistence.Loader{
		Store: d.store, MaxString: cfg.Server.ProtoMaxBulkLen, Checksum: cfg.Persistence.RDBChecksum,
		Function: d.loadFunctions, Logger: d.log,
	}
}

// removeUnfinished removes what earlier processes left of saves. That it cannot hinders
// nothing.
func (d *Dispatcher) removeUnfinished() {
	removed, err := persistence.RemoveUnfinished(d.config.Config().DataDir)
	for _, path := range removed {
		d.log.Info("an unfinished save of an earlier process was removed", "file", path)
	}
	if err != nil {
		d.log.Warn("unfinished saves of earlier processes", "error", err)
	}
}

// LoadFile loads a file into the empty keyspace, before the node serves.
func (d *Dispatcher) LoadFile(path string) error {
	cfg := d.config.Config()
	d.configureStore(cfg) // the forms of values depend on it
	l, stream := d.Loader(), streamFields{}
	l.Aux = stream.take
	l.KeepExpired = cfg.Replication.Primary != ""
	l.Expired = func(db int, name []byte) { // those who go on in the stream have it
		d.resumeStream(&stream)
		d.feedEffect(db, wordDel, name)
	}
	loaded, err := l.LoadFile(path)
	if err != nil {
		return err
	}
	d.resumeStream(&stream)
	d.saver.mu.Lock()
	d.saver.last.loaded = loaded
	d.saver.mu.Unlock()
	d.log.Info("loaded", "file", path, "keys", loaded.Keys, "expired", loaded.Expired, "empty", loaded.Empty,
		"bytes", loaded.Bytes, "took", loaded.Took)
	return nil
}

// flushEverything removes all keys and, of a standalone node, all functions. All locks are
// held.
func (d *Dispatcher) flushEverything() error {
	for db := range d.store.Databases() {
		d.touchDatabase(db, noDatabase)
		d.store.FlushDB(db)
	}
	if d.shared != nil {
		return nil
	}
	for _, change := range d.engine.PlanFlush() {
		if err := d.engine.Apply(change); err != nil {
			return err
		}
	}
	return nil
}

// Reload saves the keyspace, empties it and loads it again, as DEBUG RELOAD does;
// without save, the file that is there is loaded, and without flush what is there stays.
// All of it happens under the locks of all shards, which the caller holds already with
// allLocked, else it holds none. Nothing is replicated. When the file cannot be loaded,
// the keyspace is incomplete. Errors: errSaving with allLocked, those of files.
func (d *Dispatcher) Reload(allLocked, save, flush, merge bool) error {
	if !allLocked {
		d.saver.abort()
		d.scripts.several.RLock()
		defer d.scripts.several.RUnlock()
		d.store.LockAll()
		defer d.store.UnlockAll()
	}
	if save {
		run, ctx, err := d.beginSnapshot(true, true, nil)
		if err != nil {
			return err
		}
		err = d.saveNow(ctx, run, false)
		d.saver.finish(run)
		if err != nil {
			return err
		}
	}
	d.keysLost()
	if flush {
		if err := d.flushEverything(); err != nil {
			return err
		}
	}
	l := d.Loader()
	l.AllLocked, l.Replace = true, merge
	if !flush && !merge {
		l.Function = d.addFunctions
	}
	_, err := l.LoadFile(d.saveFile())
	d.invalidateAll(nil, true)
	return err
}
