package resp

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"respkv/resp/proto"
)

// Flags are properties of a client that other goroutines may read: CLIENT
// LIST, the idle timeout, the output limits.
type Flags uint32

// Flags of a client. The letters are those of CLIENT LIST.
const (
	FlagReplica         Flags = 1 << iota // S: a replication link
	FlagMaster                            // M: the link to the primary
	FlagMonitor                           // O
	FlagPubSub                            // P: subscribed to something
	FlagMulti                             // x: between MULTI and EXEC
	FlagBlocked                           // b: waits in a blocking command; set by Park
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
	FlagAsking                            // next command only; not printed
)

// ReplyMode is the state of CLIENT REPLY.
type ReplyMode uint8

// The modes of CLIENT REPLY. After CLIENT REPLY SKIP the mode is
// ReplySkipNext; the dispatcher moves it to ReplySkip for the next command and
// to ReplyOn after that.
const (
	ReplyOn ReplyMode = iota
	ReplyOff
	ReplySkipNext
	ReplySkip
)

// Client is one connection. Fields without a word about other goroutines
// belong to the connection's goroutine: the executor may use them within
// Batch. Methods say which goroutine may call them.
type Client struct {
	// ID is unique for the life of the process and never changes.
	ID uint64
	// Created is when the connection was accepted.
	Created time.Time

	// W takes the replies of the batch being executed. Own goroutine only.
	W proto.Writer
	// Session belongs to the executor: whatever state it keeps per client
	// (transaction, subscriptions, watched keys).
	Session any

	// Reply is the state of CLIENT REPLY.
	Reply ReplyMode

	server *Server
	conn   net.Conn
	addr   string // as CLIENT LIST prints it
	laddr  string

	flags         atomic.Uint32
	db            atomic.Int32
	proto         atomic.Int32
	authenticated atomic.Bool

	mu      sync.Mutex // guards the strings below
	name    string
	libName string
	libVer  string
	user    string
}

// Executor runs commands. All calls for one client come from the goroutine of
// its connection, one at a time.
type Executor interface {
	// Connected is called before the first batch: it decides whether the
	// client starts authenticated, and as whom.
	Connected(c *Client)
	// Batch executes commands in order, appending replies to c.W, and returns
	// how many it consumed. It returns early, right after the command, when
	// c.Interrupted says so. A command that is not consumed is handed in again
	// later, with those after it: at once, or after Unpark when c is parked.
	// So a command that must wait (CLIENT PAUSE) parks the client and is not
	// consumed, a blocking command parks it and is.
	//
	// cmds and all it refers to is valid only until Batch returns.
	Batch(c *Client, cmds [][][]byte) int
	// Disconnected is called once after the last batch, parked or not.
	Disconnected(c *Client)
}

// ParkID names one period of being parked.
type ParkID uint64

// Park makes the connection stop after the current command. Own goroutine.
func (c *Client) Park() ParkID { return 0 }

// Claim wins the right to answer the parked client: true for one caller per
// ParkID. Any goroutine. The winner must call Resume.
func (c *Client) Claim(id ParkID) bool { return false }

// Resume sends reply, in wire format, and lets the connection go on. To be
// called by the winner of Claim, once. reply is copied. Any goroutine.
func (c *Client) Resume(reply []byte) {}

// Unpark is Claim and, when won, Resume.
func (c *Client) Unpark(id ParkID, reply []byte) bool { return false }

// Interrupted reports that Batch must return after the current command.
func (c *Client) Interrupted() bool { return false }

// Push sends a message of its own. Never blocks. b is copied. Any goroutine.
func (c *Client) Push(b []byte) {}

// Close ends the connection as soon as its goroutine can. Any goroutine.
func (c *Client) Close() {}

// CloseAfterReply ends the connection once the replies written so far are
// sent. Own goroutine.
func (c *Client) CloseAfterReply() {}

// Name and SetName: CLIENT SETNAME. Any goroutine.
func (c *Client) Name() string     { return c.name }
func (c *Client) SetName(s string) { c.name = s }

// SetLib sets library name and version (CLIENT SETINFO).
func (c *Client) SetLib(name, version string) {}

// User and SetUser: the authenticated user, "default" at first.
func (c *Client) User() string                                { return c.user }
func (c *Client) SetUser(name string, authenticated bool)     {}
func (c *Client) Authenticated() bool                         { return c.authenticated.Load() }
func (c *Client) DB() int                                     { return int(c.db.Load()) }
func (c *Client) SetDB(n int)                                 { c.db.Store(int32(n)) }
func (c *Client) Proto() int                                  { return int(c.proto.Load()) }
func (c *Client) SetProto(version int)                        {}
func (c *Client) Flags() Flags                                { return Flags(c.flags.Load()) }
func (c *Client) Has(f Flags) bool                            { return c.Flags()&f != 0 }
func (c *Client) SetFlag(f Flags, on bool)                    {}
func (c *Client) Addr() string                                { return c.addr }
func (c *Client) LocalAddr() string                           { return c.laddr }
func (c *Client) Server() *Server                             { return c.server }
func (c *Client) Command(name string)                         {} // last command, for CLIENT LIST ("client|list"); name must be a constant
func (c *Client) SetMulti(queued int, memBytes int)           {} // -1: no transaction
func (c *Client) SetSubs(channels, patterns, shards int)      {}
func (c *Client) SetRedirect(id int64)                        {}
func (c *Client) AppendInfo(dst []byte, now time.Time) []byte { return dst } // the CLIENT LIST line without line break
