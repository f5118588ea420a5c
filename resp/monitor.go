package resp

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/quote"
	"respkv/resp/command"
)

// monitors are the clients in MONITOR. While there are none a command pays one
// atomic load.
type monitors struct {
	list atomic.Pointer[[]*Client] // nil: none

	// mu orders the lines: all monitors see the same, and those of one key come
	// as its commands ran, since its shard is locked. It guards line.
	mu   sync.Mutex
	line []byte
}

func (m *monitors) used() bool { return m.list.Load() != nil }

func (m *monitors) add(client *Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var next []*Client
	if old := m.list.Load(); old != nil {
		next = slices.Clone(*old)
	}
	next = append(next, client)
	m.list.Store(&next)
}

func (m *monitors) remove(client *Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.list.Load()
	if old == nil {
		return
	}
	next := slices.DeleteFunc(slices.Clone(*old), func(c *Client) bool { return c == client })
	if len(next) == 0 {
		m.list.Store(nil)
		m.line = nil
	} else {
		m.list.Store(&next)
	}
}

// monitorSource says on whose behalf a command runs.
type monitorSource uint8

const (
	fromClient monitorSource = iota
	fromScript
)

// keptLine is the longest line whose buffer is used again.
const keptLine = 64 << 10

// feed shows a command that ran to the monitors. Commands for administrators are
// not shown, secrets are taken out.
func (m *monitors) feed(e *entry, client *Client, args [][]byte, from monitorSource) {
	if e.cmd.Flags&(command.SkipMonitor|command.Admin) == 0 {
		m.show(e, client, args, from)
	}
}

// show is feed for what is shown in any case: what runs scripts, before them.
func (m *monitors) show(e *entry, client *Client, args [][]byte, from monitorSource) {
	args = e.redacted(args)
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list.Load()
	if list == nil {
		return
	}
	m.line = appendMonitorLine(m.line[:0], time.Now(), client, args, from)
	for _, monitor := range *list {
		monitor.Push(m.line)
	}
	if cap(m.line) > keptLine {
		m.line = nil
	}
}

func appendMonitorLine(dst []byte, now time.Time, client *Client, args [][]byte, from monitorSource) []byte {
	micros := strconv.AppendInt(nil, 1000000+now.UnixMicro()%1000000, 10)
	dst = append(dst, '+')
	dst = strconv.AppendInt(dst, now.Unix(), 10)
	dst = append(dst, '.')
	dst = append(dst, micros[1:]...)
	dst = append(dst, " ["...)
	dst = strconv.AppendInt(dst, int64(client.DB()), 10)
	switch {
	case from == fromScript:
		dst = append(dst, " lua]"...)
	case client.Has(FlagUnixSocket):
		dst = append(dst, " unix:"...)
		dst = append(dst, client.server.cfg.UnixSocket...)
		dst = append(dst, ']')
	default:
		dst = append(dst, ' ')
		dst = append(dst, client.Addr()...)
		dst = append(dst, ']')
	}
	for _, arg := range args {
		dst = append(dst, ' ')
		dst = quote.Append(dst, arg)
	}
	return append(dst, "\r\n"...)
}

func init() { handle(map[string]Handler{"monitor": monitor}) }

func monitor(c *Ctx) {
	switch {
	case c.DenyBlocking():
		c.W.Error(errMonitorDenied)
	case c.Client.Has(FlagMonitor | FlagReplica): // nothing, as Redis
	default:
		c.Client.SetFlag(FlagMonitor, true)
		c.d.monitors.add(c.Client)
		c.W.OK()
	}
}

// leaveMonitor ends MONITOR for a client that is reset or gone.
func (d *Dispatcher) leaveMonitor(client *Client) {
	if client.Has(FlagMonitor) {
		d.monitors.remove(client)
		client.SetFlag(FlagMonitor, false)
	}
}
