package store

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapMemory reserves size bytes of zeroed private memory, at a multiple of 2 MB
// if it has room for a huge page. The kernel uses none before adviseHuge.
func mapMemory(size int) ([]byte, error) {
	room := uintptr(size)
	if size >= hugeSize {
		room += hugeSize
	}
	start, err := unix.MmapPtr(-1, 0, nil, room, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	if size >= hugeSize {
		head := -uintptr(start) % hugeSize
		if head > 0 {
			_ = unix.MunmapPtr(start, head)
		}
		start = unsafe.Add(start, head)
		if tail := room - head - uintptr(size); tail > 0 {
			_ = unix.MunmapPtr(unsafe.Add(start, size), tail)
		}
	}
	mem := unsafe.Slice((*byte)(start), size)
	adviseHuge(mem, false)
	return mem, nil
}

// remapMemory is mapMemory with the contents of mem, which is gone, at the beginning: its
// pages move, without a copy. On error mem is as it was.
func remapMemory(mem []byte, size int) ([]byte, error) {
	room, err := mapMemory(size)
	if err != nil {
		return nil, err
	}
	old, to := unsafe.Pointer(unsafe.SliceData(mem)), unsafe.Pointer(unsafe.SliceData(room))
	if _, err := unix.MremapPtr(old, uintptr(len(mem)), to, uintptr(size), unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED); err != nil {
		// The kernel may have given room up already, and others may be there: it
		// is left, were it for nothing.
		return nil, err
	}
	return room, nil
}

func unmapMemory(mem []byte) error {
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
}

// releaseMemory gives the pages of mem back; it stays mapped.
func releaseMemory(mem []byte) error { return unix.Madvise(mem, unix.MADV_DONTNEED) }

// adviseHuge has the kernel use huge pages in mem, or no longer, for what comes
// there anew; in the first case it also replaces small pages, in its own time.
// Kernels without huge pages refuse; nothing depends on it.
func adviseHuge(mem []byte, huge bool) {
	advice := unix.MADV_NOHUGEPAGE
	if huge {
		advice = unix.MADV_HUGEPAGE
	}
	_ = unix.Madvise(mem, advice)
}

// populateMemory makes mem resident, if there is memory; what it holds stays. False: not
// before Linux 5.14.
func populateMemory(mem []byte) (able bool) {
	return unix.Madvise(mem, unix.MADV_POPULATE_WRITE) != unix.EINVAL
}

// hugeForbidden says whether the administrator has turned huge pages off.
func hugeForbidden() bool {
	enabled, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return err != nil || strings.Contains(string(enabled), "[never]")
}

// freeHuge is how much memory the system has free in pieces of 2 MB and more,
// without a search; see proc_buddyinfo(5).
func freeHuge() int64 {
	const order = 9 // of a page of 4 KB
	info, err := os.ReadFile("/proc/buddyinfo")
	if err != nil || os.Getpagesize() != hugeSize>>order {
		return 0
	}
	var free int64
	for line := range strings.Lines(string(info)) {
		// Node 0, zone   Normal   6   4   ...: a count for each order from 0.
		_, counts, _ := strings.Cut(line, "zone")
		for i, count := range strings.Fields(counts) {
			if i <= order {
				continue
			}
			if n, err := strconv.ParseInt(count, 10, 64); err == nil {
				free += n << (i - 1 - order)
			}
		}
	}
	return free * hugeSize
}
