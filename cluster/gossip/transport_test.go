package gossip

import (
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/mux"
)

func start(t *testing.T, name, secret string) *memberlist.Memberlist {
	t.Helper()
	m, err := mux.Listen("127.0.0.1:0", mux.Config{Secret: secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := New(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := memberlist.DefaultLocalConfig()
	cfg.Name, cfg.Transport = name, transport
	cfg.AdvertiseAddr, cfg.AdvertisePort = "127.0.0.1", m.Addr().(*net.TCPAddr).Port
	cfg.BindAddr, cfg.BindPort = cfg.AdvertiseAddr, cfg.AdvertisePort
	cfg.Logger = log.New(io.Discard, "", 0)
	list, err := memberlist.Create(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = list.Shutdown()
		_ = m.Close()
	})
	return list
}

func TestMembersMeetAndNoticeDeath(t *testing.T) {
	a, b := start(t, "a", "s"), start(t, "b", "s")
	if n, err := b.Join([]string{a.LocalNode().Address()}); n != 1 || err != nil {
		t.Fatalf("join: %d, %v", n, err)
	}
	if a.NumMembers() != 2 || b.NumMembers() != 2 {
		t.Fatalf("members: %d and %d, want 2", a.NumMembers(), b.NumMembers())
	}
	if err := b.Shutdown(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for a.NumMembers() != 1 {
		if time.Now().After(deadline) {
			t.Fatal("a still sees b")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestStrangersStreamIsRefused(t *testing.T) {
	a, b := start(t, "a", "s"), start(t, "b", "")
	if _, err := b.Join([]string{a.LocalNode().Address()}); err == nil {
		t.Fatal("a node without the secret joined")
	}
}
