package resp

import (
	"fmt"
	"testing"
)

// TestFunctionsSentToAllPrimaries: clients send changes of libraries to each
// primary. Another node was the first: it is not an error here, once.
func TestFunctionsSentToAllPrimaries(t *testing.T) {
	shared := &fakeShared{}
	n := serveNode(t, servedOptions{routing: newAdminRouting(t, everySlot), shared: shared})
	c := n.dial(t)
	code := func(name string) string {
		return fmt.Sprintf("#!lua name=%s\nredis.register_function('%s', function() return 1 end)", name, name)
	}
	check := func(want string, args ...string) {
		t.Helper()
		if got := c.call(args...); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
	elsewhere := func(name, code string) {
		t.Helper()
		var value []byte
		if code != "" {
			value = []byte(code)
		}
		if err := shared.Propose(t.Context(), sharedFunction, name, value); err != nil {
			t.Fatal(err)
		}
	}
	const exists, missing = "-ERR Library 'l' already exists\r\n", "-ERR Library not found\r\n"

	elsewhere("l", code("l"))
	check("$1\r\nl\r\n", "function", "load", code("l"))
	check(exists, "function", "load", code("l"))
	elsewhere("l", code("l")) // a third node had it from the client too
	check(exists, "function", "load", code("l"))
	elsewhere("l", code("l")+" ")
	check(exists, "function", "load", code("l")) // not the same

	elsewhere("l", "")
	check("+OK\r\n", "function", "delete", "l")
	check(missing, "function", "delete", "l")
	elsewhere("l", "")
	check(missing, "function", "delete", "l")

	check("$1\r\nl\r\n", "function", "load", code("l"))
	check(exists, "function", "load", code("l"))
	check("+OK\r\n", "function", "delete", "l")
	check(missing, "function", "delete", "l")

	elsewhere("l", code("l"))
	elsewhere("m", code("m"))
	both := string(n.d.engine.Libraries().Dump())
	check("+OK\r\n", "function", "restore", both)
	check("-ERR Library l already exists\r\n", "function", "restore", both)
	elsewhere("m", "")
	check("+OK\r\n", "function", "flush")
	if got := n.d.engine.Libraries().All(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	check("+OK\r\n", "function", "restore", both, "append")
}
