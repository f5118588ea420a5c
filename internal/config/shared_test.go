package config

import (
	"reflect"
	"strings"
	"testing"
)

func text(s string) *string { return &s }

func TestSharedSettingsMayChange(t *testing.T) {
	for _, k := range Keys() {
		if k.Shared && !k.Mutable {
			t.Errorf("%s is shared, and CONFIG SET refuses it", k.Name)
		}
	}
}

func TestPlan(t *testing.T) {
	l := NewLive(Default())
	shared, own, err := l.Plan([]Pair{{"maxmemory", "1mb"}, {"MaxMemory-Policy", "AllKeys-LRU"}, {"save", ""}, {"replication.ack_timeout", "1500"}})
	if err != nil {
		t.Fatal(err)
	}
	wantShared := []SharedSetting{{"store.maxmemory_policy", "allkeys-lru"}, {"replication.ack_timeout", "1500ms"}}
	wantOwn := []Pair{{"maxmemory", "1mb"}, {"save", ""}}
	if !reflect.DeepEqual(shared, wantShared) || !reflect.DeepEqual(own, wantOwn) {
		t.Errorf("shared %v, own %v", shared, own)
	}
	if l.Config().Store.MaxMemory != 0 || l.Config().Store.MaxMemoryPolicy != "noeviction" {
		t.Error("planning changed something")
	}
	for _, s := range wantShared {
		if err := l.SetShared(s.Name, &s.Text); err != nil {
			t.Errorf("what was planned is refused: %v", err)
		}
	}
	for _, pairs := range [][]Pair{
		{{"maxmemory-policy", "allkeys-lru"}, {"databases", "3"}},
		{{"maxmemory-policy", "allkeys-lru"}, {"maxmemory", "x"}},
		{{"maxmemory-policy", "best"}},
		{{"maxmemory-policy", "noeviction"}, {"maxmemory-policy", "noeviction"}},
	} {
		set, plan := NewLive(Default()).Set(pairs), error(nil)
		if _, _, plan = l.Plan(pairs); plan == nil || set == nil || plan.Error() != set.Error() {
			t.Errorf("%v: Plan says %v, Set %v", pairs, plan, set)
		}
	}
}

func TestSetShared(t *testing.T) {
	start := Default()
	start.Store.MaxMemoryPolicy = "volatile-lru"
	l := NewLive(start)
	var seen []string
	l.Observe(func(old, next *Config) error {
		seen = append(seen, old.Store.MaxMemoryPolicy+" to "+next.Store.MaxMemoryPolicy)
		return nil
	}, "store.maxmemory_policy")
	set := func(value *string) {
		t.Helper()
		if err := l.SetShared("store.maxmemory_policy", value); err != nil {
			t.Fatal(err)
		}
	}
	set(text("allkeys-lru"))
	if !l.Overridden("store.maxmemory_policy") {
		t.Error("nobody learns that the node's own setting does not hold")
	}
	set(text("allkeys-lru"))
	set(nil)
	if l.Overridden("store.maxmemory_policy") || l.Config().Store.MaxMemoryPolicy != "volatile-lru" {
		t.Error("the node's own setting does not hold again")
	}
	if got := strings.Join(seen, ", "); got != "volatile-lru to allkeys-lru, allkeys-lru to volatile-lru" {
		t.Error(got)
	}
	for name, value := range map[string]string{"store.maxmemory_policy": "best", "store.maxmemory": "1mb", "store.nothing": "1"} {
		if err := l.SetShared(name, &value); err == nil {
			t.Errorf("%s: %s was accepted", name, value)
		}
	}
}
