package node

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"respkv/cluster/slotmap"
	"respkv/internal/observe"
	"respkv/resp"
)

// observed shows this node to package observe. It implements observe.Source.
type observed struct{ n *Node }

// Statistics implements observe.Source.
func (s observed) Statistics() resp.Statistics { return s.n.dispatcher.Statistics() }

// Cluster implements observe.Source.
func (s observed) Cluster() *observe.View {
	n := s.n
	if n.member == nil {
		return nil
	}
	return &observe.View{
		Info: n.Cluster().Info(), Raft: n.Cluster().Raft(), Recent: n.Cluster().RecentEvents(), Events: n.Cluster().EventCounts(),
		PublishDropped: n.Cluster().PublishDropped(),
		Log:            n.repl.Stats(), Source: n.source.Load().Stats(), Replicas: n.source.Load().Replicas(), Links: n.plane.linkInfos(),
		LostEffects: n.plane.lost.total(),
	}
}

// Fetch implements observe.Source.
func (s observed) Fetch(ctx context.Context, id slotmap.NodeID) ([]byte, error) {
	return s.n.Cluster().FetchStatus(ctx, id)
}

// Certificate implements observe.Source.
func (s observed) Certificate() (time.Time, bool) {
	if s.n.certs == nil {
		return time.Time{}, false
	}
	return s.n.certs.NotAfter(), true
}

// PProf implements observe.Source.
func (s observed) PProf() bool { return s.n.live.Config().Metrics.PProf }

// Reasons of Ready.
var (
	errNotOpen   = errors.New("the node is starting or stopping")
	errForming   = errors.New("the cluster has not formed yet")
	errNoMember  = errors.New("the node is not a member of the cluster yet")
	errNoLease   = errors.New("the node has no lease: its controller does not answer, or there is none")
	errNotServed = errors.New("a slot has no primary, and cluster.require_full_coverage is on")
)

// Ready implements observe.Source: whether clients should be sent here.
func (s observed) Ready() error {
	n := s.n
	if !n.accepting.Load() {
		return errNotOpen
	}
	if n.member == nil {
		return nil
	}
	if err := n.Cluster().Err(); err != nil {
		return err
	}
	switch m := n.Cluster().Map(); {
	case !m.Formed():
		return errForming
	case m.Node(n.Cluster().ID()) == nil:
		return errNoMember
	case !n.Cluster().Serving():
		return errNoLease
	case !n.Cluster().Info().OK:
		return errNotServed
	}
	return nil
}

// startObserver opens the HTTP side, where one is asked for. In a cluster the
// node answers the pages of other nodes in any case.
func (n *Node) startObserver() error {
	cfg := n.live.Config()
	n.observer = observe.New(observed{n}, net.JoinHostPort(bindHost(cfg.Server.Bind), strconv.Itoa(cfg.ClientPort())), n.log)
	if n.member != nil {
		n.Cluster().HandleStatus(n.observer.Report)
	}
	if cfg.Metrics.Listen == "" {
		return nil
	}
	return n.observer.Listen(cfg.Metrics.Listen)
}
