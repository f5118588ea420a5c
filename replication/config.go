package replication

import (
	"errors"
	"fmt"
	"time"
)

// Config holds the settings of log, sources and links of a node.
type Config struct {
	// LogBytes is the size of the ring of recent effects, all slots together.
	// A replica that is away for less than LogBytes of effects resumes with a
	// partial resync. Memory is only used as effects are written. Raising it
	// costs memory; lowering it makes full resyncs more likely. 1 MiB to 64 GiB.
	LogBytes int64
	// TapBytes is the size of the buffer of each of the 256 shards between
	// writers and ring, allocated at the shard's first effect. Raising it lets
	// the sweeper run less often. Power of two, 4 KiB to 1 MiB.
	TapBytes int
	// SweepInterval is how long effects may lie in the taps while writes keep
	// coming; an idle log is swept at once. 0 to 100 ms.
	SweepInterval time.Duration
	// Heartbeat is the interval of heartbeats and of acknowledgements that
	// nobody waits for. 10 ms to Timeout/2.
	Heartbeat time.Duration
	// Timeout ends a link on which nothing was heard, or nothing could be
	// written, for so long. Raising it delays the detection of silent
	// failures. 100 ms to 10 minutes.
	Timeout time.Duration
	// ReconnectMin and ReconnectMax bound the pause before a broken link is
	// opened again; it doubles from the one to the other, with jitter.
	ReconnectMin, ReconnectMax time.Duration
	// BatchBytes bounds the effects that go into one frame, and the memory a
	// link needs beyond its largest effect. 4 KiB to 1 MiB.
	BatchBytes int
	// CopyStepBytes is about how much of a slot is read under the shard lock
	// in one step of a full resync. Raising it speeds copies up and delays
	// writers of the shard. 1 KiB to 1 MiB.
	CopyStepBytes int
	// CopyBytesPerSecond limits all full resyncs of this node together. 0: no
	// limit.
	CopyBytesPerSecond int64
	// CopyParallel is how many links of this node may copy a slot at the same
	// time; each link copies one slot after the other. 1 to 1024.
	CopyParallel int
	// MaxMessageBytes bounds one message of the link protocol, that is, the
	// largest key with its value. 64 MiB to 64 GiB.
	MaxMessageBytes int64
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		LogBytes:        64 << 20,
		TapBytes:        32 << 10,
		SweepInterval:   time.Millisecond,
		Heartbeat:       100 * time.Millisecond,
		Timeout:         5 * time.Second,
		ReconnectMin:    20 * time.Millisecond,
		ReconnectMax:    time.Second,
		BatchBytes:      256 << 10,
		CopyStepBytes:   64 << 10,
		CopyParallel:    4,
		MaxMessageBytes: 4 << 30,
	}
}

// Validate returns an error that names every field outside its range.
func (c Config) Validate() error {
	var errs []error
	within := func(name string, value, low, high int64) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("%s: %d is outside %d..%d", name, value, low, high))
		}
	}
	duration := func(name string, value, low, high time.Duration) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("%s: %v is outside %v..%v", name, value, low, high))
		}
	}
	within("LogBytes", c.LogBytes, MinLogBytes, MaxLogBytes)
	within("TapBytes", int64(c.TapBytes), 4<<10, 1<<20)
	if c.TapBytes&(c.TapBytes-1) != 0 {
		errs = append(errs, fmt.Errorf("TapBytes: %d is not a power of two", c.TapBytes))
	}
	duration("SweepInterval", c.SweepInterval, 0, 100*time.Millisecond)
	duration("Timeout", c.Timeout, 100*time.Millisecond, 10*time.Minute)
	duration("Heartbeat", c.Heartbeat, 10*time.Millisecond, c.Timeout/2)
	duration("ReconnectMin", c.ReconnectMin, time.Millisecond, time.Minute)
	duration("ReconnectMax", c.ReconnectMax, c.ReconnectMin, 10*time.Minute)
	within("BatchBytes", int64(c.BatchBytes), 4<<10, maxFrameBytes)
	within("CopyStepBytes", int64(c.CopyStepBytes), 1<<10, maxFrameBytes)
	within("CopyBytesPerSecond", c.CopyBytesPerSecond, 0, 1<<50)
	within("CopyParallel", int64(c.CopyParallel), 1, 1024)
	within("MaxMessageBytes", c.MaxMessageBytes, 64<<20, 64<<30)
	return errors.Join(errs...)
}

const (
	// MinLogBytes and MaxLogBytes bound Config.LogBytes and Log.Resize.
	MinLogBytes = 1 << 20
	MaxLogBytes = 64 << 30

	maxFrameBytes = 1 << 20
)
