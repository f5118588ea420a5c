//go:build !linux

package resp

import "runtime"

// multiplexingAPI is what the Go runtime waits for sockets with.
const multiplexingAPI = "kqueue"

// residentSet, systemMemory: unknown on this system.
func residentSet() int64  { return 0 }
func systemMemory() int64 { return 0 }

func systemName() string { return runtime.GOOS + " " + runtime.GOARCH }
