package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// server is a running process of either kind.
type server struct {
	port int
	cmd  *exec.Cmd
	dir  string
	log  *os.File
}

func startServer(binary string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{port: l.Addr().(*net.TCPAddr).Port}
	_ = l.Close()
	if s.dir, err = os.MkdirTemp("", "respkv-bench-"); err != nil {
		return nil, err
	}
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		return nil, err
	}
	args := []string{"serve", "--server.port=" + strconv.Itoa(s.port), "--data_dir=" + filepath.Join(s.dir, "data")}
	if filepath.Base(binary) == "redis-server" {
		args = []string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir}
	}
	s.cmd = exec.Command(binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.remove()
		return nil, err
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if err = s.ping(); err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(s.log.Name())
			s.stop()
			return nil, fmt.Errorf("no answer after 10 s: %w\n%s", err, log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.remove()
}

func (s *server) remove() {
	_ = s.log.Close()
	_ = os.RemoveAll(s.dir)
}

func (s *server) dial() (net.Conn, error) {
	return net.DialTimeout("tcp", s.addr(), time.Second)
}

func (s *server) ping() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "+PONG\r\n" {
		err = fmt.Errorf("PING answered %q", line)
	}
	return err
}

// fill sets keys key:000000000000 and on, 16 bytes each, the names that
// redis-benchmark asks for, with values that do not repeat.
func (s *server) fill(keys, valueSize, expireSeconds int) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	sent := make(chan error, 1)
	go func() {
		out := bufio.NewWriterSize(c, 1<<16)
		value := make([]byte, valueSize)
		var random uint64 = 88172645463325252
		for i := range keys {
			for j := range value {
				random ^= random << 13 // xorshift: the same values in every run
				random ^= random >> 7
				random ^= random << 17
				value[j] = 'a' + byte(random%26)
			}
			if expireSeconds > 0 {
				ttl := strconv.Itoa(expireSeconds)
				fmt.Fprintf(out, "*5\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n$2\r\nEX\r\n$%d\r\n%s\r\n", i, valueSize, value, len(ttl), ttl)
			} else {
				fmt.Fprintf(out, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n", i, valueSize, value)
			}
		}
		sent <- out.Flush()
	}()
	in := bufio.NewReaderSize(c, 1<<16)
	for i := range keys {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if string(line) != "+OK\r\n" {
			return fmt.Errorf("SET of key %d answered %q", i, line)
		}
	}
	return <-sent
}

// cpuSeconds is user and system time of a process so far.
func cpuSeconds(pid int) (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command's name, in parentheses, may hold spaces: count from its end.
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("unexpected /proc/PID/stat")
	}
	user, err1 := strconv.ParseUint(fields[11], 10, 64)
	system, err2 := strconv.ParseUint(fields[12], 10, 64)
	return float64(user+system) / clockTicks, errors.Join(err1, err2)
}

// clockTicks is the kernel's USER_HZ, 100 on every Linux that Go runs on.
const clockTicks = 100

// residentBytes is the process's resident memory once it stays the same for a
// while: what a server frees in the background after a load is not its size.
func (s *server) residentBytes() (float64, error) {
	last := -1.0
	for range 20 {
		now, err := s.resident()
		if err != nil {
			return 0, err
		}
		if now == last {
			return now, nil
		}
		last = now
		time.Sleep(250 * time.Millisecond)
	}
	return last, nil
}

func (s *server) resident() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kilobytes * 1024, err
		}
	}
	return 0, errors.New("no VmRSS in /proc/PID/status")
}
