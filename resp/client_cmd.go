package resp

import (
	"math"
	"time"

	"respkv/internal/acl"
)

func init() {
	handle(map[string]Handler{
		"client|id":       clientID,
		"client|getname":  clientGetName,
		"client|setname":  clientSetName,
		"client|setinfo":  clientSetInfo,
		"client|list":     clientList,
		"client|info":     clientInfoLine,
		"client|kill":     clientKill,
		"client|no-evict": clientNoEvict,
		"client|no-touch": clientNoTouch,
		"client|reply":    clientReply,
		"client|pause":    clientPause,
		"client|unpause":  clientUnpause,
		"client|unblock":  clientUnblock,
		"client|help":     containerHelp,
	})
}

// containerHelp is the HELP of every command with sub-commands.
func containerHelp(c *Ctx) { c.Cmd.Parent.ReplyHelp(c.W) }

func clientID(c *Ctx) { c.W.Int(int64(c.Client.ID)) }

func clientGetName(c *Ctx) {
	if name := c.Client.Name(); name != "" {
		c.W.BulkString(name)
	} else {
		c.W.Null()
	}
}

func clientSetName(c *Ctx) {
	if !plainText(c.Args[2]) {
		c.W.Error(errClientName)
		return
	}
	c.Client.SetName(string(c.Args[2]))
	c.W.OK()
}

// plainText accepts what can stand in a line of CLIENT LIST: printable ASCII
// without blanks. Empty is fine: it takes the name away.
func plainText(s []byte) bool {
	for _, b := range s {
		if b < '!' || b > '~' {
			return false
		}
	}
	return true
}

func clientSetInfo(c *Ctx) {
	attr, value := c.Args[2], c.Args[3]
	set := c.Client.SetLibName
	switch {
	case isWord(attr, "lib-name"):
	case isWord(attr, "lib-ver"):
		set = c.Client.SetLibVersion
	default:
		c.W.Error(errUnknownOption(attr))
		return
	}
	if !plainText(value) {
		c.W.Error(errAttribute(attr))
		return
	}
	set(string(value))
	c.W.OK()
}

func clientNoEvict(c *Ctx) { c.switchFlag(FlagNoEvict) }

func clientNoTouch(c *Ctx) { c.switchFlag(FlagNoTouch) }

func (c *Ctx) switchFlag(f Flags) {
	switch {
	case isWord(c.Args[2], "on"):
		c.Client.SetFlag(f, true)
	case isWord(c.Args[2], "off"):
		c.Client.SetFlag(f, false)
	default:
		c.W.Error(errSyntax)
		return
	}
	c.W.OK()
}

func clientReply(c *Ctx) {
	switch {
	case isWord(c.Args[2], "on"):
		c.Client.Reply = ReplyOn
		c.W.OK()
	case isWord(c.Args[2], "off"):
		c.Client.Reply = ReplyOff
	case isWord(c.Args[2], "skip"):
		if c.Client.Reply != ReplyOff {
			c.Client.Reply = ReplySkipNext
		}
	default:
		c.W.Error(errSyntax)
	}
}

func clientPause(c *Ctx) {
	mode := PauseAll
	if len(c.Args) > 4 {
		c.W.Error(errSyntax)
		return
	}
	if len(c.Args) == 4 {
		switch {
		case isWord(c.Args[3], "write"):
			mode = PauseWrite
		case isWord(c.Args[3], "all"):
		default:
			c.W.Error(errPauseMode)
			return
		}
	}
	timeout, ok := c.timeoutMillis(c.Args[2])
	if !ok {
		return
	}
	if timeout > 0 {
		c.d.server.Pause(mode, time.Now().Add(timeout))
	}
	c.W.OK()
}

func clientUnpause(c *Ctx) {
	c.d.server.Unpause()
	c.W.OK()
}

func clientUnblock(c *Ctx) {
	asError := false
	if len(c.Args) > 4 {
		c.W.Error(errSyntax)
		return
	}
	if len(c.Args) == 4 {
		switch {
		case isWord(c.Args[3], "timeout"):
		case isWord(c.Args[3], "error"):
			asError = true
		default:
			c.W.Error(errUnblockReason)
			return
		}
	}
	id, ok := parseLong(c.Args[2])
	if !ok {
		c.W.Error(errNotInteger)
		return
	}
	if c.d.unblock(uint64(id), asError) {
		c.W.Int(1)
	} else {
		c.W.Int(0)
	}
}

// clientType is the TYPE of CLIENT LIST and CLIENT KILL.
type clientType int

const (
	anyClient clientType = iota
	normalClient
	replicaClient
	pubsubClient
	masterClient
)

func parseClientType(arg []byte) (t clientType, ok bool) {
	switch {
	case isWord(arg, "normal"):
		return normalClient, true
	case isWord(arg, "slave"), isWord(arg, "replica"):
		return replicaClient, true
	case isWord(arg, "pubsub"):
		return pubsubClient, true
	case isWord(arg, "master"):
		return masterClient, true
	}
	return anyClient, false
}

// is says whether a client counts as t.
func (t clientType) is(client *Client) bool {
	if t == anyClient {
		return true
	}
	if client.Has(FlagMaster) {
		return t == masterClient
	}
	switch client.Class() {
	case ClassReplica:
		return t == replicaClient
	case ClassPubSub:
		return t == pubsubClient
	}
	return t == normalClient
}

func clientInfoLine(c *Ctx) {
	c.Client.noteInput()
	line := c.Client.AppendInfo(nil, time.Now())
	c.W.Verbatim("txt", string(append(line, '\n')))
}

func clientList(c *Ctx) {
	args, now := c.Args, time.Now()
	c.Client.noteInput()
	all := c.d.server.Clients()
	var lines []byte
	add := func(client *Client) {
		// One that is being closed is gone for others, as in Redis, where that
		// happens at once.
		if client.state.Load() != stateKilled {
			lines = append(client.AppendInfo(lines, now), '\n')
		}
	}
	switch {
	case len(args) == 2:
		for _, client := range all.All() {
			add(client)
		}
	case len(args) == 4 && isWord(args[2], "type"):
		t, ok := parseClientType(args[3])
		if !ok {
			c.W.Error(errClientType(args[3]))
			return
		}
		for _, client := range all.All() {
			if t.is(client) {
				add(client)
			}
		}
	case len(args) > 3 && isWord(args[2], "id"):
		for _, arg := range args[3:] {
			id, ok := parseLong(arg)
			if !ok {
				c.W.Error(errClientID)
				return
			}
			if client := all.Find(uint64(id)); client != nil {
				add(client)
			}
		}
	default:
		c.W.Error(errSyntax)
		return
	}
	c.W.Verbatim("txt", string(lines))
}

// killFilter chooses the clients of CLIENT KILL. Zero fields choose all.
type killFilter struct {
	id          uint64
	addr, laddr string
	kind        clientType
	user        *acl.Account
	minAge      time.Duration
	self        bool // the caller too
}

func (f *killFilter) match(client, caller *Client, now time.Time) bool {
	switch {
	case f.id != 0 && client.ID != f.id,
		f.addr != "" && client.Addr() != f.addr,
		f.laddr != "" && client.LocalAddr() != f.laddr,
		!f.kind.is(client),
		f.user != nil && client.user.Load() != f.user,
		f.minAge > 0 && now.Sub(client.Created) < f.minAge,
		client == caller && !f.self:
		return false
	}
	return true
}

// clientKill: CLIENT KILL addr:port, or CLIENT KILL with filters.
func clientKill(c *Ctx) {
	old := len(c.Args) == 3
	f := killFilter{addr: string(c.Args[2]), self: true}
	if !old {
		var problem string
		if f, problem = c.parseKillFilter(c.Args[2:]); problem != "" {
			c.W.Error(problem)
			return
		}
	}
	now := time.Now()
	killed := c.d.server.Clients().Kill(func(client *Client) bool {
		return f.match(client, c.Client, now)
	}, c.Client)
	switch {
	case !old:
		c.W.Int(int64(killed))
	case killed == 0:
		c.W.Error(errNoClient)
	default:
		c.W.OK()
	}
}

func (c *Ctx) parseKillFilter(args [][]byte) (f killFilter, problem string) {
	for ; len(args) > 0; args = args[2:] {
		if len(args) == 1 {
			return f, errSyntax
		}
		name, value := args[0], args[1]
		var ok bool
		switch {
		case isWord(name, "id"):
			id, isInt := parseLong(value)
			if !isInt || id < 1 {
				return f, errKillID
			}
			f.id = uint64(id)
		case isWord(name, "type"):
			if f.kind, ok = parseClientType(value); !ok {
				return f, errClientType(value)
			}
		case isWord(name, "addr"):
			f.addr = string(value)
		case isWord(name, "laddr"):
			f.laddr = string(value)
		case isWord(name, "user"):
			if f.user = c.d.users.Find(value); f.user == nil {
				return f, errNoUser(value)
			}
		case isWord(name, "maxage"):
			seconds, isInt := parseLong(value)
			if !isInt {
				return f, errKillAgeInt
			}
			if seconds <= 0 {
				return f, errKillAge
			}
			f.minAge = time.Duration(min(seconds, math.MaxInt64/int64(time.Second))) * time.Second
		case isWord(name, "skipme"):
			if f.self = isWord(value, "no"); !f.self && !isWord(value, "yes") {
				return f, errSyntax
			}
		default:
			return f, errSyntax
		}
	}
	return f, ""
}
