package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client is a RESP2 connection of one goroutine that may send several commands
// before it reads the replies.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
}

// serverError is an error reply.
type serverError string

func (e serverError) Error() string { return "the server answered " + strconv.Quote(string(e)) }

func dialClient(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReaderSize(conn, 1<<16), bufio.NewWriterSize(conn, 1<<16)}, nil
}

func (c *client) close() { c.conn.Close() }

// send writes a command; flush comes with the next reply.
func (c *client) send(args ...string) {
	fmt.Fprintf(c.out, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(c.out, "$%d\r\n%s\r\n", len(arg), arg)
	}
}

// reply reads a simple or bulk reply, nil for null, or an array, of which it returns the
// length only. The text is valid until the next one. An error reply is a serverError.
func (c *client) reply() ([]byte, error) {
	if err := c.out.Flush(); err != nil {
		return nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	line = bytes.TrimRight(line, "\r\n")
	switch {
	case len(line) == 0:
		return nil, fmt.Errorf("an empty line for a reply")
	case line[0] == '-':
		return nil, serverError(line[1:])
	case line[0] == '*':
		text := bytes.Clone(line[1:])
		n, err := strconv.Atoi(string(text))
		for ; n > 0 && err == nil; n-- {
			err = c.skip()
		}
		return text, err
	case line[0] != '$':
		return line[1:], nil
	}
	n, err := strconv.Atoi(string(line[1:]))
	if err != nil || n < 0 {
		return nil, err
	}
	text := make([]byte, n+2)
	_, err = io.ReadFull(c.in, text)
	return text[:n], err
}

// skip reads an element of an array.
func (c *client) skip() error {
	line, err := c.in.ReadSlice('\n')
	if err != nil || line[0] != '$' && line[0] != '*' {
		return err
	}
	array := line[0] == '*'
	n, err := strconv.Atoi(string(bytes.TrimRight(line[1:], "\r\n")))
	switch {
	case err != nil || n < 0:
		return err
	case !array:
		_, err = c.in.Discard(n + 2)
		return err
	}
	for ; n > 0 && err == nil; n-- {
		err = c.skip()
	}
	return err
}

func (c *client) number(args ...string) (int, error) {
	text, err := c.ask(args...)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

func (c *client) ask(args ...string) ([]byte, error) {
	c.send(args...)
	return c.reply()
}

func (c *client) do(args ...string) error {
	_, err := c.ask(args...)
	return err
}
