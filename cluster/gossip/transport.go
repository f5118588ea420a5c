// Package gossip carries memberlist over the cluster port: packets over UDP,
// streams over the mux that shares the TCP port of the same number with the
// other protocols of a node.
package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"respkv/cluster/mux"
)

// maxPacket is the largest UDP payload there is.
const maxPacket = 65536

// Transport implements memberlist.NodeAwareTransport. Addresses are
// "host:port" of cluster ports.
type Transport struct {
	mux     *mux.Mux
	udp     *net.UDPConn
	log     *slog.Logger
	packets chan *memberlist.Packet
	streams chan net.Conn
	done    chan struct{}
	end     sync.Once
	reader  sync.WaitGroup

	sent, received           atomic.Uint64 // packets
	bytesSent, bytesReceived atomic.Uint64
}

// New opens UDP on the address that m listens on and takes m's gossip streams.
// Shutdown gives both back; m stays open.
func New(m *mux.Mux, log *slog.Logger) (*Transport, error) {
	tcp, ok := m.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("gossip: cluster port %v is not TCP", m.Addr())
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: tcp.IP, Port: tcp.Port, Zone: tcp.Zone})
	if err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	if log == nil {
		log = slog.Default()
	}
	t := &Transport{
		mux: m, udp: udp, log: log,
		packets: make(chan *memberlist.Packet),
		streams: make(chan net.Conn),
		done:    make(chan struct{}),
	}
	m.Handle(mux.Gossip, t.accept)
	t.reader.Add(1)
	go t.read()
	return t, nil
}

// accept hands a stream to memberlist.
func (t *Transport) accept(conn net.Conn) {
	select {
	case t.streams <- conn:
	case <-t.done:
		_ = conn.Close()
	}
}

// read hands packets to memberlist, which wants a buffer of its own for each.
func (t *Transport) read() {
	defer t.reader.Done()
	buf := make([]byte, maxPacket)
	for {
		n, from, err := t.udp.ReadFromUDP(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-t.done:
				return
			default:
			}
			// ICMP errors of earlier sends show here; they end nothing.
			t.log.Debug("gossip packet not read", "error", err)
			continue
		}
		if n == 0 {
			continue
		}
		t.received.Add(1)
		t.bytesReceived.Add(uint64(n))
		p := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: from, Timestamp: time.Now()}
		select {
		case t.packets <- p:
		case <-t.done:
			return
		}
	}
}

// FinalAdvertiseAddr implements memberlist.Transport. The node always says
// which address it announces.
func (t *Transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	addr := net.ParseIP(ip)
	if addr == nil {
		return nil, 0, fmt.Errorf("gossip: announced address %q is not an IP address", ip)
	}
	if port == 0 {
		port = t.udp.LocalAddr().(*net.UDPAddr).Port
	}
	return addr, port, nil
}

// WriteTo implements memberlist.Transport.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	_, err = t.udp.WriteToUDP(b, to)
	if err == nil {
		t.sent.Add(1)
		t.bytesSent.Add(uint64(len(b)))
	}
	return now, err
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (t *Transport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, addr.Addr)
}

// PacketCh implements memberlist.Transport.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// DialTimeout implements memberlist.Transport.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return t.mux.Dial(ctx, addr, mux.Gossip)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *Transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(addr.Addr, timeout)
}

// StreamCh implements memberlist.Transport.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// Counters returns packets and bytes sent and received since the start.
func (t *Transport) Counters() (sent, received, bytesSent, bytesReceived uint64) {
	return t.sent.Load(), t.received.Load(), t.bytesSent.Load(), t.bytesReceived.Load()
}

// Shutdown implements memberlist.Transport.
func (t *Transport) Shutdown() error {
	var err error
	t.end.Do(func() {
		t.mux.Handle(mux.Gossip, nil)
		close(t.done)
		err = t.udp.Close()
		t.reader.Wait()
	})
	return err
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)
