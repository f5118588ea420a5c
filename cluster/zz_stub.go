package cluster

import (
	"context"
	"errors"
	"net"

	"respkv/cluster/mux"
	"respkv/cluster/slotmap"
)

type Node struct{}

func New(Options) (*Node, error)                                 { return nil, errors.New("cluster mode is being built") }
func (*Node) Start() error                                       { return nil }
func (*Node) Boot() uint64                                       { return 0 }
func (*Node) ID() slotmap.NodeID                                 { return "" }
func (*Node) Map() *slotmap.Map                                  { return nil }
func (*Node) Route(uint16, bool, bool, bool) Decision            { return Decision{} }
func (*Node) Admit(uint16, bool) Admission                       { return Admission{} }
func (*Node) Serving() bool                                      { return false }
func (*Node) Info() Info                                         { return Info{} }
func (*Node) Meet(context.Context, string, int) error            { return nil }
func (*Node) Forget(context.Context, slotmap.NodeID) error       { return nil }
func (*Node) Reset(context.Context, bool) error                  { return nil }
func (*Node) Failover(context.Context, FailoverMode) error       { return nil }
func (*Node) Leave(context.Context) error                        { return nil }
func (*Node) Shutdown(context.Context) error                     { return nil }
func (*Node) Close() error                                       { return nil }
func (*Node) HandleReplication(mux.Handler)                      {}
func (*Node) DialReplication(context.Context, slotmap.NodeID) (net.Conn, error) { return nil, nil }
func (*Node) LinkBroken(slotmap.NodeID)                          {}
