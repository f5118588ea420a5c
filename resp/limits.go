package resp

import (
	"fmt"
	"time"

	"respkv/resp/proto"
)

// ClientClass selects the output buffer limit of a client.
type ClientClass int

// The classes of client-output-buffer-limit.
const (
	ClassNormal ClientClass = iota
	ClassReplica
	ClassPubSub
	classes
)

// OutputLimit bounds the replies queued for a client that does not read them
// (client-output-buffer-limit). 0 is no limit.
type OutputLimit struct {
	HardBytes   int64         // past it the client is closed at once
	SoftBytes   int64         // past it for SoftSeconds the client is closed
	SoftSeconds time.Duration // whole seconds
}

// Limits are the settings of the network layer that may change while the
// server runs. Their Redis names stand beside them.
type Limits struct {
	MaxClients  int           // maxclients
	Timeout     time.Duration // timeout: idle clients are closed; 0: never
	KeepAlive   time.Duration // tcp-keepalive; 0: off. For new connections
	MaxBulk     int           // proto-max-bulk-len, bytes
	QueryBuffer int           // client-query-buffer-limit, bytes
	Output      [classes]OutputLimit
	// ClientMemory bounds what all clients take together (maxmemory-clients), in
	// bytes; 0: no limit.
	ClientMemory int64
	// ProtectedMode refuses clients from other hosts while the default user
	// has no password (protected-mode).
	ProtectedMode bool
}

// minQueryBuffer and minBulk are Redis's lower bounds.
const (
	minQueryBuffer = 1 << 20
	minBulk        = 1 << 20
)

// DefaultLimits are Redis's defaults.
func DefaultLimits() Limits {
	return Limits{
		MaxClients:  10000,
		KeepAlive:   300 * time.Second,
		MaxBulk:     proto.DefaultMaxBulk,
		QueryBuffer: 1 << 30,
		Output: [classes]OutputLimit{
			ClassReplica: {HardBytes: 256 << 20, SoftBytes: 64 << 20, SoftSeconds: 60 * time.Second},
			ClassPubSub:  {HardBytes: 32 << 20, SoftBytes: 8 << 20, SoftSeconds: 60 * time.Second},
		},
		ProtectedMode: true,
	}
}

// Validate names the first setting that is out of range.
func (l *Limits) Validate() error {
	switch {
	case l.MaxClients < 1:
		return fmt.Errorf("resp: maxclients %d: must be at least 1", l.MaxClients)
	case l.Timeout < 0:
		return fmt.Errorf("resp: timeout %v: must not be negative", l.Timeout)
	case l.KeepAlive < 0:
		return fmt.Errorf("resp: tcp-keepalive %v: must not be negative", l.KeepAlive)
	case l.MaxBulk < minBulk:
		return fmt.Errorf("resp: proto-max-bulk-len %d: must be at least %d", l.MaxBulk, minBulk)
	case l.QueryBuffer < minQueryBuffer:
		return fmt.Errorf("resp: client-query-buffer-limit %d: must be at least %d", l.QueryBuffer, minQueryBuffer)
	}
	for class, o := range l.Output {
		if o.HardBytes < 0 || o.SoftBytes < 0 || o.SoftSeconds < 0 {
			return fmt.Errorf("resp: client-output-buffer-limit of class %d: must not be negative", class)
		}
	}
	return nil
}
