package resp

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"respkv/internal/config"
	"respkv/internal/persistence"
	"respkv/store"
)

func init() { handle(map[string]Handler{"debug": debugCommand}) }

// debugSubcommand is one of DEBUG, which is no container in the command table:
// an unknown sub-command and a wrong number of arguments are the same error.
type debugSubcommand struct {
	name   string // lower case
	syntax string // its arguments, for HELP
	help   string
	args   int // after the name
	most   int // any number of them up to this; below args: just args
	run    func(c *Ctx, args [][]byte)
}

var debugSubcommands []debugSubcommand

func init() { // here, because HELP refers to the list
	debugSubcommands = []debugSubcommand{
		{"change-repl-id", "", "Names the stream to replicas anew: none of them can resume.", 0, 0, debugChangeReplID},
		{"digest", "", "Shows a hash of the whole data set.", 0, 0, debugDigest},
		{"digest-value", "<key> [<key> ...]", "Shows hashes of the values of keys.", 0, math.MaxInt, debugDigestValue},
		{"error", "<string>", "Replies with that error.", 1, 0, func(c *Ctx, args [][]byte) { c.W.Error(errorSafe(string(args[0]))) }},
		{"htstats", "<dbid>", "Describes the index of a database.", 1, 0, debugHTStats},
		{"htstats-key", "<key>", "Describes the table of a large hash, set or sorted set.", 1, 0, debugHTStatsKey},
		{"listpack", "<key>", "Writes to the log how a small packed value is kept.", 1, 0, debugPackedValue},
		{"log", "<message>", "Writes a message to the server's log.", 1, 0, debugLog},
		{"object", "<key>", "Shows how the value of a key is stored.", 1, 0, debugObject},
		{"pause-cron", "<0|1>", "Stops and starts background work: expiry, compaction, samples for INFO.", 1, 0, debugPauseCron},
		{"populate", "<count> [<prefix>] [<size>]", "Adds string keys <prefix>:<number>, without those that exist.", 1, 3, debugPopulate},
		{"protocol", "<type>", "Replies with a value of that type of the protocol.", 1, 0, debugProtocol},
		{"quicklist", "<key> [<0|1>]", "Writes to the log how a list is kept.", 1, 2, debugQuicklist},
		{"quicklist-packed-threshold", "<size>", "Sets from which size on elements that come to lists have nodes of their own: to 4gb, 0 for the default, 1gb.", 1, 0, debugPackedThreshold},
		{"reload", "[MERGE] [NOFLUSH] [NOSAVE]", "Saves the data set, empties it and loads it again.", 0, math.MaxInt, debugReload},
		{"replybuffer", "<PEAK-RESET-TIME|RESIZING> <value>", "Sets after how many milliseconds the peak of replies is forgotten, never or as usual (reset).", 2, 0, debugReplyBuffer},
		{"set-active-expire", "<0|1>", "Stops and starts the removal of expired keys that nobody reads.", 1, 0, debugSetActiveExpire},
		{"set-disable-deny-scripts", "<0|1>", "Lets scripts call DEBUG.", 1, 0, debugDenyScripts},
		{"sleep", "<seconds>", "Stops all commands on keys for that long; decimals are allowed.", 1, 0, debugSleep},
		{"stringmatch-test", "", "Runs random patterns through the matcher of patterns.", 0, 0, debugStringMatchTest},
		{"structsize", "", "Shows the sizes of the main structures.", 0, 0, debugStructSize},
		{"help", "", "Lists the sub-commands of DEBUG.", 0, 0, debugHelp},
	}
}

func debugCommand(c *Ctx) {
	if !c.d.debugAllowed(c.Client) {
		c.W.Error(errDebugDisabled)
		return
	}
	args := c.Args[2:]
	for i := range debugSubcommands {
		s := &debugSubcommands[i]
		if isWord(c.Args[1], s.name) && (len(args) == s.args || len(args) > s.args && len(args) <= s.most) {
			s.run(c, args)
			return
		}
	}
	if reason, known := refusedDebug[strings.ToLower(string(c.Args[1]))]; known {
		c.W.Error(errDebugRefused(string(c.Args[1]), reason))
		return
	}
	c.W.Error(errSubcommandArgs("DEBUG", c.Args[1]))
}

func (d *Dispatcher) debugAllowed(client *Client) bool {
	switch d.config.Config().Server.EnableDebugCommand {
	case config.AccessYes:
		return true
	case config.AccessLocal:
		return client.Has(FlagUnixSocket) || isLoopback(client.Addr())
	}
	return false
}

// isLoopback looks at an address as CLIENT LIST prints it.
func isLoopback(addr string) bool {
	return strings.HasPrefix(addr, "127.0.0.1:") || strings.HasPrefix(addr, "[::1]:")
}

func debugHelp(c *Ctx, _ [][]byte) {
	c.W.Array(1 + 2*len(debugSubcommands))
	c.W.Simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, s := range debugSubcommands {
		c.W.Simple(strings.TrimSpace(strings.ToUpper(s.name) + " " + s.syntax))
		c.W.Simple("    " + s.help)
	}
}

func debugLog(c *Ctx, args [][]byte) {
	c.d.log.Warn("DEBUG LOG", "message", string(args[0]))
	c.W.OK()
}

func debugSetActiveExpire(c *Ctx, args [][]byte) {
	// As C's atoi: what is no number is 0.
	n, _ := parseLong(args[0])
	c.d.cron.noExpire.Store(n == 0)
	c.W.OK()
}

// debugDenyScripts lifts the refusal of one command, for tests of scripts. In Redis it
// lifts all.
func debugDenyScripts(c *Ctx, args [][]byte) {
	n, _ := parseLong(args[0])
	c.d.scripts.debug.Store(n != 0)
	c.W.OK()
}

// debugSleep holds all shards, so that whoever wants a key waits, as for a
// server that hangs.
func debugSleep(c *Ctx, args [][]byte) {
	seconds, _ := strconv.ParseFloat(string(args[0]), 64) // as C's strtod: what is no number is 0
	if seconds > 0 {
		d := time.Duration(min(seconds, math.MaxInt64/2/1e9) * 1e9)
		if !c.Tx.AllLocked {
			if !c.lockAll() {
				return
			}
			defer c.unlockAll()
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		<-timer.C
	}
	c.W.OK()
}

func debugDigest(c *Ctx, _ [][]byte) {
	digest := c.d.store.Digest(c.Tx.AllLocked)
	c.W.Simple(hex.EncodeToString(digest[:]))
}

func debugDigestValue(c *Ctx, args [][]byte) {
	c.W.Array(len(args))
	for _, name := range args {
		var digest [20]byte
		c.withKey(name, func(k store.Key) { digest = c.Tx.DigestValue(k) })
		c.W.Simple(hex.EncodeToString(digest[:]))
	}
}

// withKey calls fn under the lock of a key's shard. The key may be of any slot:
// DEBUG looks at what is here. Nothing is removed, expired or not.
func (c *Ctx) withKey(name []byte, fn func(k store.Key)) {
	k := store.MakeKey(name)
	c.Tx.KeepExpired = true
	if !c.Tx.AllLocked {
		c.d.store.LockShard(k.Shard())
		defer c.d.store.UnlockShard(k.Shard())
	}
	fn(k)
}

func debugObject(c *Ctx, args [][]byte) {
	var o store.ObjectInfo
	var found bool
	var size int
	c.withKey(args[0], func(k store.Key) {
		c.Tx.IgnoreDeadlines = true // as in Redis: it shows what is there
		if o, found = c.Tx.ObjectInfo(k); found {
			v, _ := c.Tx.Value(k)
			size = persistence.Size(&v, c.d.config.Config().Persistence.RDBCompression)
		}
		c.Tx.IgnoreDeadlines = false
	})
	if !found {
		c.W.Error(errNoSuchKey)
		return
	}
	// Records have no address: they move.
	c.W.Simple(fmt.Sprintf("Value at:0x0 refcount:%d encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d",
		o.Refcount, o.Encoding, size, o.Access, o.IdleSeconds) + c.describeList(&o))
}

// debugProtocol replies as Redis does, for the tests of client libraries.
func debugProtocol(c *Ctx, args [][]byte) {
	w := c.W
	switch strings.ToLower(string(args[0])) {
	case "string":
		w.BulkString("Hello World")
	case "integer":
		w.Int(12345)
	case "double":
		w.Double(3.141)
	case "bignum":
		w.BigNumber("1234567999999999999999999999999999999")
	case "null":
		w.Null()
	case "array":
		w.Array(3)
		c.ints(3)
	case "set":
		w.Set(3)
		c.ints(3)
	case "map":
		w.Map(3)
		for i := range 3 {
			w.Int(int64(i))
			w.Bool(i == 1)
		}
	case "attrib":
		if w.Attribute(1) {
			w.BulkString("key-popularity")
			w.Array(2)
			w.BulkString("key:123")
			w.Int(90)
		}
		w.BulkString("Some real reply following the attribute")
	case "push":
		if !w.RESP3() {
			w.Error(errResp3Only)
			return
		}
		w.Push(2)
		w.BulkString("server-cpu-usage")
		w.Int(42)
		w.BulkString("Some real reply following the push reply")
	case "true":
		w.Bool(true)
	case "false":
		w.Bool(false)
	case "verbatim":
		w.Verbatim("txt", "This is a verbatim\nstring")
	default:
		w.Error(errProtocolType)
	}
}

func (c *Ctx) ints(n int) {
	for i := range n {
		c.W.Int(int64(i))
	}
}
