package resp

import (
	"context"
	"testing"
	"time"
)

// TestQuiet: a server is quiet when the last of its clients has been so for long enough, and not before.
func TestQuiet(t *testing.T) {
	s := startServer(t, false, nil)
	busy := s.dial(t)
	busy.do("PING")
	var client *Client
	eventually(t, "the client", func() bool {
		for _, c := range s.Clients().All() {
			client = c
		}
		return client != nil
	})
	client.lastActive.Store(time.Now().Add(time.Hour).UnixMilli())
	ctx, cancel := context.WithCancel(context.Background())
	quiet := make(chan struct{})
	go func() {
		s.Quiet(ctx, time.Millisecond)
		close(quiet)
	}()
	select {
	case <-quiet:
		t.Error("quiet, with a client that sends")
	case <-time.After(3 * tick):
	}
	cancel()
	<-quiet
	client.lastActive.Store(0)
	s.Quiet(context.Background(), time.Minute) // or the test does not end
}
