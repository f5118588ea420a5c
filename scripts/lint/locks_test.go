package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

const lockedSource = `package p

import "sync"

var global sync.Mutex

type (
	plain    struct{ mu, other sync.Mutex }
	embedded struct{ sync.RWMutex }
	nested   struct{ inner struct{ mu *sync.Mutex } }
	many     struct{ locks [4]sync.Mutex }
	none     struct{ once sync.Once; n int }
)
`

func TestFindLocks(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", lockedSource, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	findLocks(file, "a/p", func(name string, _ ast.Node) { got = append(got, name) })
	want := []string{"a/p.global", "a/p.plain.mu", "a/p.plain.other", "a/p.embedded", "a/p.nested.inner.mu", "a/p.many.locks"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestCompareLocks(t *testing.T) {
	document := "| Lock | Guards |\n|---|---|\n| `p.a.mu` | x |\n| `p.gone.mu` | y |\n"
	found := map[string]string{"p.a.mu": "p/a.go:1", "p.new.mu": "p/new.go:2"}
	var got []string
	compareLocks(found, document, func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) })
	want := []string{
		"p/new.go:2: the lock `p.new.mu` is not in docs/locks.md",
		"docs/locks.md: there is no lock `p.gone.mu`",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
