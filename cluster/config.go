package cluster

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"respkv/cluster/control"
	"respkv/cluster/mux"
)

// ErrConfig is wrapped by every error of Config.Validate.
var ErrConfig = errors.New("invalid cluster configuration")

// Announced is how clients reach a node. It may change while the node runs:
// see Options.
type Announced struct {
	// ClientPort and ClientTLSPort are the RESP ports as seen from outside.
	// At least one is set.
	ClientPort    int
	ClientTLSPort int
	// Hostname is cluster-announce-hostname: shown in CLUSTER SLOTS.
	Hostname string
}

// Config is what a node needs to know to take part in a cluster. Start from
// DefaultConfig. It is not changed after New.
type Config struct {
	// DataDir holds the node ID and the raft state. A fresh directory is a new
	// node. Created when missing.
	DataDir string

	// Bind and BindPort are where the cluster port listens, TCP and UDP. The
	// addresses are in the notation of server.bind. Port 0 takes a free one
	// (tests).
	Bind     []string
	BindPort int

	// AnnounceHost is the address other nodes and clients reach this node by;
	// empty: the first address bound that is not this machine's alone, for a
	// wildcard the one that leads to a seed, or the first of an interface.
	// AnnouncePort is the cluster port as seen from outside (NAT, containers);
	// 0: the port bound.
	AnnounceHost string
	AnnouncePort int
	// Announced is what clients are told of this node when it starts.
	Announced

	// Seeds are host:cluster-port of other nodes, of this node too if that is
	// convenient; none of them needs to be up yet. Names are looked up again
	// at each attempt.
	Seeds []string
	// Expect is how many nodes a new cluster waits for before it forms.
	// Range 1 to 1000. 0: never form; wait for a MEET or to be joined.
	Expect int
	// Replicas is the number of copies of each slot beside the primary. Range
	// 0 to 5, or control.AutoReplicas; clipped by the number of nodes. Taken from
	// the configuration of the node that forms the cluster.
	Replicas int
	// Zone is the failure domain. Copies of a slot are spread over zones.
	Zone string
	// Weight is this node's share of slots relative to the others. Range 0 to
	// 1000; 0 holds replicas only.
	Weight int

	// NodeTimeout is the one timing: how long a silent node is waited for. The
	// lease length equals it; gossip, raft and control timings are fractions
	// (see Timing). Raising it makes failover slower by the same amount and the
	// cluster calmer on overloaded machines. Range 200 ms to 1 min.
	NodeTimeout time.Duration
	// ReturnTimeout is how long a stopped or failed node is expected back
	// before its replicas are placed elsewhere. Range 0 to 24 h.
	ReturnTimeout time.Duration
	// MoveConcurrency is how many slot moves run at a time. Range 1 to 64.
	MoveConcurrency int
	// MoveSlots is the most slots that one move carries: more makes scaling
	// faster and the pause at its end longer. Range 1 to 16384.
	MoveSlots int
	// MoveTimeout is how long the copies for moves to one node may go without
	// progress before they are given up and planned anew. Range 1 s to 24 h.
	MoveTimeout time.Duration
	// TrustRefused lets a refused TCP connection at a node's address prove that
	// its process is gone, so that failover need not wait for its lease. Turn
	// off where firewalls refuse connections on behalf of live hosts.
	TrustRefused bool

	// Secret, when set, must be equal on all nodes: gossip is encrypted with a
	// key derived from it, and every connection to the cluster port proves
	// that it knows it.
	Secret string
	// SecretAccept is another secret that other nodes may use, while it is being
	// changed; empty: none.
	SecretAccept string
	// TLS, when set, encrypts every connection between nodes.
	TLS *mux.TLS

	// RequireFullCoverage is cluster-require-full-coverage: every slot answers
	// CLUSTERDOWN while one has no primary.
	RequireFullCoverage bool
	// AllowReadsWhenDown is cluster-allow-reads-when-down.
	AllowReadsWhenDown bool

	// ReplicaMaxLag is how far behind its primary a replica may be and still
	// answer READONLY clients. 0: no limit.
	ReplicaMaxLag time.Duration
}

// secrets are the secret and, if there is one, the other that is accepted.
func (c *Config) secrets() []string {
	if c.SecretAccept == "" {
		return []string{c.Secret}
	}
	return []string{c.Secret, c.SecretAccept}
}

// DefaultConfig returns the defaults of every setting that has one.
func DefaultConfig() Config {
	return Config{
		Bind:                []string{"127.0.0.1"},
		Expect:              1,
		Replicas:            1,
		Weight:              100,
		NodeTimeout:         time.Second,
		ReturnTimeout:       5 * time.Minute,
		MoveConcurrency:     2,
		MoveSlots:           1024,
		MoveTimeout:         10 * time.Minute,
		TrustRefused:        true,
		RequireFullCoverage: true,
	}
}

// Validate names the first setting out of its range. The error wraps ErrConfig.
func (c *Config) Validate() error {
	if c.DataDir == "" {
		return fmt.Errorf("%w: data_dir is empty", ErrConfig)
	}
	if c.ClientPort == 0 && c.ClientTLSPort == 0 {
		return fmt.Errorf("%w: no client port", ErrConfig)
	}
	ints := []struct {
		name          string
		value, lo, hi int
	}{
		{"cluster.port", c.BindPort, 0, 65535},
		{"cluster.announce_bus_port", c.AnnouncePort, 0, 65535},
		{"server.port", c.ClientPort, 0, 65535},
		{"server.tls_port", c.ClientTLSPort, 0, 65535},
		{"cluster.expect", c.Expect, 0, 1000},
		{"cluster.replicas", c.Replicas, control.AutoReplicas, 5},
		{"cluster.weight", c.Weight, 0, 1000},
		{"cluster.move_concurrency", c.MoveConcurrency, 1, 64},
		{"cluster.move_slots", c.MoveSlots, 1, 16384},
	}
	for _, f := range ints {
		if f.value < f.lo || f.value > f.hi {
			return fmt.Errorf("%w: %s is %d, allowed %d to %d", ErrConfig, f.name, f.value, f.lo, f.hi)
		}
	}
	durations := []struct {
		name          string
		value, lo, hi time.Duration
	}{
		{"cluster.node_timeout", c.NodeTimeout, 200 * time.Millisecond, time.Minute},
		{"cluster.return_timeout", c.ReturnTimeout, 0, 24 * time.Hour},
		{"cluster.move_timeout", c.MoveTimeout, time.Second, 24 * time.Hour},
		{"cluster.replica_max_lag", c.ReplicaMaxLag, 0, 24 * time.Hour},
	}
	for _, f := range durations {
		if f.value < f.lo || f.value > f.hi {
			return fmt.Errorf("%w: %s is %v, allowed %v to %v", ErrConfig, f.name, f.value, f.lo, f.hi)
		}
	}
	texts := []struct {
		name, value string
		limit       int
	}{
		{"cluster.announce_host", c.AnnounceHost, 255},
		{"cluster.announce_hostname", c.Hostname, 255},
		{"cluster.zone", c.Zone, 64},
	}
	for _, f := range texts {
		if len(f.value) > f.limit {
			return fmt.Errorf("%w: %s has %d bytes, allowed %d", ErrConfig, f.name, len(f.value), f.limit)
		}
	}
	for _, seed := range c.Seeds {
		host, port, err := net.SplitHostPort(seed)
		if err != nil || host == "" {
			return fmt.Errorf("%w: cluster.seeds: %q is not host:port", ErrConfig, seed)
		}
		if p, err := strconv.Atoi(port); err != nil || p < 1 || p > 65535 {
			return fmt.Errorf("%w: cluster.seeds: %q: port allowed 1 to 65535", ErrConfig, seed)
		}
	}
	return nil
}
