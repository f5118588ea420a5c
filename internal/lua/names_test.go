package lua

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// What was a map before a change is one after it.
func TestNamesAreNotChanged(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var now names[int]
	want := map[string]int{}
	type moment struct {
		names names[int]
		want  map[string]int
	}
	var past []moment
	for i := range 3000 {
		if i%100 == 0 {
			past = append(past, moment{now, maps.Clone(want)})
		}
		name := fmt.Sprint(r.IntN(1000))
		next := now
		if r.IntN(3) == 0 {
			next.drop(name)
			delete(want, name)
		} else {
			next.set(name, i)
			want[name] = i
		}
		now = next
	}
	for _, m := range append(past, moment{now, want}) {
		if m.names.count != len(m.want) || len(slices.Collect(m.names.values())) != len(m.want) {
			t.Fatalf("%d names, want %d", m.names.count, len(m.want))
		}
		for name, v := range m.want {
			if got, ok := m.names.get(name); !ok || got != v {
				t.Fatalf("%s is %d, %v, want %d", name, got, ok, v)
			}
		}
	}
}

// One more library costs what is its own, not what there are already.
func TestLibraryAmongMany(t *testing.T) {
	library := func(i int) *Library {
		l := &Library{Name: fmt.Sprint("library", i)}
		l.Functions = []*Function{{Name: fmt.Sprint("f", i), Library: l}}
		return l
	}
	l := &Libraries{}
	for i := range 5000 {
		next, err := l.with(library(i))
		if err != nil {
			t.Fatal(err)
		}
		l = next
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const changes = 100
	for i := range changes {
		if _, err := l.with(library(i * 50)); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / changes; each > 64<<10 {
		t.Errorf("a change among 5000 libraries allocates %d bytes", each)
	}
}
