package resp

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"respkv/internal/threads"
)

// rawSupported: connections with a socket of their own are driven from within
// the poller's callback.
const rawSupported = true

// longTurn is how many reads in a row make a turn long: others wait for it, if
// there is one thread.
const longTurn = 16

// serveRaw drives the connection within one callback of its RawConn: on each
// wake it reads, executes and writes directly on the descriptor, and holds no
// buffer while it waits. net.Conn's read path costs 1.3 times the CPU and a
// multiple of the tail latency (docs/architecture.md).
//
// It leaves the callback only to end, or when a deadline wakes it.
func (c *Client) serveRaw() {
	onReadable := func(fd uintptr) bool { return !c.pump(int(fd)) }
	for {
		err := c.raw.Read(onReadable)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !c.rearm() {
			return
		}
	}
}

// pump handles one wake: input that waited for the client to be resumed, then
// what the socket holds. It returns whether to wait for more.
//
// After a short read the socket is empty and it returns without the read that
// would say so: the poller is edge-triggered and reports what comes later. It
// does not report again what came together with the bytes read, though: the
// end of input, if the peer sent it at once. Therefore the server's clock
// gives connections that fall silent a second look (Server.lookAgain), and a
// parked connection reads until the socket is empty.
func (c *Client) pump(fd int) (wait bool) {
	b := getBuffers()
	defer func() { putBuffers(b, c) }()
	c.borrow(b)
	if c.in.held() && !c.process(b, fd) {
		return false
	}
	for turns := 1; ; turns++ {
		if turns%longTurn == 0 {
			threads.Stalled()
		}
		if c.state.Load() != stateOpen {
			return false
		}
		room := c.room(b)
		if room == nil {
			return false
		}
		n, errno := readNow(fd, room)
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.EAGAIN {
			return true
		}
		if errno != 0 || n <= 0 {
			return false
		}
		c.received(n)
		if !c.process(b, fd) {
			return false
		}
		if n < len(room) && !c.Parked() {
			return true
		}
	}
}

// awaitInput waits for bytes on a descriptor, and reads them. n is 0 without an error if
// none came in time.
func awaitInput(fd int, b []byte, timeout time.Duration) (n int, err error) {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(poll, int(timeout.Milliseconds())); err != nil && err != unix.EINTR {
		return 0, err
	}
	n, errno := readNow(fd, b)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0, nil
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// readNow and writeNow are read and write on a descriptor that does not block.
// They do not tell the scheduler of the system call, as package unix does: that
// prepares for a call that lasts, and costs about as much as the dispatch of a
// command. b is not empty.
func readNow(fd int, b []byte) (n int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(r), errno
}

func writeNow(fd int, b []byte) (n int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(r), errno
}

// writeFD writes without blocking: n bytes were taken; ok is false when the
// connection is broken.
func writeFD(fd int, b []byte) (n int, ok bool) {
	for n < len(b) {
		m, errno := writeNow(fd, b[n:])
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.EAGAIN {
			return n, true
		}
		if errno != 0 {
			return n, false
		}
		n += m
	}
	return n, true
}

// setBacklog changes the accept queue of a listening socket: listening again
// does, and net chooses the system's maximum by itself.
func setBacklog(ln net.Listener, n int) error {
	sc, ok := ln.(syscall.Conn)
	if n <= 0 || !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), n) }); cerr != nil {
		return cerr
	}
	return err
}
