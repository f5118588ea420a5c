package main

import "testing"

// TestHoldings: what CLUSTER SHARDS says of each node's slots. A replica that is
// still copying is none yet.
func TestHoldings(t *testing.T) {
	node := func(id, role, health string) []any {
		return []any{"id", id, "port", int64(1), "role", role, "replication-offset", int64(0), "health", health}
	}
	v := clusterView{holdings: make(map[string]*holding), replicas: -1}
	for _, shard := range []any{
		[]any{"slots", []any{int64(0), int64(99), int64(200), int64(299)}, "nodes", []any{node("a", "master", "online"), node("b", "replica", "online")}},
		[]any{"slots", []any{int64(100), int64(199)}, "nodes", []any{node("b", "master", "online"), node("a", "replica", "online"), node("c", "replica", "loading")}},
		[]any{"slots", []any{}, "nodes", []any{node("d", "master", "online")}},
	} {
		if err := v.add(shard); err != nil {
			t.Fatal(err)
		}
	}
	if v.assigned != 300 || v.replicas != 1 {
		t.Errorf("%d slots, at least %d replicas", v.assigned, v.replicas)
	}
	for id, want := range map[string]holding{"a": {200, 100}, "b": {100, 200}, "c": {}, "d": {}} {
		if got := v.held(id); got != want {
			t.Errorf("%s holds %+v, not %+v", id, got, want)
		}
	}
	for _, bad := range []any{
		nil,
		[]any{"slots"},
		[]any{"slots", []any{int64(0)}, "nodes", []any{}},
		[]any{"slots", []any{int64(5), int64(4)}, "nodes", []any{}},
		[]any{"slots", []any{int64(0), int64(allSlots)}, "nodes", []any{}},
		[]any{"slots", []any{int64(0), int64(1)}, "nodes", []any{"x"}},
	} {
		if err := v.add(bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
