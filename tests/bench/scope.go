package main

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// scope is the testing.TB that the harness of tests/process speaks to, here
// where no test runs: Fatal ends the measurement with an error, Skip says why
// it is not done, and Cleanup runs at its end, whatever the end is.
type scope struct {
	testing.TB // nil: what is not below is not used by the harness
	cleanups   []func()
	failed     bool
}

// scopeEnd is what ends a measurement from within.
type scopeEnd struct{ err error }

// within runs a measurement that uses the harness.
func within(measure func(t *scope) error) (err error) {
	t := new(scope)
	defer func() {
		ended := recover()
		if end, ok := ended.(scopeEnd); ok {
			err, ended = end.err, nil
		}
		t.failed = err != nil && !errors.Is(err, errSkip)
		for len(t.cleanups) > 0 {
			last := t.cleanups[len(t.cleanups)-1]
			t.cleanups = t.cleanups[:len(t.cleanups)-1]
			last()
		}
		if ended != nil {
			panic(ended)
		}
	}()
	return measure(t)
}

// check ends the measurement when the program was interrupted.
func (t *scope) check() {
	if interrupted.Load() {
		panic(scopeEnd{errInterrupted})
	}
}

func (t *scope) Helper()           {}
func (t *scope) Name() string      { return "bench" }
func (t *scope) Failed() bool      { return t.failed }
func (t *scope) Cleanup(fn func()) { t.cleanups = append(t.cleanups, fn) }
func (t *scope) Log(args ...any)   { progress("%s", fmt.Sprint(args...)) }
func (t *scope) Error(args ...any) { t.Fatal(args...) }
func (t *scope) Fatal(args ...any) { panic(scopeEnd{errors.New(fmt.Sprint(args...))}) }
func (t *scope) Skip(args ...any) {
	panic(scopeEnd{fmt.Errorf("%w: %s", errSkip, fmt.Sprint(args...))})
}
func (t *scope) Logf(f string, a ...any)   { progress(f, a...) }
func (t *scope) Errorf(f string, a ...any) { t.Fatalf(f, a...) }
func (t *scope) Fatalf(f string, a ...any) { t.Fatal(fmt.Sprintf(f, a...)) }
func (t *scope) Skipf(f string, a ...any)  { t.Skip(fmt.Sprintf(f, a...)) }

func (t *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "respkv-bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
