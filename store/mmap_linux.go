package store

import "golang.org/x/sys/unix"

// mapMemory reserves size bytes of zeroed private memory.
func mapMemory(size int, hugePages bool) ([]byte, error) {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	advice := unix.MADV_NOHUGEPAGE
	if hugePages {
		advice = unix.MADV_HUGEPAGE
	}
	// Kernels without huge pages refuse; nothing depends on it.
	_ = unix.Madvise(mem, advice)
	return mem, nil
}

func unmapMemory(mem []byte) error { return unix.Munmap(mem) }

// releaseMemory gives the pages of mem back; it stays mapped.
func releaseMemory(mem []byte) error { return unix.Madvise(mem, unix.MADV_DONTNEED) }
