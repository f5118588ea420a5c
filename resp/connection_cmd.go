package resp

import (
	"respkv/internal/acl"
	"respkv/resp/proto"
)

// RedisVersion is the version of Redis whose behaviour this server follows, and
// the one it names to clients: they derive from it what they may use.
const RedisVersion = "7.0.15"

func init() {
	handle(map[string]Handler{
		"ping":  ping,
		"quit":  quit,
		"reset": reset,
		"hello": hello,
		"auth":  auth,
	})
}

func ping(c *Ctx) {
	switch {
	case len(c.Args) > 2:
		c.W.Error(errArity(c.Cmd.Name))
	case c.Client.Has(FlagPubSub) && !c.W.RESP3():
		// Such a client takes everything it reads for a message.
		c.W.Array(2)
		c.W.BulkString("pong")
		if len(c.Args) == 2 {
			c.W.Bulk(c.Args[1])
		} else {
			c.W.RawString(proto.ReplyEmptyBulk)
		}
	case len(c.Args) == 2:
		c.W.Bulk(c.Args[1])
	default:
		c.W.RawString(proto.ReplyPong)
	}
}

func quit(c *Ctx) {
	c.W.OK()
	c.Client.CloseAfterReply()
}

// reset makes the connection what it was when it was accepted.
func reset(c *Ctx) {
	client := c.Client
	if client.Has(FlagReplica | FlagMaster) {
		c.W.Error(errResetNormal)
		return
	}
	c.discard()
	c.d.leaveMonitor(client)
	c.d.unsubscribeAll(client, c.session())
	c.endTracking()
	client.SetFlag(FlagAsking|FlagReadOnly|FlagNoTouch|FlagNoEvict, false)
	if client.Reply != ReplySkip { // this reply is still to be skipped
		client.Reply = ReplyOn
	}
	client.SetName("")
	client.SetDB(0)
	c.turn(func() { client.SetProto(2) })
	c.d.asDefaultUser(client)
	c.W.Simple("RESET")
}

func hello(c *Ctx) {
	version := int64(0)
	if len(c.Args) > 1 {
		var ok bool
		if version, ok = parseLong(c.Args[1]); !ok {
			c.W.Error(errHelloVersion)
			return
		}
		if version != 2 && version != 3 {
			c.W.Error(errNoProto)
			return
		}
	}
	if !c.helloOptions() {
		return
	}
	if !c.Client.Authenticated() {
		c.W.Error(errHelloNoAuth)
		return
	}
	if version != 0 {
		c.turn(func() { c.Client.SetProto(int(version)) })
	}
	c.W.Map(7)
	c.W.BulkString("server")
	c.W.BulkString("redis")
	c.W.BulkString("version")
	c.W.BulkString(RedisVersion)
	c.W.BulkString("proto")
	c.W.Int(int64(c.W.Version()))
	c.W.BulkString("id")
	c.W.Int(int64(c.Client.ID))
	c.W.BulkString("mode")
	c.W.BulkString(c.d.mode())
	c.W.BulkString("role")
	if c.d.role().replica {
		c.W.BulkString("replica")
	} else {
		c.W.BulkString("master")
	}
	c.W.BulkString("modules")
	c.W.Array(0)
}

// helloOptions does what the arguments of HELLO after the protocol version ask for, one after
// the other: what stands before a mistake holds. False: it replied with the error.
func (c *Ctx) helloOptions() bool {
	for i := 2; i < len(c.Args); i++ {
		more := len(c.Args) - 1 - i
		switch option := c.Args[i]; {
		case isWord(option, "auth") && more >= 2:
			if !c.login(c.Args[i+1], c.Args[i+2]) {
				return false
			}
			i += 2
		case isWord(option, "setname") && more >= 1:
			if i++; !plainText(c.Args[i]) {
				c.W.Error(errClientName)
				return false
			}
			c.Client.SetName(string(c.Args[i]))
		default:
			c.W.Error(errHelloOption(option))
			return false
		}
	}
	return true
}

func auth(c *Ctx) {
	switch len(c.Args) {
	case 2:
		if c.d.users.Default().User().NoPassword {
			c.W.Error(errNoPassSet)
			return
		}
		if c.login([]byte(acl.DefaultName), c.Args[1]) {
			c.W.OK()
		}
	case 3:
		if c.login(c.Args[1], c.Args[2]) {
			c.W.OK()
		}
	default:
		c.W.Error(errSyntax)
	}
}

// mode is redis_mode of INFO and "mode" of HELLO.
func (d *Dispatcher) mode() string {
	if d.routing != nil {
		return "cluster"
	}
	return "standalone"
}
