package command

// Flags govern how a command is dispatched.
type Flags uint64

// The first block is shown by COMMAND under the names in flagNames; the second
// is for the server's own use.
const (
	Write                Flags = 1 << iota // may change the keyspace
	ReadOnly                               // reads keys and changes none
	DenyOOM                                // refused when memory is exhausted
	Admin                                  // administration
	PubSub                                 // publish/subscribe
	NoScript                               // not callable from scripts
	Blocking                               // may block the client
	Loading                                // allowed while the data set is loading
	Stale                                  // allowed on a replica without a link to its primary
	SkipMonitor                            // not shown by MONITOR
	SkipSlowlog                            // not recorded in the slow log
	Asking                                 // accepted for an importing slot without ASKING
	Fast                                   // O(1) or O(log N): never delays others
	NoAuth                                 // allowed before authentication
	NoMandatoryKeys                        // takes keys, but may be called without
	AllowBusy                              // allowed while a script runs too long
	NoAsyncLoading                         // refused during replication's background load
	NoMulti                                // not allowed inside MULTI
	MovableKeys                            // key positions depend on the arguments
	MayReplicate                           // replicates although it is not a Write
	TouchesArbitraryKeys                   // reads or changes keys that no argument names
	Protected                              // off unless enabled by configuration
	NoLock                                 // derived: touches no keys, so it runs without shard locks
)

var flagNames = [...]struct {
	flag Flags
	name string
}{
	{Write, "write"}, {ReadOnly, "readonly"}, {DenyOOM, "denyoom"},
	{Admin, "admin"}, {PubSub, "pubsub"}, {NoScript, "noscript"},
	{Blocking, "blocking"}, {Loading, "loading"}, {Stale, "stale"},
	{SkipMonitor, "skip_monitor"}, {SkipSlowlog, "skip_slowlog"},
	{Asking, "asking"}, {Fast, "fast"}, {NoAuth, "no_auth"},
	{NoMandatoryKeys, "no_mandatory_keys"}, {AllowBusy, "allow_busy"},
	{NoAsyncLoading, "no_async_loading"}, {NoMulti, "no_multi"},
	{MovableKeys, "movablekeys"},
}

// Names lists the flags that COMMAND shows.
func (f Flags) Names() []string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// Categories is a set of ACL categories.
type Categories uint32

// The ACL categories, in the order in which ACL CAT lists them.
const (
	CatKeyspace Categories = 1 << iota
	CatRead
	CatWrite
	CatSet
	CatSortedSet
	CatList
	CatHash
	CatString
	CatBitmap
	CatHyperLogLog
	CatGeo
	CatStream
	CatPubSub
	CatAdmin
	CatFast
	CatSlow
	CatBlocking
	CatDangerous
	CatConnection
	CatTransaction
	CatScripting
)

var categoryNames = [...]string{
	"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string",
	"bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow",
	"blocking", "dangerous", "connection", "transaction", "scripting",
}

// Names lists the categories without the leading "@".
func (c Categories) Names() []string {
	var names []string
	for i, n := range categoryNames {
		if c&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// AllCategories lists every category name in order, as ACL CAT does.
func AllCategories() []string { return categoryNames[:] }

// ParseCategory finds a category by name, without "@" and in any case. ok is
// false for an unknown name.
func ParseCategory(name []byte) (c Categories, ok bool) {
	for i, n := range categoryNames {
		if equalFold(name, n) {
			return 1 << i, true
		}
	}
	return 0, false
}

// impliedCategories are the categories that follow from the flags.
func impliedCategories(f Flags, explicit Categories) Categories {
	c := explicit
	if f&Write != 0 {
		c |= CatWrite
	}
	// A read-only script runner is no plain read: what it runs decides.
	if f&ReadOnly != 0 && explicit&CatScripting == 0 {
		c |= CatRead
	}
	if f&Admin != 0 {
		c |= CatAdmin | CatDangerous
	}
	if f&PubSub != 0 {
		c |= CatPubSub
	}
	if f&Blocking != 0 {
		c |= CatBlocking
	}
	if f&Fast != 0 {
		c |= CatFast
	} else {
		c |= CatSlow
	}
	return c
}

// Group is the documentation group of a command.
type Group uint8

// The documentation groups.
const (
	GroupGeneric Group = iota + 1
	GroupString
	GroupList
	GroupSet
	GroupSortedSet
	GroupHash
	GroupPubSub
	GroupTransactions
	GroupConnection
	GroupServer
	GroupScripting
	GroupHyperLogLog
	GroupCluster
	GroupGeo
	GroupStream
	GroupBitmap
)

var groupNames = [...]string{
	"", "generic", "string", "list", "set", "sorted-set", "hash", "pubsub",
	"transactions", "connection", "server", "scripting", "hyperloglog",
	"cluster", "geo", "stream", "bitmap",
}

func (g Group) String() string {
	if int(g) < len(groupNames) {
		return groupNames[g]
	}
	return ""
}

// DocFlags qualify a command's documentation.
type DocFlags uint8

// The documentation flags.
const (
	Deprecated    DocFlags = 1 << iota // replaced by something newer
	SystemCommand                      // for servers, not for users
)

// Names lists the flags as COMMAND DOCS shows them.
func (f DocFlags) Names() []string {
	var names []string
	if f&Deprecated != 0 {
		names = append(names, "deprecated")
	}
	if f&SystemCommand != 0 {
		names = append(names, "syscmd")
	}
	return names
}
