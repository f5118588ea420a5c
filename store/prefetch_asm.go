//go:build amd64 || arm64

package store

// prefetch asks the processor to load the cache line at addr. It never faults,
// whatever addr is.
func prefetch(addr uintptr)
