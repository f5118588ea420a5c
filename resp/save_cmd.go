package resp

import (
	"context"
	"time"

	"respkv/resp/proto"
)

func init() {
	handle(map[string]Handler{
		"save":     save,
		"bgsave":   backgroundSave,
		"lastsave": lastSave,
	})
}

// save is SAVE: its client waits, others do not.
func save(c *Ctx) {
	d := c.d
	run, saving, err := d.beginSnapshot(true, false, nil)
	if err != nil {
		c.W.Error(errSaveRunning)
		return
	}
	c.background(0, nil, func(_ context.Context, w *proto.Writer) {
		defer d.saver.finish(run)
		if d.saveNow(saving, run, false) != nil {
			w.Error(errGeneric)
			return
		}
		w.OK()
	})
}

// backgroundSave is BGSAVE [SCHEDULE]. The snapshot is of the moment of the reply. In a
// transaction, whose locks are held, it is put off.
func backgroundSave(c *Ctx) {
	switch {
	case len(c.Args) > 2, len(c.Args) == 2 && !isWord(c.Args[1], "schedule"):
		c.W.Error(errSyntax)
	case c.DenyBlocking():
		if !c.d.saver.schedule() {
			c.W.Error(errSaveRunning)
			return
		}
		c.W.Simple("Background saving scheduled")
	default:
		if err := c.d.backgroundSave(); err != nil {
			c.W.Error(errSaveRunning)
			return
		}
		c.W.Simple("Background saving started")
	}
}

func lastSave(c *Ctx) {
	s := &c.d.saver
	s.mu.Lock()
	at := s.last.at
	s.mu.Unlock()
	c.W.Int(at.Unix())
}

// endSaved is SHUTDOWN where it saves first: an error leaves the server running, but
// for FORCE.
func (c *Ctx) endSaved(o ShutdownOptions) {
	d, addr := c.d, c.Client.Addr()
	d.ending.Store(true)
	c.background(0, nil, func(ctx context.Context, w *proto.Writer) {
		if err := d.saveInForeground(); err != nil && !o.Force {
			d.ending.Store(false)
			w.Error(errShutdownFailed)
			return
		}
		d.saver.atEnd.Store(saveAtEndChanges)
		d.log.Warn("a client asked for shutdown", "addr", addr, "now", o.Now, "force", o.Force)
		if err := d.shutdown(o); err != nil {
			d.ending.Store(false)
			d.log.Error("shutdown failed", "error", err)
			w.Error(errShutdownFailed)
			return
		}
		<-ctx.Done()
	})
}

// infoPersistence: of AOF, forks and modules there are none.
func (d *Dispatcher) infoPersistence(w *infoWriter) {
	s := &d.saver
	s.mu.Lock()
	run, last := s.running, s.last
	s.mu.Unlock()
	status, current := "ok", int64(-1)
	if last.failed {
		status = "err"
	}
	var done, total, written int64
	if run != nil {
		current = int64(time.Since(run.started).Seconds())
		done, total, written = run.Keys(), run.Total.Load(), run.Bytes()
	}
	took := int64(-1)
	if last.took >= 0 {
		took = int64(last.took.Seconds())
	}
	w.zeros("loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age")
	w.float("current_fork_perc", 100*ratio(done, max(total, 1)), 2)
	w.int("current_save_keys_processed", done)
	w.int("current_save_keys_total", total)
	w.int("rdb_changes_since_last_save", d.stats.dirty.Load()-last.dirty)
	w.bool("rdb_bgsave_in_progress", run != nil)
	w.int("rdb_last_save_time", last.at.Unix())
	w.str("rdb_last_bgsave_status", status)
	w.int("rdb_last_bgsave_time_sec", took)
	w.int("rdb_current_bgsave_time_sec", current)
	w.int("rdb_saves", last.count)
	w.zeros("rdb_last_cow_size")
	w.int("rdb_last_load_keys_expired", last.loaded.Expired)
	w.int("rdb_last_load_keys_loaded", last.loaded.Keys)
	w.zeros("aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
	w.str("aof_last_rewrite_time_sec", "-1")
	w.str("aof_current_rewrite_time_sec", "-1")
	w.str("aof_last_bgrewrite_status", "ok")
	w.zeros("aof_rewrites", "aof_rewrites_consecutive_failures")
	w.str("aof_last_write_status", "ok")
	w.zeros("aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size")
	w.int("respkv_save_bytes", written)
}
