package resp

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"respkv/internal/acl"
	"respkv/resp/proto"
)

// Flags are properties of a client that other goroutines may read: CLIENT
// LIST, the idle timeout, the output limits.
type Flags uint32

// Flags of a client, in the order and with the letters of CLIENT LIST.
const (
	FlagReplica         Flags = 1 << iota // S: the client is a replica
	FlagMonitor                           // O
	FlagMaster                            // M: the client is our primary
	FlagPubSub                            // P: subscribed to something
	FlagMulti                             // x: between MULTI and EXEC
	FlagBlocked                           // b: parked; set by Park
	FlagTracking                          // t
	FlagTrackingBroken                    // R: the client it redirects to is gone
	FlagTrackingBcast                     // B
	FlagDirtyCAS                          // d: a watched key was changed
	FlagCloseAfterReply                   // c
	FlagUnblocked                         // u
	FlagCloseASAP                         // A
	FlagUnixSocket                        // U
	FlagReadOnly                          // r: READONLY was sent
	FlagNoEvict                           // e
	FlagNoTouch                           // T
	FlagAsking                            // not printed, as those below: the next command only
	FlagTrackingOptIn
	FlagTrackingOptOut
	FlagTrackingNoLoop
	FlagTrackingCaching // CLIENT CACHING: the next command or transaction only
)

// ReplyMode is the state of CLIENT REPLY.
type ReplyMode uint8

// The modes of CLIENT REPLY. CLIENT REPLY SKIP sets ReplySkipNext; the
// dispatcher moves that to ReplySkip for the next command and to ReplyOn
// after it.
const (
	ReplyOn ReplyMode = iota
	ReplyOff
	ReplySkipNext
	ReplySkip
)

// Client is one connection. Exported fields belong to the connection's
// goroutine: the executor may use them within Connected, Batch and
// Disconnected. Methods may be called from any goroutine unless they say
// "own goroutine".
type Client struct {
	// ID is unique for the life of the process, ascending in the order of
	// accepting. Created is when that happened. Neither changes.
	ID      uint64
	Created time.Time

	// W takes the replies of the batch being executed.
	W proto.Writer
	// Session is whatever the executor keeps per client.
	Session any
	// Reply is the state of CLIENT REPLY; the executor acts on it.
	Reply ReplyMode

	server *Server
	conn   net.Conn
	raw    syscall.RawConn // nil: no non-blocking writes on this connection
	fd     int             // for CLIENT LIST only
	addr   string
	laddr  string

	in   input
	out  output
	park parking

	// mark is the length of W before the current command.
	mark int
	// stop makes Interrupted true: something happened that ends the batch.
	stop bool
	// ending is set once the connection takes no more commands: close after
	// reply, protocol error, end of input.
	ending bool

	// wakeMu orders the deadlines that wake and end the connection.
	wakeMu sync.Mutex
	state  atomic.Int32 // stateOpen...
	recent atomic.Bool  // on the server's list for a second look

	flags         atomic.Uint32
	db            atomic.Int32
	proto         atomic.Int32
	user          atomic.Pointer[acl.Account]
	authenticated atomic.Bool
	lastActive    atomic.Int64 // Unix milliseconds
	command       atomic.Pointer[string]
	info          clientInfo
}

// The state of a connection only rises.
const (
	stateOpen     = iota
	stateDraining // the batch being executed is the last; its replies are sent
	stateKilled   // nothing more is executed or sent
)

// Addr is the peer's address as CLIENT LIST prints it.
func (c *Client) Addr() string { return c.addr }

// LocalAddr is the address the peer connected to.
func (c *Client) LocalAddr() string { return c.laddr }

// Server is the server that accepted the connection.
func (c *Client) Server() *Server { return c.server }

// DB is the selected database.
func (c *Client) DB() int { return int(c.db.Load()) }

// SetDB selects a database. Own goroutine.
func (c *Client) SetDB(n int) { c.db.Store(int32(n)) }

// Proto is the protocol version, 2 or 3.
func (c *Client) Proto() int { return int(c.proto.Load()) }

// SetProto selects RESP2 or RESP3 from the next reply on. Own goroutine.
func (c *Client) SetProto(version int) {
	c.proto.Store(int32(version))
	c.W.SetVersion(version)
}

// Authenticated reports whether the client may run commands; until then the
// protocol limits of unauthenticated clients apply to it.
func (c *Client) Authenticated() bool { return c.authenticated.Load() }

// SetUser sets the user and whether the client is authenticated as that. It
// ends the batch when the latter changes, because commands that follow must
// be parsed by other limits. Own goroutine.
func (c *Client) SetUser(user *acl.Account, authenticated bool) {
	c.user.Store(user)
	if c.authenticated.Swap(authenticated) != authenticated {
		c.stop = true
	}
}

// Flags returns all flags.
func (c *Client) Flags() Flags { return Flags(c.flags.Load()) }

// Has reports whether any of the flags is set.
func (c *Client) Has(f Flags) bool { return c.Flags()&f != 0 }

// SetFlag sets or clears flags.
func (c *Client) SetFlag(f Flags, on bool) {
	if on {
		c.flags.Or(uint32(f))
	} else {
		c.flags.And(^uint32(f))
	}
}

// Class is the kind of client. One in MONITOR counts as normal, as in Redis.
func (c *Client) Class() ClientClass {
	f := c.Flags()
	switch {
	case f&FlagReplica != 0 && f&FlagMonitor == 0:
		return ClassReplica
	case f&FlagPubSub != 0:
		return ClassPubSub
	}
	return ClassNormal
}

// SetCommand notes the command about to run, by its full name ("get",
// "client|list"), for CLIENT LIST; what *name points to must not change. The
// reply begins here: should the command panic, what it wrote is taken back.
// Own goroutine.
func (c *Client) SetCommand(name *string) {
	c.command.Store(name)
	c.mark = c.W.Len()
}

// Interrupted reports that Batch must return after the current command: the
// client is parked or about to be closed, its limits changed, or its replies
// should be sent before more are produced. Own goroutine.
func (c *Client) Interrupted() bool {
	return c.stop || c.W.Len() >= flushBytes || c.state.Load() != stateOpen
}

// CloseAfterReply ends the connection once the replies written so far are
// sent. Own goroutine.
func (c *Client) CloseAfterReply() {
	c.SetFlag(FlagCloseAfterReply, true)
	c.ending, c.stop = true, true
}

// Close ends the connection: no further command is executed, replies not sent
// yet are dropped. It does not wait for a command that is being executed.
func (c *Client) Close() { c.raise(stateKilled) }

// raise moves the connection towards its end and wakes its goroutine.
func (c *Client) raise(state int32) {
	c.wakeMu.Lock()
	defer c.wakeMu.Unlock()
	if c.state.Load() >= state {
		return
	}
	c.state.Store(state)
	if state == stateKilled {
		c.SetFlag(FlagCloseASAP, true)
		// A deadline, not Close: closing waits for the connection's goroutine,
		// which may be waiting for the caller's locks, or be the caller.
		c.conn.SetDeadline(past)
		return
	}
	c.conn.SetReadDeadline(past)
}

// past is a deadline that has passed: it interrupts waiting at once.
var past = time.Unix(1, 0)

// wake makes the connection's goroutine look at its state and its socket.
func (c *Client) wake() {
	c.wakeMu.Lock()
	c.conn.SetReadDeadline(past)
	c.wakeMu.Unlock()
}

// rearm makes waiting for input possible again after wake. False: the
// connection is at its end.
func (c *Client) rearm() bool {
	c.wakeMu.Lock()
	defer c.wakeMu.Unlock()
	if c.state.Load() != stateOpen {
		return false
	}
	return c.conn.SetReadDeadline(time.Time{}) == nil
}
