package cluster

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/mux"
)

// Gossip is sealed here, not by memberlist, so that every message can be looked
// at before memberlist decodes it (gossipcheck.go). A packet is one sealed
// message. A stream carries one message each way: a length of 4 bytes (big
// endian) and the sealed message. Sealed is AES-256-GCM with a random nonce in
// front; what it is for is authenticated with it.

const (
	// maxGossipStreams is how many streams may be served at a time.
	maxGossipStreams = 64
	// indirectPings is how many indirect pings a second a socket takes: each costs a
	// timer and packets to others.
	indirectPings = 500
)

var (
	packetPurpose = []byte("packet")
	streamPurpose = []byte("stream")
)

// gossipTransport runs memberlist over the shared cluster port.
type gossipTransport struct {
	mux     *mux.Mux
	seals   atomic.Pointer[[]cipher.AEAD] // the first seals, all open
	host    string
	port    int
	mem     *memory
	log     *slog.Logger
	streams chan net.Conn
	serving chan struct{} // a token for each accepted stream
	packets chan *memberlist.Packet
	done    chan struct{}
}

// gossipReader reads the packets of one socket.
type gossipReader struct {
	*gossipTransport
	indirect      int       // taken in the present second
	indirectSince time.Time // when that began
}

func newGossipTransport(m *mux.Mux, secrets []string, host string, port int, mem *memory, log *slog.Logger) (*gossipTransport, error) {
	t := &gossipTransport{mux: m, host: host, port: port, mem: mem, log: log,
		streams: make(chan net.Conn), serving: make(chan struct{}, maxGossipStreams),
		packets: make(chan *memberlist.Packet), done: make(chan struct{})}
	if err := t.setSecrets(secrets); err != nil {
		return nil, err
	}
	m.Handle(mux.Gossip, t.accept)
	for _, socket := range m.UDP() {
		go (&gossipReader{gossipTransport: t}).readPackets(socket)
	}
	return t, nil
}

// setSecrets changes what messages are sealed with, the first, and what they
// are opened with, all.
func (t *gossipTransport) setSecrets(secrets []string) error {
	var seals []cipher.AEAD
	for _, secret := range secrets {
		block, err := aes.NewCipher(mux.Key(secret, "gossip"))
		if err != nil {
			return err
		}
		seal, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return err
		}
		seals = append(seals, seal)
	}
	t.seals.Store(&seals)
	return nil
}

// seal is what messages are sealed with now; all have the same overhead.
func (t *gossipTransport) seal() cipher.AEAD { return (*t.seals.Load())[0] }

// open opens a sealed message into new memory.
func (t *gossipTransport) open(data, purpose []byte) (plain []byte, err error) {
	for _, seal := range *t.seals.Load() {
		if plain, err = seal.Open(nil, nil, data, purpose); err == nil {
			return plain, nil
		}
	}
	return nil, err
}

func (t *gossipReader) readPackets(socket net.PacketConn) {
	buf := make([]byte, maxGossipPacket+5+t.seal().Overhead()+1)
	for {
		n, addr, err := socket.ReadFrom(buf)
		at := time.Now()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP answer to an earlier packet
		}
		plain, err := t.openPacket(buf[:n], at)
		if err != nil {
			t.log.Debug("gossip packet dropped", "from", addr, "error", err)
			continue
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: plain, From: addr, Timestamp: at}:
		case <-t.done:
			return
		}
	}
}

// openPacket returns the message in a packet, in memory of its own.
func (t *gossipReader) openPacket(data []byte, at time.Time) ([]byte, error) {
	plain, err := t.open(data, packetPurpose)
	if err != nil {
		return nil, err
	}
	indirect, err := checkGossipPacket(plain)
	if err != nil {
		return nil, err
	}
	if indirect > 0 {
		if at.Sub(t.indirectSince) >= time.Second {
			t.indirectSince, t.indirect = at, 0
		}
		if t.indirect += indirect; t.indirect > indirectPings {
			return nil, fmt.Errorf("%w: too many indirect pings", errGossip)
		}
	}
	return plain, nil
}

// FinalAdvertiseAddr resolves what this node announces.
func (t *gossipTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	ip, err := resolve(t.host)
	return ip, t.port, err
}

func resolve(host string) (net.IP, error) {
	if ip := net.ParseIP(host); ip != nil {
		return ip, nil
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return nil, fmt.Errorf("announced host: %w", err)
	}
	for _, ip := range ips {
		if ip.To4() != nil {
			return ip, nil
		}
	}
	return ips[0], nil
}

// WriteTo sends one message as a packet.
func (t *gossipTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return time.Time{}, err
	}
	err = t.mux.WriteTo(t.seal().Seal(nil, nil, b, packetPurpose), udp)
	return time.Now(), err
}

// PacketCh delivers packets that were checked.
func (t *gossipTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// DialTimeout opens a stream.
func (t *gossipTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := t.mux.Dial(ctx, addr, mux.Gossip)
	if err != nil {
		return nil, err
	}
	return &gossipStream{Conn: conn, transport: t, dialed: true}, nil
}

// StreamCh delivers the streams that others opened.
func (t *gossipTransport) StreamCh() <-chan net.Conn { return t.streams }

func (t *gossipTransport) accept(conn net.Conn) {
	select {
	case t.serving <- struct{}{}:
	default:
		_ = conn.Close()
		return
	}
	s := &gossipStream{Conn: conn, transport: t}
	select {
	case t.streams <- s:
		return
	case <-t.done:
	case <-t.mux.Done():
	}
	_ = s.Close()
}

// Shutdown ends the transport. The port belongs to the mux.
func (t *gossipTransport) Shutdown() error {
	t.mux.Handle(mux.Gossip, nil)
	close(t.done)
	return nil
}

// gossipStream is a stream as memberlist sees it: what it reads is one message
// that was opened and checked, what it writes at once is one message.
type gossipStream struct {
	net.Conn
	transport *gossipTransport
	dialed    bool
	frame     *frame // once the message is there; only the reading goroutine
	plain     []byte // of the message, what was not read yet
	closing   sync.Once
}

func (s *gossipStream) Read(b []byte) (int, error) {
	if s.frame == nil {
		if err := s.receive(); err != nil {
			s.transport.log.Debug("gossip stream dropped", "from", s.RemoteAddr(), "error", err)
			return 0, err
		}
	}
	if len(s.plain) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

// receive takes the message. Memory counts until the stream is closed, and for
// what memberlist makes of it too.
func (s *gossipStream) receive() error {
	f, err := readFrame(s.Conn, uint32(maxGossipStream+s.transport.seal().Overhead()), s.transport.mem, 5, func() {})
	if err != nil {
		return err
	}
	plain, err := s.transport.open(f.data, streamPurpose)
	if err == nil {
		err = checkGossipStream(plain, s.dialed)
	}
	if err != nil {
		f.free()
		return err
	}
	s.frame, s.plain = f, plain
	return nil
}

func (s *gossipStream) Write(b []byte) (int, error) {
	if len(b) > maxGossipStream {
		return 0, fmt.Errorf("%w: %d bytes", errFrame, len(b))
	}
	if err := writeFrame(s.Conn, s.transport.seal().Seal(nil, nil, b, streamPurpose)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close may be called again, by the goroutine that reads.
func (s *gossipStream) Close() error {
	s.closing.Do(func() {
		if s.frame != nil {
			s.frame.free()
		}
		if !s.dialed {
			<-s.transport.serving
		}
	})
	return s.Conn.Close()
}
