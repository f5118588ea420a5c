// Package mux shares one TCP port between the protocols that cluster nodes
// speak to each other. The first byte of a connection names the protocol.
package mux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Protocol is the first byte of a connection. Append only.
type Protocol byte

// Protocols.
const (
	Gossip      Protocol = 'G' // memberlist streams (push/pull, fallback pings)
	Raft        Protocol = 'F' // hashicorp/raft RPC
	Replication Protocol = 'R' // replication links
	Control     Protocol = 'C' // control messages
	Publish     Protocol = 'P' // pub/sub messages
	Status      Protocol = 'S' // reports for the status page
)

// String names the protocol.
func (p Protocol) String() string {
	switch p {
	case Gossip:
		return "gossip"
	case Raft:
		return "raft"
	case Replication:
		return "replication"
	case Control:
		return "control"
	case Publish:
		return "publish"
	case Status:
		return "status"
	}
	return fmt.Sprintf("Protocol(%#x)", byte(p))
}

// Errors of Dial and of accepted connections.
var (
	ErrClosed    = errors.New("mux: closed")
	ErrHandshake = errors.New("mux: handshake refused")
	ErrAuth      = errors.New("mux: authentication failed")
)

// Config of a Mux.
type Config struct {
	// Secret, when not empty, is proved by both sides of each connection by a
	// challenge and an HMAC-SHA256 of it.
	Secret string
	// SecretAccept is another secret that a dialer may prove, while the secret
	// is being changed; empty: none.
	SecretAccept string
	// TLS, when set, is spoken on every connection.
	TLS *TLS
	// HandshakeTimeout bounds how long a stranger may hold a connection before
	// it has said what it wants and proved who it is. Default 3 s.
	HandshakeTimeout time.Duration
	// MaxPending is how many connections may be in handshake at a time. One more
	// ends the oldest of the host that has the most. Default 512.
	MaxPending int
	// MaxConns bounds accepted connections past the handshake; more are closed
	// at once. Default 4096.
	MaxConns int
	// MaxPerHost bounds those of one address, so that one host alone cannot use
	// all of them up. Default a quarter of MaxConns.
	MaxPerHost int
}

// TLS gives the configurations of the moment: certificates are renewed while
// nodes run. Each side must demand and verify the other's certificate.
type TLS struct {
	Accept, Dial func() *tls.Config
}

// Handler takes over an accepted connection after the handshake: deadlines are
// cleared, it must close the connection, and it runs on its own goroutine.
type Handler func(conn net.Conn)

// Dialer opens connections to the cluster port of other nodes.
type Dialer interface {
	// Dial connects to addr (host:port) and does the handshake for p. When ctx
	// has no deadline the handshake timeout applies.
	Dial(ctx context.Context, addr string, p Protocol) (net.Conn, error)
}
