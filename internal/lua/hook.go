package lua

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// hook looks at a script from time to time. gopher-lua asks its context before
// each instruction whether it is done; so the hook is that context, and counts.
type hook struct {
	vm      *VM
	left    int // instructions until the next look
	stopped string
	closed  chan struct{}

	kill  atomic.Bool // set by Kill, from any goroutine
	start time.Time
	limit time.Duration // 0: none
	busy  bool          // the limit has passed, and was told

	base    uint64 // bytes on the heap when this run was first looked at; 0: it was not
	pending int    // bytes of strings made since
	swept   uint64 // heap after the last collection that we asked for
}

const (
	lookEvery   = 1024    // instructions: some 20 µs
	lookAtBytes = 1 << 20 // of strings made
)

// begin prepares for a run.
func (h *hook) begin(limit time.Duration) {
	h.left, h.stopped, h.busy = lookEvery, "", false
	h.base, h.pending, h.swept = 0, 0, 0
	h.limit = limit
	h.start = time.Time{}
	h.kill.Store(false)
}

// Done implements context.Context: it is called before each instruction.
func (h *hook) Done() <-chan struct{} {
	if h.left--; h.left > 0 {
		return nil
	}
	return h.look()
}

// Err implements context.Context. What it says is never shown: see VM.thrown.
func (h *hook) Err() error { return errStopped }

// Deadline implements context.Context.
func (h *hook) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (h *hook) Value(any) any { return nil }

// stop ends the script, with a message, at its next instruction and at each one
// after that: it can't catch this.
func (h *hook) stop(message string) {
	if h.stopped == "" {
		h.stopped = message
	}
	h.left = 0
}

func (h *hook) look() <-chan struct{} {
	if h.stopped == "" {
		h.inspect()
	}
	if h.stopped != "" {
		h.left = 0
		return h.closed
	}
	return nil
}

// inspect looks at time, memory and the wish to kill.
func (h *hook) inspect() {
	h.left = lookEvery
	now := time.Now()
	if h.start.IsZero() {
		h.start = now // so short scripts read no clock
	}
	if h.vm.run == nil { // a library is loaded: there is nobody to tell
		if now.Sub(h.start) > h.limit && h.limit > 0 {
			h.stop(errLoadTime)
			return
		}
		h.measure()
		return
	}
	if h.kill.Load() {
		h.stop(h.vm.run.killedText())
		return
	}
	if !h.busy && h.limit > 0 && now.Sub(h.start) > h.limit {
		h.busy = true
		if text := h.vm.run.overtime(); text != "" {
			h.stop(text)
			return
		}
	}
	h.measure()
}

// work counts n steps of a library function as instructions, and ends the script
// from within it.
func (vm *VM) work(n int) {
	h := &vm.hook
	if h.left -= n; h.left <= 0 {
		if h.look() != nil {
			panic(vm.stopError())
		}
	}
}

// alloc counts a string of n bytes before it is made.
func (vm *VM) alloc(n int) {
	h := &vm.hook
	if limit := vm.engine.memoryLimit(); n > limit {
		h.stop(errMemory)
		panic(vm.stopError())
	}
	if h.pending += n; h.pending > lookAtBytes {
		h.measure()
		if h.stopped != "" {
			panic(vm.stopError())
		}
	}
}

// measure stops the script when the heap has grown too much since the script was
// first looked at. It is the growth of the process: what scripts that run at the
// same time take counts together.
func (h *hook) measure() {
	h.pending = 0
	heap := heapBytes()
	if h.base == 0 {
		h.base = max(heap, 1)
		h.swept = heap
		return
	}
	limit := uint64(h.vm.engine.memoryLimit())
	if heap < h.base+limit || heap < h.swept+limit/2 {
		return
	}
	// Much of it may be garbage.
	runtime.GC()
	h.swept = heapBytes()
	if h.swept > h.base+limit {
		h.stop(errMemory)
	}
}

func heapBytes() uint64 {
	sample := [1]metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}
