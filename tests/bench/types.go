package main

import (
	"fmt"
	"strconv"
	"strings"
)

// shape is a kind of collection whose memory is measured.
type shape struct {
	name    string
	command string
	element func(i int) []string // the arguments of element i
	single  bool                 // one element a command
	sizes   []int                // elements of a key
	bytes   int                  // of an element, about, where they take least
}

var shapes = []shape{
	{name: "hash", command: "HSET", sizes: []int{10, 100, 10_000}, bytes: 25, element: func(i int) []string {
		return []string{fmt.Sprintf("field:%d", i), fmt.Sprintf("value:%d", i*7919)}
	}},
	{name: "hash, fields of 20 bytes, values of 50", command: "HSET", sizes: []int{10, 100, 10_000}, bytes: 80, element: func(i int) []string {
		return []string{fmt.Sprintf("a-longer-field:%05d", i), fmt.Sprintf("%050d", i*7919)}
	}},
	{name: "list", command: "RPUSH", sizes: []int{10, 100, 10_000}, bytes: 14, element: func(i int) []string {
		return []string{fmt.Sprintf("element:%d", i)}
	}},
	{name: "list, 100 bytes each", command: "RPUSH", sizes: []int{10, 100, 10_000}, bytes: 105, element: func(i int) []string {
		return []string{fmt.Sprintf("%0100d", i)}
	}},
	{name: "set", command: "SADD", sizes: []int{10, 100, 10_000}, bytes: 30, element: func(i int) []string {
		return []string{fmt.Sprintf("member:%d", i)}
	}},
	{name: "set of integers", command: "SADD", sizes: []int{10, 100, 10_000}, bytes: 3, element: func(i int) []string {
		return []string{strconv.Itoa(i * 7)}
	}},
	{name: "set of large integers", command: "SADD", sizes: []int{10, 100, 10_000}, bytes: 10, element: func(i int) []string {
		return []string{strconv.Itoa(1_700_000_000_000 + i*7)}
	}},
	{name: "sorted set", command: "ZADD", sizes: []int{10, 100, 10_000}, bytes: 20, element: func(i int) []string {
		return []string{strconv.Itoa(i * 7), fmt.Sprintf("member:%d", i)}
	}},
	{name: "sorted set, fractions", command: "ZADD", sizes: []int{10, 100, 10_000}, bytes: 40, element: func(i int) []string {
		return []string{fmt.Sprintf("%d.25", i*7919%10_007), fmt.Sprintf("user:%010d", i)}
	}},
	{name: "stream, one field", command: "XADD", sizes: []int{10_000}, single: true, bytes: 15, element: func(i int) []string {
		return []string{streamID(i), "value", strconv.Itoa(i * 7919)}
	}},
	{name: "stream, three fields", command: "XADD", sizes: []int{10_000}, single: true, bytes: 25, element: func(i int) []string {
		return []string{streamID(i), "sensor", fmt.Sprintf("s%d", i%50), "temperature", fmt.Sprintf("%d.%d", i%40, i%10), "ok", "1"}
	}},
	{name: "stream, 100 bytes", command: "XADD", sizes: []int{10_000}, single: true, bytes: 115, element: func(i int) []string {
		return []string{streamID(i), "message", fmt.Sprintf("%0100d", i)}
	}},
	{name: "stream, fields that differ", command: "XADD", sizes: []int{10_000}, single: true, bytes: 30, element: func(i int) []string {
		return []string{streamID(i), fmt.Sprintf("field:%d", i%7), fmt.Sprintf("value:%d", i)}
	}},
}

// streamID is like those that the clock gives.
func streamID(i int) string { return strconv.Itoa(1_700_000_000_000+i*10) + "-0" }

func (s *shape) row(size int) string { return fmt.Sprintf("%s, %d", s.name, size) }

// measureTypes: resident bytes for an element of collections of many shapes, key
// and all. One round, as for memory.
func measureTypes(o *options) (string, error) {
	redis, respkv := versus(o)
	goals := make(map[string]goal)
	for i := range shapes {
		sh := &shapes[i]
		for _, size := range sh.sizes {
			goals[sh.row(size)] = ratioAtMost(1)
			err := alternate(1, redis, respkv, func(c *contender) error {
				return c.weighShape(sh, size, max(1, o.typeMegabytes<<20/(sh.bytes*size)))
			})
			if err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("Resident memory less that of the empty server, divided by the number of elements, keys of 16 bytes included. The number of keys is such that the smallest form of the elements takes some %d MB. Default thresholds.\n\n", o.typeMegabytes) +
		compared(redis, respkv, goals), nil
}

func (c *contender) weighShape(sh *shape, size, keys int) error {
	s, err := startServer(c.binary)
	if err != nil {
		return err
	}
	defer s.stop()
	// What a server maps and allocates at its first command is not the shape's.
	if err := s.fillShape(sh, size, 1); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	empty, err := s.residentBytes()
	if err != nil {
		return err
	}
	if err := s.fillShape(sh, size, keys); err != nil {
		return err
	}
	full, err := s.residentBytes()
	if err != nil {
		return err
	}
	c.add(sh.row(size), "bytes/element", (full-empty)/float64(keys*size))
	return nil
}

// fillShape makes so many keys, one after the other, a hundred elements a command.
func (s *server) fillShape(sh *shape, size, keys int) error {
	conn, err := dialClient(s.addr())
	if err != nil {
		return err
	}
	defer conn.close()
	batch := 100
	if sh.single {
		batch = 1
	}
	requests := make([]string, 0, (size+batch-1)/batch) // of a key, without its name
	for from := 0; from < size; from += batch {
		var args []string
		for i := from; i < min(size, from+batch); i++ {
			args = append(args, sh.element(i)...)
		}
		var b strings.Builder
		for _, arg := range args {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
		}
		requests = append(requests, fmt.Sprintf("*%d\r\n$%d\r\n%s\r\n$16\r\nkey:%%012d\r\n", len(args)+2, len(sh.command), sh.command)+b.String())
	}
	sent := make(chan error, 1)
	go func() {
		for key := range keys {
			for _, request := range requests {
				// No Fprintf: elements are data, the name alone is formatted.
				head, tail, _ := strings.Cut(request, "%012d")
				_, _ = conn.out.WriteString(head)
				fmt.Fprintf(conn.out, "%012d", key)
				_, _ = conn.out.WriteString(tail)
			}
		}
		sent <- conn.out.Flush()
	}()
	for range keys * len(requests) {
		line, err := conn.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch line[0] {
		case '-':
			return serverError(line)
		case '$': // the ID of an entry
			if _, err := conn.in.ReadSlice('\n'); err != nil {
				return err
			}
		}
	}
	return <-sent
}

func (s *server) flush() error {
	conn, err := dialClient(s.addr())
	if err != nil {
		return err
	}
	defer conn.close()
	return conn.do("FLUSHALL")
}
