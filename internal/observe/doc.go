// Package observe shows a node over HTTP: metrics for Prometheus, health for
// supervisors, and one page that shows the whole cluster. It only reads. It
// knows nothing of how the numbers come about: internal/node hands them in.
package observe

import (
	"context"
	"time"

	"respkv/cluster"
	"respkv/cluster/slotmap"
	"respkv/replication"
	"respkv/resp"
)

// Source is the node that is shown. Safe for concurrent use.
type Source interface {
	Statistics() resp.Statistics
	// Cluster is this node's view of its cluster; nil for a standalone node.
	Cluster() *View
	// Fetch asks another member for its report (Observer.Report there).
	Fetch(ctx context.Context, id slotmap.NodeID) ([]byte, error)
	// Ready says why the node does not serve; nil when it does.
	Ready() error
	// Certificate is the end of the certificate in use; false without TLS.
	Certificate() (notAfter time.Time, ok bool)
	// PProf says whether profiles may be taken, at the moment.
	PProf() bool
}

// View is what a clustered node knows.
type View struct {
	Info           cluster.Info
	Raft           cluster.RaftStatus
	Recent         []cluster.RecentEvent // the oldest first
	Events         map[cluster.EventKind]uint64
	PublishDropped uint64

	Log         replication.LogStats
	Source      replication.SourceStats
	Replicas    []replication.ReplicaInfo // nodes that replicate from this one
	Links       []replication.LinkInfo    // nodes that this one replicates from
	LostEffects uint64
}

// age is how old an answer may be before it is made anew: whoever asks more
// often, or together with others, costs the node nothing more.
const age = 250 * time.Millisecond
