//go:build !linux

package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// mapMemory reserves size bytes of zeroed private memory.
func mapMemory(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// remapMemory is for Linux only.
func remapMemory([]byte, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapMemory(mem []byte) error { return unix.Munmap(mem) }

// releaseMemory gives the pages of mem back; it stays mapped.
func releaseMemory(mem []byte) error { return unix.Madvise(mem, unix.MADV_DONTNEED) }

func adviseHuge([]byte, bool) {}

func hugeForbidden() bool { return true }

func freeHuge() int64 { return 0 }

func populateMemory([]byte) (able bool) { return false }
