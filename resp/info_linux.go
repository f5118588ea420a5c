package resp

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// multiplexingAPI is what the Go runtime waits for sockets with.
const multiplexingAPI = "epoll"

// residentSet is the resident memory of this process in bytes, 0 when unknown.
// Source: proc(5), statm.
func residentSet() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// systemMemory is the memory of the machine in bytes, 0 when unknown.
func systemMemory() int64 {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// systemName is "system release machine", as uname tells.
func systemName() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return "Linux"
	}
	return utsField(u.Sysname[:]) + " " + utsField(u.Release[:]) + " " + utsField(u.Machine[:])
}

// utsField reads a C string whose characters are signed or not, depending on
// the machine.
func utsField[C int8 | uint8](chars []C) string {
	var b strings.Builder
	for _, c := range chars {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}
