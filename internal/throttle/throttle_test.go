package throttle

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lines
		if quiet, ok := l.Next(); !ok || quiet != 0 {
			t.Errorf("the first line: %d %v", quiet, ok)
		}
		for range 3 {
			if _, ok := l.Next(); ok {
				t.Error("a second line at once")
			}
		}
		time.Sleep(every)
		if quiet, ok := l.Next(); !ok || quiet != 3 {
			t.Errorf("a second later: %d %v", quiet, ok)
		}
	})
}
