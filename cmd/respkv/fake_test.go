package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// The test binary plays the node that `respkv dev` starts when this variable
// is set: "ok" behaves, "deaf" ignores SIGTERM, "dies" ends at once.
const fakeNodeVariable = "FAKE_NODE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeNodeVariable); mode != "" {
		fakeProcess(mode)
		return
	}
	os.Exit(m.Run())
}

func fakeProcess(mode string) {
	if mode == "dies" {
		fmt.Fprintln(os.Stderr, "it was not meant to be")
		os.Exit(7)
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	port := ""
	for _, arg := range os.Args {
		if p, ok := strings.CutPrefix(arg, "--server.port="); ok {
			port = p
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f := &fakeNode{id: "id-" + port, slots: allSlots}
	go f.serve(l)
	for range terminated {
		if mode != "deaf" {
			return
		}
	}
}

// fakeNode answers the few commands that the operations send.
type fakeNode struct {
	id    string
	slots int64 // how many of the first slots it is primary of; atomic
	// leave is what CLUSTER LEAVE does before it answers; "" is OK.
	leave func() string
}

func (f *fakeNode) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go f.connection(c)
	}
}

func (f *fakeNode) connection(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		var args []string
		for range n {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			arg, err := in.ReadString('\n')
			if err != nil {
				return
			}
			args = append(args, strings.TrimSpace(arg))
		}
		switch strings.Join(args, " ") {
		case "CLUSTER MYID":
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(f.id), f.id)
		case "CLUSTER INFO":
			const info = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"
			fmt.Fprintf(c, "$%d\r\n%s\r\n", len(info), info)
		case "CLUSTER SHARDS":
			mine := atomic.LoadInt64(&f.slots)
			node := func(id, role string) string {
				return fmt.Sprintf("*6\r\n$2\r\nid\r\n$%d\r\n%s\r\n$4\r\nrole\r\n$%d\r\n%s\r\n$6\r\nhealth\r\n$6\r\nonline\r\n", len(id), id, len(role), role)
			}
			entry := func(first, last int64, a, b string) string {
				return fmt.Sprintf("*4\r\n$5\r\nslots\r\n*2\r\n:%d\r\n:%d\r\n$5\r\nnodes\r\n*2\r\n%s%s", first, last, node(a, "master"), node(b, "replica"))
			}
			switch mine {
			case 0:
				fmt.Fprintf(c, "*1\r\n%s", entry(0, allSlots-1, "other", "third"))
			case allSlots:
				fmt.Fprintf(c, "*1\r\n%s", entry(0, allSlots-1, f.id, "other"))
			default:
				fmt.Fprintf(c, "*2\r\n%s%s", entry(0, mine-1, f.id, "other"), entry(mine, allSlots-1, "other", "third"))
			}
		case "CLUSTER LEAVE":
			if refusal := f.leave(); refusal != "" {
				fmt.Fprintf(c, "-%s\r\n", refusal)
			} else {
				fmt.Fprint(c, "+OK\r\n")
			}
		case "AUTH secret":
			fmt.Fprint(c, "+OK\r\n")
		default:
			fmt.Fprint(c, "-ERR unexpected in this test\r\n")
		}
	}
}

func startFake(t *testing.T, f *fakeNode) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go f.serve(l)
	return l.Addr().String()
}
