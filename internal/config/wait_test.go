package config

import (
	"testing"
	"time"
)

// waitUntil waits for a condition that another process brings about.
func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("waited a minute until %s", what)
		case <-poll.C:
		}
	}
}
