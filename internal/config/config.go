// Package config is the configuration of one node: what can be set, what the
// values mean, which are allowed, and which may change while the node runs.
//
// Every setting is declared once, in keys_*.go. Defaults, validation, the
// annotated config.yaml, docs/configuration.md, command line flags,
// environment variables and CONFIG GET/SET/REWRITE are all derived from that
// declaration; none of them names a setting by itself.
//
// The package reads no flags, no environment and no global state: cmd/respkv
// gathers the sources and hands their values in as text.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Config is the complete configuration of one node. A Config that has been
// handed out (by Load, Default or Live) is never modified again: readers may
// keep it and read it from any goroutine. Slices in it must not be written.
type Config struct {
	Server      Server
	TLS         TLS
	DataDir     string // data_dir: node identity, Raft state, saved data; relative to the working directory
	Store       Store
	Persistence Persistence
	Cluster     Cluster
	Replication Replication
	Metrics     Metrics
	Log         Log

	// File is the path of the configuration file that the values were read
	// from, the one CONFIG REWRITE writes; "" if there was none. Not a setting.
	File string
}

// Server holds the settings of the client side: listeners, connections, limits.
type Server struct {
	// Bind lists the addresses to listen on. "*" and "::*" mean every
	// interface; a leading "-" means: carry on when the address is not there.
	Bind                    []string
	Port                    int // TCP port; 0: no TCP listener
	UnixSocket              string
	UnixSocketPerm          os.FileMode   // permission bits; 0: as the umask leaves them
	MaxClients              int           // connections at once
	Timeout                 time.Duration // idle clients are closed after it; 0: never
	TCPKeepAlive            time.Duration // 0: off
	TCPBacklog              int
	ProtectedMode           bool
	RequirePass             string   // password of the default user; "": none
	Users                   []string // each a name and its rules, as in ACL LIST
	ACLFile                 string   // users are read from it; "": none
	ACLPubSubDefault        string   // resetchannels, allchannels
	ACLLogMaxLen            int
	RenameCommands          []string // each name=other, name= to disable it
	ProtoMaxBulkLen         int64    // bytes
	ClientQueryBufferLimit  int64    // bytes
	ClientOutputBufferLimit OutputLimits
	EnableDebugCommand      LocalAccess
	NotifyKeyspaceEvents    string        // letters, in the order of CONFIG GET; all classes are spelled out
	BusyReplyMillis         int           // how long a script runs before clients get BUSY; 0: never
	LuaMemoryLimit          int64         // bytes that scripts may take
	Hz                      int           // background rounds a second
	Threads                 int           // 0: by trial
	ShutdownTimeout         time.Duration // limit of the hand-over at SIGTERM; 0: no hand-over

	SlowlogLogSlowerThan           int // microseconds; -1: off
	SlowlogMaxLen                  int
	LatencyMonitorThreshold        int  // milliseconds; 0: off
	LatencyTracking                bool // distributions by command
	LatencyTrackingInfoPercentiles []float64
	TrackingTableMaxKeys           int   // keys remembered for client-side caching; 0: no limit
	MaxMemoryClients               int64 // bytes; negative: percent of maxmemory; use Config.MaxMemoryClients
}

// Store holds the settings of the keyspace.
type Store struct {
	Databases              int
	MaxMemory              int64 // bytes; 0: no limit
	HugePages              bool
	MaxMemoryPolicy        string // Redis's policy names
	MaxMemorySamples       int
	LFULogFactor           int
	LFUDecayTime           int // minutes
	ActiveExpireEffort     int // 1..10
	LazyFreeLazyEviction   bool
	LazyFreeLazyExpire     bool
	LazyFreeLazyServerDel  bool
	LazyFreeLazyUserDel    bool
	LazyFreeLazyUserFlush  bool
	HashMaxListpackEntries int
	HashMaxListpackValue   int64 // bytes
	SetMaxIntsetEntries    int
	HLLSparseMaxBytes      int64
	ZSetMaxListpackEntries int
	ZSetMaxListpackValue   int64 // bytes
	ListMaxListpackSize    int   // elements, or -1..-5: sizes
	ListCompressDepth      int   // nodes at each end that are not compressed
	StreamNodeMaxEntries   int   // 0: no limit
	StreamNodeMaxBytes     int64 // 0: no limit
}

// Persistence holds the settings of what is on disk.
type Persistence struct {
	Load                   string // file to load at start; "": none
	Save                   []SavePoint
	DBFilename             string // in DataDir
	RDBCompression         bool
	RDBChecksum            bool
	StopWritesOnSaveErrors bool
}

// SavePoint asks for a save once there were so many changes in that time.
type SavePoint struct {
	Seconds int64
	Changes int64
}

// Cluster holds the settings of membership, placement, failover and routing.
type Cluster struct {
	Enabled               bool
	ClusterPort           int      // 0: client port + 10000; use Config.ClusterPort
	Seeds                 []string // host:cluster-port
	Expect                int      // nodes that form a new cluster; 0: join only
	Replicas              int      // wanted replicas of every slot; -1: auto
	NodeTimeout           time.Duration
	ReturnTimeout         time.Duration
	MoveConcurrency       int
	MoveSlots             int
	MoveTimeout           time.Duration
	TrustRefused          bool
	Secret                string
	SecretAccept          string
	AnnounceIP            string
	AnnouncePort          int // 0: the client port
	AnnounceTLSPort       int // 0: the TLS port
	AnnounceClusterPort   int // 0: the cluster port
	AnnounceHostname      string
	PreferredEndpointType string // ip, hostname, unknown-endpoint
	Zone                  string
	Weight                int
	RequireFullCoverage   bool
	AllowReadsWhenDown    bool
	ReplicaMaxLag         time.Duration // 0: replicas always answer reads
	ReadsWithoutReadonly  bool
}

// Replication holds the settings of the replication log and of durability.
type Replication struct {
	LogSize           int64 // bytes of the ring
	BacklogTTLSeconds int   // 0: for ever

	// Of replicas of Redis's own protocol.
	PingReplicaSeconds       int
	ReplicaTimeout           time.Duration
	DisklessSync             bool
	DisklessSyncDelay        time.Duration
	DisklessSyncMaxReplicas  int // 0: no limit
	MinReplicasToWrite       int // 0: none
	MinReplicasMaxLagSeconds int

	// Of a standalone node that is a replica. Use PrimaryAddress.
	Primary                string
	PrimaryUser            string
	PrimaryPassword        string
	ReplicaReadOnly        bool
	ReplicaServeStaleData  bool
	ReplicaIgnoreMaxMemory bool
	ReplicaPriority        int
	ReplicaAnnounced       bool
	ReplicaAnnounceIP      string
	ReplicaAnnouncePort    int // 0: that of the node

	// Among nodes of a cluster.
	LinkTimeout time.Duration // a silent link is given up after it
	CopyRate    int64         // bytes a second for all full copies of this node together; 0: no limit
	MaxLag      time.Duration // loss budget in time; 0: off
	MaxLagBytes int64         // loss budget in bytes; 0: off
	Durability  Durability
	AckTimeout  time.Duration // with Durability: how long a write waits
}

// PrimaryAddress is whom a standalone node follows; "": nobody.
func (r *Replication) PrimaryAddress() (host string, port int) {
	host, port, _ = parsePrimary(r.Primary)
	return host, port
}

func parsePrimary(s string) (host string, port int, err error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return "", 0, nil
	}
	if len(words) != 2 {
		return "", 0, errors.New("not a host, a space and a port")
	}
	port, err = strconv.Atoi(words[1])
	if err != nil || port < 0 || port > 65535 {
		return "", 0, errors.New("Invalid master port")
	}
	return words[0], port, nil
}

// TLS holds the settings of encrypted connections.
type TLS struct {
	Port        int // for clients; 0: none
	CertFile    string
	KeyFile     string
	CACertFile  string
	CACertDir   string
	AuthClients string // yes, no, optional
	Protocols   string // use Versions
	Ciphers     string // use CipherSuites
	Cluster     bool   // among nodes
}

// Metrics holds the settings of the HTTP side: metrics, health, status page.
type Metrics struct {
	Listen string // host:port; empty: off
	PProf  bool
}

// Log holds the settings of the node's own log.
type Log struct {
	Level  slog.Level
	Format string // text, json
}

// LocalAccess says from where a guarded command may be called.
type LocalAccess string

// Values of LocalAccess.
const (
	AccessNo    LocalAccess = "no"
	AccessLocal LocalAccess = "local" // loopback and unix socket connections
	AccessYes   LocalAccess = "yes"
)

// Durability says when a write is answered.
type Durability struct {
	Mode     string // async, replicas, quorum
	Replicas int    // with Mode "replicas": how many replicas hold the write before the reply
}

// OutputLimit bounds what may wait in one client's output buffer.
type OutputLimit struct {
	Hard        int64         // bytes; above it the client is closed at once; 0: no limit
	Soft        int64         // bytes; above it for SoftSeconds the client is closed; 0: no limit
	SoftSeconds time.Duration // whole seconds
}

// OutputLimits are the output buffer limits by kind of client.
type OutputLimits struct {
	Normal, Replica, PubSub OutputLimit
}

// Default returns the configuration of a node that was told nothing: one
// standalone server on 127.0.0.1:6379.
func Default() *Config {
	c := new(Config)
	for _, k := range keys {
		if err := k.value(c).set(k.Default); err != nil {
			// A default that its own declaration refuses; TestDefaults fails first.
			panic(fmt.Sprintf("config: default of %s: %v", k.Name, err))
		}
	}
	return c
}

// ClientPort is the port that names this node: server.port, or tls.port where
// there is no other.
func (c *Config) ClientPort() int {
	if c.Server.Port != 0 {
		return c.Server.Port
	}
	return c.TLS.Port
}

// ClusterPort is the port of the cluster listener: cluster.port, or the
// client port + 10000.
func (c *Config) ClusterPort() int {
	if c.Cluster.ClusterPort != 0 {
		return c.Cluster.ClusterPort
	}
	return c.ClientPort() + 10000
}

// Clone returns a copy that shares no memory with c.
func (c *Config) Clone() *Config {
	d := *c
	d.Server.Bind = append([]string(nil), c.Server.Bind...)
	d.Server.Users = append([]string(nil), c.Server.Users...)
	d.Server.RenameCommands = append([]string(nil), c.Server.RenameCommands...)
	d.Cluster.Seeds = append([]string(nil), c.Cluster.Seeds...)
	d.Persistence.Save = append([]SavePoint(nil), c.Persistence.Save...)
	return &d
}

// Validate checks what no single value shows: the settings against each
// other. Every violation is reported, joined into one error.
func (c *Config) Validate() error {
	var errs []error
	bad := func(name, format string, args ...any) {
		errs = append(errs, &ValueError{Key: name, Value: Lookup(name).shown(c), Reason: fmt.Sprintf(format, args...)})
	}
	if c.ClientPort() == 0 && c.Server.UnixSocket == "" {
		bad("server.port", "a node needs a TCP port or server.unixsocket")
	}
	if c.Server.ACLFile != "" && len(c.Server.Users) > 0 {
		bad("server.aclfile", "users are either in this file or in server.users")
	}
	if name := c.Persistence.DBFilename; name == "" || name != filepath.Base(name) || name == "." || name == ".." {
		bad("persistence.dbfilename", "can't be a path, just a filename")
	}
	if _, _, err := parsePrimary(c.Replication.Primary); err != nil {
		bad("replication.primary", "%v", err)
	}
	if c.Cluster.Enabled {
		if c.Replication.LogSize < 1<<20 || c.Replication.LogSize > 64<<30 {
			bad("replication.log_size", "in a cluster 1mb to 64gb")
		}
		if c.Replication.Primary != "" {
			bad("replication.primary", "a cluster places replicas by itself (cluster.replicas)")
		}
		if c.Replication.MinReplicasToWrite > 0 {
			bad("replication.min_replicas_to_write", "in a cluster replication.durability and replication.max_lag_ms say what a write needs")
		}
		if c.Persistence.Load != "" && c.Persistence.Load != LoadAuto {
			bad("persistence.load", "a node of a cluster gets its data from the others: load the file into a standalone node, and move its keys with MIGRATE or redis-cli --cluster import")
		}
		switch {
		case c.ClientPort() == 0:
			bad("server.port", "cluster mode needs a TCP port")
		case c.ClusterPort() > 65535:
			bad("server.port", "the cluster port would be %d (client port + 10000): set cluster.port, or a client port up to 55535", c.ClusterPort())
		case c.ClusterPort() == c.Server.Port:
			bad("cluster.port", "must differ from server.port")
		}
		for _, seed := range c.Cluster.Seeds {
			if err := checkHostPort(seed); err != nil {
				bad("cluster.seeds", "%q: %v; want host:cluster-port", seed, err)
			}
		}
		if c.Cluster.AnnounceIP != "" && net.ParseIP(c.Cluster.AnnounceIP) == nil {
			bad("cluster.announce_ip", "must be an IP address; names belong in cluster.announce_hostname")
		}
		if c.Cluster.Expect > 0 && c.Cluster.Expect > 1 && len(c.Cluster.Seeds) == 0 {
			bad("cluster.expect", "more than one expected node needs cluster.seeds to find the others")
		}
	} else if len(c.Cluster.Seeds) > 0 {
		bad("cluster.seeds", "needs cluster.enabled: true")
	}
	c.validateTLS(bad)
	if c.Cluster.SecretAccept != "" && c.Cluster.Secret == "" {
		bad("cluster.secret_accept", "needs cluster.secret")
	}
	if c.Metrics.Listen != "" {
		if err := checkHostPort(c.Metrics.Listen); err != nil {
			bad("metrics.listen", "%v; want host:port", err)
		}
	}
	return joinErrors(errs)
}

func checkHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("not host:port")
	}
	if host == "" {
		return fmt.Errorf("no host")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("port %q is not 1 to 65535", port)
	}
	return nil
}

// absolute gives the path as CONFIG GET dir shows it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// ValueError is a value that a setting refuses, or a setting that does not exist.
type ValueError struct {
	Key     string // path name, as server.port
	Value   string // as given; masked for secrets
	Source  string // where it came from: a file, a flag, a variable; may be empty
	Allowed string // what would have been accepted
	Reason  string // used instead of Allowed where the value is well-formed
}

// Error implements error: key, value, allowed range, source.
func (e *ValueError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Key)
	if e.Reason != "" {
		fmt.Fprintf(&b, "%q: %s", e.Value, e.Reason)
	} else {
		fmt.Fprintf(&b, "%q is not allowed; want %s", e.Value, e.Allowed)
	}
	if e.Source != "" {
		fmt.Fprintf(&b, " (from %s)", e.Source)
	}
	return b.String()
}
