package resp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"respkv/cluster"
)

// fakeShared is what nodes share, for one node: changes hold at once.
type fakeShared struct {
	mu        sync.Mutex
	observers map[string][]func(name string, value []byte)
	err       error // of the next changes; nil: they are accepted
	changes   []string
}

func (s *fakeShared) Propose(ctx context.Context, kind, name string, value []byte) error {
	return s.ProposeAll(ctx, []cluster.ValueChange{{Kind: kind, Name: name, Value: value}})
}

func (s *fakeShared) ProposeAll(_ context.Context, changes []cluster.ValueChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, c := range changes {
		s.changes = append(s.changes, fmt.Sprintf("%s %s=%s", c.Kind, c.Name, c.Value))
		for _, fn := range s.observers[c.Kind] {
			fn(c.Name, c.Value)
		}
	}
	return nil
}

func (s *fakeShared) Observe(kind string, fn func(name string, value []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.observers == nil {
		s.observers = map[string][]func(string, []byte){}
	}
	s.observers[kind] = append(s.observers[kind], fn)
}

func (s *fakeShared) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *fakeShared) check(t *testing.T, want string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := fmt.Sprint(s.changes); got != want {
		t.Errorf("shared: %s, want %s", got, want)
	}
	s.changes = nil
}

func TestConfigSetOfTheCluster(t *testing.T) {
	shared := &fakeShared{}
	n := serveNode(t, servedOptions{routing: newAdminRouting(t, everySlot), shared: shared})
	c := n.dial(t)
	c.check("CONFIG SET maxmemory-policy allkeys-lru timeout 10 replication.ack_timeout 700", "+OK\r\n")
	shared.check(t, "[config store.maxmemory_policy=allkeys-lru config replication.ack_timeout=700ms]")
	c.check("CONFIG GET maxmemory-policy", "*2\r\n$16\r\nmaxmemory-policy\r\n$11\r\nallkeys-lru\r\n")
	c.check("CONFIG GET timeout", "*2\r\n$7\r\ntimeout\r\n$2\r\n10\r\n")

	c.check("CONFIG SET timeout 20", "+OK\r\n")
	shared.check(t, "[]")

	for line, want := range map[string]string{
		"CONFIG SET maxmemory-policy best":                       "",
		"CONFIG SET maxmemory-policy noeviction nope 1":          "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'\r\n",
		"CONFIG SET maxmemory-policy noeviction databases 3":     "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config\r\n",
		"CONFIG SET maxmemory-policy noeviction maxmemory-polic": "-ERR syntax error\r\n",
	} {
		if got := c.call(strings.Fields(line)...); got[0] != '-' || want != "" && got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
	shared.check(t, "[]")

	shared.fail(fmt.Errorf("%w: no time", cluster.ErrNotConfirmed))
	c.check("CONFIG SET maxmemory-policy noeviction timeout 30", "-CLUSTERDOWN The cluster did not confirm the change in time: it may still take effect\r\n")
	c.check("CONFIG GET timeout", "*2\r\n$7\r\ntimeout\r\n$2\r\n20\r\n")
	shared.fail(fmt.Errorf("%w: it is full", cluster.ErrRefused))
	c.check("CONFIG SET maxmemory-policy noeviction", "-ERR refused by the controller: it is full\r\n")
	shared.fail(nil)

	c.check("MULTI", "+OK\r\n")
	c.check("CONFIG SET maxmemory-policy noeviction", "+QUEUED\r\n")
	c.check("EXEC", "*1\r\n-ERR Command not allowed inside a transaction\r\n")
	shared.check(t, "[]")

	// What another node set.
	if err := shared.Propose(t.Context(), "config", "server.requirepass", []byte("x")); err != nil {
		t.Fatal(err)
	}
	n.dial(t).check("PING", "-NOAUTH Authentication required.\r\n")
}
