//go:build !amd64 && !arm64

package store

// prefetch does nothing here: a plain load would stall instead.
func prefetch(uintptr) {}
