package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// Limits of what the cluster port takes in. All of them hold before anybody
// has proved anything.
const (
	// receiveBytes bounds the memory that frames being received, and what is
	// decoded from them, may take together.
	receiveBytes = 128 << 20
	// smallFrame is what a connection may receive without asking that account:
	// everyday messages pass while it is empty. Times the connections allowed
	// this is the other part of the limit.
	smallFrame = 16 << 10
	// jsonFactor is how much more memory decoded JSON takes than its text, at
	// most, for text that jsonBounded lets pass.
	jsonFactor = 8
	// maxElements bounds the values in one JSON text: the largest real one
	// names 17 nodes for each of 16384 slots.
	maxElements = 1 << 19
)

var (
	errFrame      = errors.New("frame over the limit")
	errNoMemory   = errors.New("too much is being received at the same time")
	errTooComplex = errors.New("too many values in one message")
)

// memory is an account of bytes. It takes no lock.
type memory struct{ left atomic.Int64 }

func newMemory(bytes int64) *memory {
	m := &memory{}
	m.left.Store(bytes)
	return m
}

func (m *memory) take(n int64) bool {
	if m.left.Add(-n) >= 0 {
		return true
	}
	m.left.Add(n)
	return false
}

func (m *memory) give(n int64) { m.left.Add(n) }

// frame is a received frame. free gives its memory back to the account.
type frame struct {
	data  []byte
	taken int64
	mem   *memory
}

func (f *frame) free() {
	f.mem.give(f.taken)
	f.taken = 0
}

// grow makes room for n more bytes, asking the account for weight times as many.
func (f *frame) grow(n int, weight int64) error {
	if len(f.data)+n > smallFrame {
		if !f.mem.take(int64(n) * weight) {
			return errNoMemory
		}
		f.taken += int64(n) * weight
	}
	f.data = append(f.data, make([]byte, n)...)
	return nil
}

// readFrame reads a length of 4 bytes and as many bytes, at most limit. Memory
// grows with what arrives, not with what is announced; weight is how many bytes
// the account is asked for each. begun is called once the length is there.
func readFrame(r io.Reader, limit uint32, mem *memory, weight int64, begun func()) (*frame, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > limit {
		return nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	begun()
	return readBytes(r, int64(n), mem, weight)
}

// readBytes reads n bytes in growing steps.
func readBytes(r io.Reader, n int64, mem *memory, weight int64) (*frame, error) {
	f := &frame{data: make([]byte, 0, min(n, 4<<10)), mem: mem}
	for int64(len(f.data)) < n {
		have := len(f.data)
		step := int(min(n-int64(have), max(int64(have), 4<<10)))
		err := f.grow(step, weight)
		if err == nil {
			_, err = io.ReadFull(r, f.data[have:])
		}
		if err != nil {
			f.free()
			return nil, err
		}
	}
	return f, nil
}

// jsonBounded refuses text whose decoded form could take much more memory than
// the text: a value costs a comma or a bracket.
func jsonBounded(data []byte) error {
	if n := bytes.Count(data, []byte{','}) + bytes.Count(data, []byte{'{'}) + bytes.Count(data, []byte{'['}); n > maxElements {
		return fmt.Errorf("%w: %d", errTooComplex, n)
	}
	return nil
}
