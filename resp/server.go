package resp

import (
	"context"
	"net"
)

// Server accepts connections and runs their commands through an Executor.
type Server struct{}

// NewServer returns a server that does not listen yet.
func NewServer(cfg ServerConfig, exec Executor) (*Server, error) { return &Server{}, nil }

// Start opens the configured listeners and accepts in the background.
func (s *Server) Start() error { return nil }

// Serve adds a listener of the caller's.
func (s *Server) Serve(ln net.Listener) {}

// Shutdown stops accepting, lets running batches finish, closes all clients.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Clients is the registry: ID order, find, kill.
func (s *Server) Clients() *Clients { return nil }

// Limits and SetLimits: what CONFIG SET may change while running.
func (s *Server) Limits() Limits                 { return Limits{} }
func (s *Server) SetLimits(change func(*Limits)) {}

// ServerConfig is fixed at start.
type ServerConfig struct {
	Bind           []string
	Port           int
	UnixSocket     string
	UnixSocketPerm uint32
	Limits         Limits
}

// Limits can change while the server runs.
type Limits struct {
	MaxClients int
}

// Clients is the registry of connected clients. Safe for concurrent use.
type Clients struct{}

func (r *Clients) Len() int                                       { return 0 }
func (r *Clients) Find(id uint64) *Client                         { return nil }
func (r *Clients) All() []*Client                                 { return nil } // oldest first
func (r *Clients) Kill(match func(*Client) bool, not *Client) int { return 0 }
