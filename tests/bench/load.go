package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// loader sends SET or GET of 16-byte keys over several connections, a pipeline
// at a time on each. It costs little: requests are written into a template, and
// replies, whose form is known, are compared as a block.
type loader struct {
	addr              string
	clients, pipeline int
	set               bool
	keys              int      // numbered from 0, all of them present for GET
	pick              []uint32 // of them, those to be used; nil: all
	valueSize         int
}

// run sends so many requests, of random keys, and returns how many were
// answered a second.
func (l *loader) run(requests int) (perSecond float64, err error) {
	conns := make([]net.Conn, l.clients)
	for i := range conns {
		if conns[i], err = net.DialTimeout("tcp", l.addr, 5*time.Second); err != nil {
			return 0, err
		}
		defer conns[i].Close()
	}
	batches := max(1, requests/(l.clients*l.pipeline))
	failures := make(chan error, l.clients)
	began := time.Now()
	for i, conn := range conns {
		go func() {
			err := l.client(conn, batches, rand.New(rand.NewPCG(uint64(i), 1)))
			if err != nil {
				conn.Close()
			}
			failures <- err
		}()
	}
	var errs []error
	for range conns {
		errs = append(errs, <-failures)
	}
	seconds := time.Since(began).Seconds()
	return float64(batches*l.clients*l.pipeline) / seconds, errors.Join(errs...)
}

const keyBytes = len("key:000000000000")

func (l *loader) client(conn net.Conn, batches int, random *rand.Rand) error {
	value := bytes.Repeat([]byte("x"), l.valueSize)
	one := fmt.Appendf(nil, "*2\r\n$3\r\nGET\r\n$%d\r\n%0*d\r\n", keyBytes, keyBytes, 0)
	reply := []byte(fmt.Sprintf("$%d\r\n%s\r\n", l.valueSize, value))
	if l.set {
		one = fmt.Appendf(nil, "*3\r\n$3\r\nSET\r\n$%d\r\n%0*d\r\n$%d\r\n%s\r\n", keyBytes, keyBytes, 0, l.valueSize, value)
		reply = []byte("+OK\r\n")
	}
	at := bytes.Index(one, fmt.Appendf(nil, "%0*d", keyBytes, 0))
	request := bytes.Repeat(one, l.pipeline)
	answer := make([]byte, l.pipeline*len(reply))
	for range batches {
		for i := range l.pipeline {
			n := random.IntN(l.keys)
			if l.pick != nil {
				n = int(l.pick[random.IntN(len(l.pick))])
			}
			writeKey(request[i*len(one)+at:], n)
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		if n, err := io.ReadAtLeast(conn, answer, 1); err != nil {
			return err
		} else if answer[0] != reply[0] {
			return fmt.Errorf("the server answered %q", answer[:min(n, 100)])
		} else if _, err := io.ReadFull(conn, answer[n:]); err != nil {
			return err
		}
		for i := 0; i < len(answer); i += len(reply) {
			if answer[i] != reply[0] || answer[i+len(reply)-1] != '\n' {
				return fmt.Errorf("reply %d of a batch is no %q", i/len(reply), reply[:1])
			}
		}
	}
	return nil
}

// writeKey writes key:000000000000 with that number.
func writeKey(dst []byte, n int) {
	copy(dst, "key:")
	for p := keyBytes - 1; p >= 4; p-- {
		dst[p] = byte('0' + n%10)
		n /= 10
	}
}
