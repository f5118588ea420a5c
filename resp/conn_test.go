package resp

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestBasics(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		if got := c.do("PING"); got != "+PONG" {
			t.Fatal(got)
		}
		if got := c.do("ECHO", "hello"); got != "hello" {
			t.Fatal(got)
		}
		c.send("*0\r\n*-1\r\n\r\n  \r\nECHO \"\\x41 b\"\r\n")
		c.expect("$3\r\nA b\r\n")
		c.send("QUIT\r\nPING\r\n")
		c.expect("+OK\r\n")
		c.expectEOF()

		u := dial(t, "unix", s.unix)
		if got := u.do("PING"); got != "+PONG" {
			t.Fatal(got)
		}
		if info := u.do("info"); !strings.Contains(info, " addr="+s.unix+":0 laddr="+s.unix+":0 ") || !strings.Contains(info, " flags=U ") {
			t.Fatal(info)
		}
	})
}

func TestPipelineInOneWrite(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		const n = 10000
		var in, want strings.Builder
		for i := range n {
			arg := strings.Repeat("v", i%300)
			in.WriteString(wireCommand("ECHO", arg))
			fmt.Fprintf(&want, "$%d\r\n%s\r\n", len(arg), arg)
		}
		go io.WriteString(c.Conn, in.String())
		c.expect(want.String())
	})
}

func TestByteByByte(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		for _, b := range []byte(wireCommand("ECHO", "one") + "ECHO 'two'\r\n" + wireCommand("ECHO", "")) {
			c.send(string(b))
		}
		c.expect("$3\r\none\r\n$3\r\ntwo\r\n$0\r\n\r\n")
	})
}

func TestBigArguments(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		c := s.dial(t)
		var args, lens []string
		for _, n := range []int{0, 1, 16 << 10, 32 << 10, 40000, 1 << 20, 5 << 20, 7} {
			args = append(args, strings.Repeat("a", n))
			lens = append(lens, fmt.Sprintf(":%d\r\n", n))
		}
		for i := range args {
			go c.send(wireCommand("LEN", args[i]) + wireCommand("PING"))
			c.expect("*1\r\n" + lens[i] + "+PONG\r\n")
		}
		go c.send(wireCommand(append([]string{"LEN"}, args...)...) + wireCommand("PING"))
		c.expect(fmt.Sprintf("*%d\r\n%s+PONG\r\n", len(args), strings.Join(lens, "")))
		eventually(t, "big buffers given back", func() bool {
			client := s.Clients().All()[0]
			return client.info.queryBuffer.Load() == 0 && client.info.queryFree.Load() == 0
		})
	})
}

func TestPanicEndsOneConnection(t *testing.T) {
	drivers(t, func(t *testing.T, generic bool) {
		s := startServer(t, generic, nil)
		other, c := s.dial(t), s.dial(t)
		c.send("PING\r\nBOOM\r\nPING\r\n")
		c.expect("+PONG\r\n-ERR internal error\r\n")
		c.expectEOF()
		if got := other.do("PING"); got != "+PONG" {
			t.Fatal(got)
		}
		if l := s.log.String(); !strings.Contains(l, "panic=boom") || !strings.Contains(l, "testExecutor") {
			t.Fatalf("no stack in the log: %s", l)
		}
	})
}
