package resp

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"respkv/internal/acl"
)

// clientInfo is what is kept of a client for CLIENT LIST alone.
type clientInfo struct {
	mu                     sync.Mutex // guards the strings
	name, libName, libVer  string
	subs, patterns, shards atomic.Int32
	multi                  atomic.Int32 // queued commands + 1; 0: no transaction
	multiMem               atomic.Int64
	subsMem, watchMem      atomic.Int64 // subscriptions, watched keys
	prefixMem              atomic.Int64 // tracked prefixes
	redirect               atomic.Int64 // client ID + 1; 1: none; 0: no tracking
	queryBuffer, queryFree atomic.Int64
	replyPeak              atomic.Int64
}

func (i *clientInfo) set(field *string, value string) {
	i.mu.Lock()
	*field = value
	i.mu.Unlock()
}

func (i *clientInfo) get(field *string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return *field
}

// Name is what CLIENT SETNAME set.
func (c *Client) Name() string { return c.info.get(&c.info.name) }

// SetName sets the name; the caller has validated it.
func (c *Client) SetName(name string) { c.info.set(&c.info.name, name) }

// Lib returns name and version of the client library (CLIENT SETINFO).
func (c *Client) Lib() (name, version string) {
	return c.info.get(&c.info.libName), c.info.get(&c.info.libVer)
}

// SetLibName sets the name of the client library.
func (c *Client) SetLibName(name string) { c.info.set(&c.info.libName, name) }

// SetLibVersion sets the version of the client library.
func (c *Client) SetLibVersion(version string) { c.info.set(&c.info.libVer, version) }

// User is the name of the user that the client runs its commands as.
func (c *Client) User() string {
	if a := c.user.Load(); a != nil {
		return a.Name()
	}
	return acl.DefaultName // accepted a moment ago
}

// SetMulti notes the transaction being queued: number of commands, -1 for no
// transaction, and their size in bytes.
func (c *Client) SetMulti(queued int, memBytes int64) {
	c.info.multi.Store(int32(queued + 1))
	c.info.multiMem.Store(memBytes)
}

// SetSubs notes the numbers of channels, patterns and shard channels
// subscribed to.
func (c *Client) SetSubs(channels, patterns, shards int) {
	c.info.subs.Store(int32(channels))
	c.info.patterns.Store(int32(patterns))
	c.info.shards.Store(int32(shards))
	c.SetFlag(FlagPubSub, channels+patterns+shards > 0)
}

// SetRedirect notes the client that tracking messages are redirected to: 0 for
// none, -1 for no tracking.
func (c *Client) SetRedirect(id int64) { c.info.redirect.Store(id + 1) }

// Redirect is what SetRedirect noted.
func (c *Client) Redirect() int64 { return c.info.redirect.Load() - 1 }

// LastActive is when the client last sent something, as Unix milliseconds,
// exact to a tenth of a second.
func (c *Client) LastActive() int64 { return c.lastActive.Load() }

// LastCommand is the full name of the last command, "NULL" before the first.
func (c *Client) LastCommand() string {
	if name := c.command.Load(); name != nil {
		return *name
	}
	return "NULL"
}

// Memory is what the client occupies, in bytes: input, output, transaction.
func (c *Client) Memory() int64 {
	_, _, omem, _ := c.out.usage()
	return c.memory(omem)
}

func (c *Client) memory(omem int64) int64 {
	return int64(unsafe.Sizeof(*c)) + c.info.queryBuffer.Load() + c.info.queryFree.Load() +
		c.info.multiMem.Load() + c.info.watchMem.Load() + c.info.subsMem.Load() + c.info.prefixMem.Load() + omem
}

// flagLetters are in the order Redis prints them; a monitor is printed O
// although Redis also counts it among the replicas.
var flagLetters = []struct {
	flag   Flags
	letter byte
}{
	{FlagMonitor, 'O'}, {FlagReplica, 'S'}, {FlagMaster, 'M'}, {FlagPubSub, 'P'}, {FlagMulti, 'x'},
	{FlagBlocked, 'b'}, {FlagTracking, 't'}, {FlagTrackingBroken, 'R'}, {FlagTrackingBcast, 'B'},
	{FlagDirtyCAS, 'd'}, {FlagCloseAfterReply, 'c'}, {FlagUnblocked, 'u'}, {FlagCloseASAP, 'A'},
	{FlagUnixSocket, 'U'}, {FlagReadOnly, 'r'}, {FlagNoEvict, 'e'}, {FlagNoTouch, 'T'},
}

func appendFlags(dst []byte, f Flags) []byte {
	n := len(dst)
	if f&FlagMonitor != 0 {
		f &^= FlagReplica
	}
	for _, l := range flagLetters {
		if f&l.flag != 0 {
			dst = append(dst, l.letter)
		}
	}
	if len(dst) == n {
		dst = append(dst, 'N')
	}
	return dst
}

// AppendInfo appends the client's line of CLIENT LIST, without line break: the
// fields of redis-server 7.0.15 in its order, then lib-name and lib-ver as
// 7.2 prints them. Buffers that the server lends a connection while it works
// count as none: qbuf and rbs are what the client holds on to.
func (c *Client) AppendInfo(dst []byte, now time.Time) []byte {
	num := func(key string, n int64) {
		dst = append(dst, key...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	str := func(key, s string) {
		dst = append(dst, key...)
		dst = append(dst, s...)
	}
	i := &c.info
	flags := c.Flags()
	obl, oll, omem, writing := c.out.usage()
	events, redirect := "r", int64(-1)
	if writing {
		events = "rw"
	}
	if flags&FlagTracking != 0 {
		redirect = c.Redirect()
	}
	libName, libVersion := c.Lib()

	num("id=", int64(c.ID))
	str(" addr=", c.addr)
	str(" laddr=", c.laddr)
	num(" fd=", int64(c.fd))
	str(" name=", c.Name())
	num(" age=", max(0, int64(now.Sub(c.Created)/time.Second)))
	num(" idle=", max(0, (now.UnixMilli()-c.LastActive())/1000))
	str(" flags=", "")
	dst = appendFlags(dst, flags)
	num(" db=", int64(c.DB()))
	num(" sub=", int64(i.subs.Load()))
	num(" psub=", int64(i.patterns.Load()))
	num(" ssub=", int64(i.shards.Load()))
	num(" multi=", int64(i.multi.Load())-1)
	num(" qbuf=", i.queryBuffer.Load())
	num(" qbuf-free=", i.queryFree.Load())
	num(" argv-mem=", 0) // arguments lie in the query buffer
	num(" multi-mem=", i.multiMem.Load()+i.watchMem.Load())
	num(" rbs=", 0)
	num(" rbp=", i.replyPeak.Load())
	num(" obl=", obl)
	num(" oll=", oll)
	num(" omem=", omem)
	num(" tot-mem=", c.memory(omem))
	str(" events=", events)
	str(" cmd=", c.LastCommand())
	str(" user=", c.User())
	num(" redir=", redirect)
	num(" resp=", int64(c.Proto()))
	str(" lib-name=", libName)
	str(" lib-ver=", libVersion)
	return dst
}
