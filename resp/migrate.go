package resp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"respkv/cluster"
	"respkv/resp/proto"
	"respkv/store"
)

func init() { handle(map[string]Handler{"migrate": migrate}) }

// MIGRATE sends keys to another server as RESTORE, and deletes those that it took. The
// other server may be slow, so no lock is held meanwhile:
//
//	locked     Which keys exist is found out, and they are held (changeGate.hold): whoever
//	           wants to change one waits, without locks, for as long as the command
//	           runs, which its timeout bounds; reading goes on.
//	unlocked   One after the other, keys are read into payloads, locked, large ones in
//	           steps (migrate_read.go); they are sent, and the answers awaited.
//	locked     Each key that was taken is deleted, with its effect logged, and all are
//	           released: the next write finds what it would find in Redis.
//
// So no write comes between what was sent and what is deleted, and none is lost.
// Expiry, eviction and FLUSHALL do not wait; what they remove was sent before.
type migrateRequest struct {
	d             *Dispatcher
	db            int // here
	target        string
	targetDB      int64
	timeout       time.Duration // of each step
	copy, replace bool
	auth          [][]byte // arguments of AUTH; nil: none
	keys          []migrateKey
}

type migrateKey struct {
	key   store.Key // of its own memory
	taken bool      // the target has it
}

// migrate parses, finds the keys and leaves the rest to a goroutine.
func migrate(c *Ctx) {
	r, names, ok := c.migrateRequest()
	if !ok {
		return
	}
	for _, name := range names {
		k := store.MakeKey(bytes.Clone(name))
		found := c.Tx.Exists(k)
		c.Looked(k, found)
		if found {
			r.keys = append(r.keys, migrateKey{key: k})
		}
	}
	if len(r.keys) == 0 {
		c.W.Simple("NOKEY")
		return
	}
	if c.DenyBlocking() {
		c.W.Error(errNotInMulti)
		return
	}
	for _, k := range r.keys {
		c.d.gate.hold(store.CutKey{DB: r.db, Name: string(k.key.Name)})
	}
	c.NoEffect()
	c.background(0, nil, func(ctx context.Context, w *proto.Writer) {
		defer r.release()
		if text := r.run(ctx); text != "" {
			w.Error(text)
			return
		}
		w.OK()
	})
}

func (c *Ctx) migrateRequest() (r *migrateRequest, names [][]byte, ok bool) {
	r = &migrateRequest{d: c.d, db: c.Tx.DB, target: net.JoinHostPort(string(c.Args[1]), string(c.Args[2]))}
	names = c.Args[3:4]
	for i := 6; i < len(c.Args); i++ {
		more := len(c.Args) - 1 - i
		switch arg := c.Args[i]; {
		case isWord(arg, "copy"):
			r.copy = true
		case isWord(arg, "replace"):
			r.replace = true
		case isWord(arg, "auth") && more >= 1:
			r.auth = cloneArgs(c.Args[i+1 : i+2])
			i++
		case isWord(arg, "auth2") && more >= 2:
			r.auth = cloneArgs(c.Args[i+1 : i+3])
			i += 2
		case isWord(arg, "keys"):
			if len(c.Args[3]) > 0 {
				c.W.Error(errMigrateKeys)
				return nil, nil, false
			}
			names = c.Args[i+1:]
			i = len(c.Args)
		default:
			c.W.Error(errSyntax)
			return nil, nil, false
		}
	}
	timeout, ok := c.intArg(5)
	if !ok {
		return nil, nil, false
	}
	if r.targetDB, ok = c.intArg(4); !ok {
		return nil, nil, false
	}
	if timeout <= 0 {
		timeout = 1000
	}
	r.timeout = time.Duration(min(timeout, int64(time.Hour*24*365/time.Millisecond))) * time.Millisecond
	return r, names, true
}

func cloneArgs(args [][]byte) [][]byte {
	copies := make([][]byte, len(args))
	for i, arg := range args {
		copies[i] = bytes.Clone(arg)
	}
	return copies
}

func (r *migrateRequest) release() {
	for _, k := range r.keys {
		r.d.gate.release(store.CutKey{DB: r.db, Name: string(k.key.Name)})
	}
}

// run returns the error to reply with, or "". A connection that was used before may be
// dead: then it is tried once more with another.
func (r *migrateRequest) run(ctx context.Context) (text string) {
	for attempt := 0; ; attempt++ {
		conn, err := r.d.migration.take(ctx, r.target, r.timeout)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) {
			return errMigrateWrite // as Redis, which finds out when it writes
		}
		if err != nil {
			return errMigrateConnect
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		text, err = r.send(conn)
		stop()
		r.deleteTaken()
		if err == nil {
			r.d.migration.put(r.target, conn)
			return text
		}
		conn.Close()
		if attempt > 0 || text != "" || errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil || r.anyTaken() {
			if text != "" {
				return text
			}
			if errors.Is(err, errMigrateWriting) {
				return errMigrateWrite
			}
			return errMigrateRead
		}
	}
}

func (r *migrateRequest) anyTaken() bool {
	for _, k := range r.keys {
		if k.taken {
			return true
		}
	}
	return false
}

var errMigrateWriting = errors.New("writing")

// send sends the keys and reads the answers. text is what the target refused; err says
// that the connection is of no more use.
func (r *migrateRequest) send(conn *migrateConn) (text string, err error) {
	w := migrateWriter{conn: conn, timeout: r.timeout}
	expected := 0 // replies before those to RESTORE
	if r.auth != nil {
		w.command(append([][]byte{[]byte("AUTH")}, r.auth...)...)
		expected++
	}
	if conn.db != r.targetDB {
		w.command([]byte("SELECT"), decimal(r.targetDB))
		expected++
	}
	var sent []*migrateKey
	name := wordRestore
	if r.d.routing != nil {
		name = []byte("RESTORE-ASKING")
	}
	for i := range r.keys {
		payload, ttl, ok := r.payload(r.keys[i].key)
		if !ok {
			continue
		}
		args := [][]byte{name, r.keys[i].key.Name, decimal(ttl), payload}
		if r.replace {
			args = append(args, wordReplace)
		}
		w.command(args...)
		sent = append(sent, &r.keys[i])
	}
	if w.flush(); w.err != nil {
		return "", errors.Join(errMigrateWriting, w.err)
	}
	refused := ""
	for range expected {
		line, err := conn.readLine(r.timeout)
		if err != nil {
			return "", err
		}
		if line[0] == '-' && refused == "" {
			refused = line[1:]
		}
	}
	for i, k := range sent {
		line, err := conn.readLine(r.timeout)
		if err != nil {
			if i == 0 {
				return text, err
			}
			return text, errors.Join(errMigratePartly, err)
		}
		switch {
		case refused == "" && line[0] != '-':
			k.taken = true
		case text == "" && refused != "":
			text = errMigrateTarget(refused)
		case text == "":
			text = errMigrateTarget(line[1:])
		}
	}
	conn.db = r.targetDB
	if text != "" {
		conn.db = -1 // whatever is selected there now
	}
	return text, nil
}

// errMigratePartly says that some keys were answered for.
var errMigratePartly = errors.New("the target stopped answering")

func errMigrateTarget(line string) string {
	return "ERR Target instance replied with error: " + errorSafe(line)
}

// deleteTaken deletes the keys that the target has, unless they are to stay.
func (r *migrateRequest) deleteTaken() {
	if r.copy {
		return
	}
	for _, k := range r.keys {
		if k.taken {
			r.d.deleteMigrated(r.db, k.key)
		}
	}
}

// deleteMigrated deletes a key as DEL does, outside of a command.
func (d *Dispatcher) deleteMigrated(db int, k store.Key) {
	d.store.LockShard(k.Shard())
	defer d.store.UnlockShard(k.Shard())
	if d.routing != nil && !d.mayRemove(k.Slot) {
		return // the slot went to another node meanwhile, and the key with it
	}
	d.willChange(db, k)
	now, _ := clock()
	tx := store.Tx{Store: d.store, DB: db, Now: now}
	if !tx.Unlink(k) {
		return
	}
	d.stats.dirty.Add(1)
	if d.watches.used() {
		d.touch(db, k)
	}
	d.removed(db, k, NotifyGeneric, "del")
	d.reclaimGarbage()
}

// migrateWriter sends commands. The first error stays.
type migrateWriter struct {
	conn    *migrateConn
	timeout time.Duration
	buf     []byte
	err     error
}

const migrateChunk = 64 << 10

func (w *migrateWriter) command(args ...[]byte) {
	w.buf = proto.AppendCommand(w.buf, args...)
	if len(w.buf) >= migrateChunk {
		w.flush()
	}
}

// flush sends what is there, in pieces that each have the timeout.
func (w *migrateWriter) flush() {
	for b := w.buf; len(b) > 0 && w.err == nil; {
		w.conn.SetWriteDeadline(time.Now().Add(w.timeout))
		n, err := w.conn.Write(b[:min(len(b), migrateChunk)])
		b, w.err = b[n:], err
	}
	w.buf = w.buf[:0]
}

// migration keeps connections to other servers, to be used again.
type migration struct {
	mu     sync.Mutex // guards below; a leaf, held for no I/O
	conns  []*migrateConn
	closed bool
}

type migrateConn struct {
	net.Conn
	in     *bufio.Reader
	target string
	db     int64 // selected there; -1: unknown
	used   time.Time
}

const (
	migrateConns = 64
	migrateIdle  = 10 * time.Second
	migrateLine  = 64 << 10 // longest line that is read
)

// take returns an idle connection to target, or a new one.
func (m *migration) take(ctx context.Context, target string, timeout time.Duration) (*migrateConn, error) {
	if conn := m.takeIdle(target); conn != nil {
		return conn, nil
	}
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	return &migrateConn{Conn: conn, in: bufio.NewReader(conn), target: target, db: -1}, nil
}

func (m *migration) takeIdle(target string) *migrateConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range m.conns {
		if c.target == target {
			m.conns = append(m.conns[:i], m.conns[i+1:]...)
			return c
		}
	}
	return nil
}

// put keeps a connection for a while.
func (m *migration) put(target string, conn *migrateConn) {
	conn.used = time.Now()
	m.mu.Lock()
	drop := conn
	if !m.closed {
		drop = nil
		if m.conns = append(m.conns, conn); len(m.conns) > migrateConns {
			drop, m.conns = m.conns[0], m.conns[1:]
		}
	}
	m.mu.Unlock()
	if drop != nil {
		drop.Close()
	}
}

// closeIdle closes connections that were not used for a while.
func (m *migration) closeIdle(now time.Time) {
	m.mu.Lock()
	var kept, idle []*migrateConn
	for _, c := range m.conns {
		if now.Sub(c.used) > migrateIdle {
			idle = append(idle, c)
		} else {
			kept = append(kept, c)
		}
	}
	if len(idle) > 0 {
		m.conns = kept
	}
	m.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

func (m *migration) idle() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.conns)
}

// close closes all connections, and those that come back.
func (m *migration) close() {
	m.mu.Lock()
	conns := m.conns
	m.conns, m.closed = nil, true
	m.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// readLine reads a reply of one line, without its end.
func (c *migrateConn) readLine(timeout time.Duration) (string, error) {
	c.SetReadDeadline(time.Now().Add(timeout))
	var line []byte
	for {
		part, err := c.in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > migrateLine {
			return "", err
		}
	}
	line = bytes.TrimRight(line, "\r\n")
	if len(line) == 0 {
		return "", io.ErrUnexpectedEOF
	}
	return string(line), nil
}

// hasMigrated reports whether the command is a MIGRATE to the node that the slot
// has moved to. Who moves a slot by hand, as in Redis, declares the move (CLUSTER
// SETSLOT) on both sides and then sends MIGRATE for the keys to the old one. Here
// the keys have moved with the slot: none is left.
func (c *Ctx) hasMigrated(dec cluster.Decision) bool {
	if dec.Verdict != cluster.Moved || c.Cmd.Name != "migrate" || c.entry.in.exec {
		return false
	}
	to := dec.Node
	host, port := string(c.Args[1]), string(c.Args[2])
	return (host == to.Host || host == to.Hostname) && port == strconv.Itoa(cluster.PortOf(to, c.Client.TLS()))
}
