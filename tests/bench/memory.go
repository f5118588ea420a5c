package main

import (
	"fmt"
	"net"
)

var memoryKinds = []struct {
	name      string
	valueSize int
	expire    int // seconds; 0 none
	goal      goal
}{
	{"64-byte values", 64, 0, ratioAtMost(0.65)},
	{"64-byte values, all with TTL", 64, 1_000_000, ratioAtMost(0.55)},
	{"10-byte values", 10, 0, ratioAtMost(0.5)},
}

const emptyRow = "empty server"

// measureMemory: resident bytes per key, and of a server without keys. One
// round: memory does not depend on what else the machine does.
func measureMemory(o *options) (string, error) {
	redis, respkv := versus(o)
	goals := map[string]goal{emptyRow: valueBelow(30, "MB")}
	for i, kind := range memoryKinds {
		goals[kind.name] = kind.goal
		err := alternate(1, redis, respkv, func(c *contender) error {
			return c.fillAndWeigh(kind.name, o.memoryKeys, kind.valueSize, kind.expire, i == 0)
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("Resident memory less that of the empty server, %d keys of 16 bytes.\n\n", o.memoryKeys) + compared(redis, respkv, goals), nil
}

func (c *contender) fillAndWeigh(name string, keys, valueSize, expire int, first bool) error {
	s, err := startServer(c.binary)
	if err != nil {
		return err
	}
	defer s.stop()
	empty, err := s.residentBytes()
	if err != nil {
		return err
	}
	if first {
		c.add(emptyRow, "MB", empty/1e6)
	}
	if err := s.fill(keys, valueSize, expire); err != nil {
		return err
	}
	full, err := s.residentBytes()
	if err != nil {
		return err
	}
	c.add(name, "bytes/key", (full-empty)/float64(keys))
	return nil
}

// measureIdle: what a connection costs that has sent a command and is silent.
func measureIdle(o *options) (string, error) {
	redis, respkv := versus(o)
	const row = "idle connection"
	err := alternate(1, redis, respkv, func(c *contender) error {
		s, err := startServer(c.binary)
		if err != nil {
			return err
		}
		defer s.stop()
		empty, err := s.residentBytes()
		if err != nil {
			return err
		}
		conns := make([]net.Conn, 0, o.idleClients)
		defer func() {
			for _, conn := range conns {
				_ = conn.Close()
			}
		}()
		pong := make([]byte, len("+PONG\r\n"))
		for range o.idleClients {
			conn, err := s.dial()
			if err != nil {
				return fmt.Errorf("after %d connections: %w", len(conns), err)
			}
			conns = append(conns, conn)
			if _, err := conn.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
				return err
			}
			if _, err := conn.Read(pong); err != nil {
				return err
			}
		}
		full, err := s.residentBytes()
		if err != nil {
			return err
		}
		c.add(row, "bytes", (full-empty)/float64(o.idleClients))
		return nil
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Growth of resident memory by %d connections that sent one PING each.\n\n", o.idleClients) +
		compared(redis, respkv, map[string]goal{row: ratioAtMost(1)}), nil
}
