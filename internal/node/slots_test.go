package node

import (
	"testing"
	"time"

	"respkv/store"
)

// TestAccessTimes copies a key that was used an hour ago: so it was at its new place.
func TestAccessTimes(t *testing.T) {
	from, to := newTestKeyspace(t), newTestKeyspace(t)
	now := time.Now().UnixMilli()
	const idle = 3600
	tx := store.Tx{Store: from.store, Now: now - idle*1000}
	if _, err := tx.Set(largeKey("k"), []byte("v"), store.SetOptions{}); err != nil {
		t.Fatal(err)
	}
	_, done, err := from.SnapshotStep(largeSlot, 0, 1<<20, func(_, entry []byte) {
		if err := to.LoadEntry(largeSlot, entry); err != nil {
			t.Error(err)
		}
	}, func() {})
	if err != nil || !done {
		t.Fatal(done, err)
	}
	for _, ks := range []*testKeyspace{from, to} {
		tx := store.Tx{Store: ks.store, Now: now}
		info, ok := tx.ObjectInfo(largeKey("k"))
		if !ok || info.IdleSeconds < idle-1 || info.IdleSeconds > idle+1 {
			t.Errorf("found %v, idle for %d s, want %d", ok, info.IdleSeconds, idle)
		}
	}
}
