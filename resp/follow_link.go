package resp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"respkv/internal/persistence"
	"respkv/resp/proto"
)

// followRetry is the time between attempts to reach the primary, ackPeriod that between
// two acknowledgements, as in Redis.
const (
	followRetry = time.Second
	ackPeriod   = time.Second
	// primaryLine bounds what the primary says before the stream.
	primaryLine = 4 << 10
	// syncMark is the length of what ends a snapshot of unknown length.
	syncMark = 40
)

var (
	errLinkEnded    = errors.New("the connection ended")
	errOtherPrimary = errors.New("this node follows another primary now")
	errServerEnds   = errors.New("this node ends")
)

// followPrimary follows until ctx ends; before, if there is one, has to end first.
func (d *Dispatcher) followPrimary(ctx context.Context, a *attempt, before <-chan struct{}) {
	defer close(a.done)
	if before != nil {
		<-before
	}
	told := ""
	for {
		err := d.followOnce(ctx, a)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errLinkEnded) {
			// It was connected: the sooner it is again, the less there is to catch up.
			d.log.Warn("the connection to the primary ended: connecting again", "primary", a.address(), "error", err)
			told = ""
			continue
		}
		if text := err.Error(); text != told {
			told = text
			d.log.Warn("not connected to the primary: trying again each second", "primary", a.address(), "error", err)
		}
		d.follow.enter(a, followConnect)
		select {
		case <-ctx.Done():
			return
		case <-time.After(followRetry):
		}
	}
}

// followOnce is one connection to the primary, from its beginning to its end.
func (d *Dispatcher) followOnce(ctx context.Context, a *attempt) error {
	d.follow.enter(a, followConnecting)
	patience := d.replicaTimeout()
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	nc, err := d.dialPrimary(dialing, a.address())
	if err != nil {
		return err
	}
	served := false
	defer func() {
		if !served {
			nc.Close()
		}
	}()
	ended := context.AfterFunc(ctx, func() { nc.Close() })
	defer ended()
	p := &primaryConn{Conn: nc, patience: patience}
	d.follow.enter(a, followHandshake)
	if err := d.introduce(p); err != nil {
		return err
	}
	if err := d.synchronize(ctx, a, p); err != nil {
		return err
	}
	if !ended() { // from here on the connection is the client's
		return ctx.Err()
	}
	l, err := d.serveUpstream(a, nc)
	if err != nil {
		return err
	}
	served = true
	return d.watchUpstream(ctx, l)
}

// primaryConn is a connection to the primary before it is served as a client. It reads no
// byte more than it is asked for: the rest is that client's.
type primaryConn struct {
	net.Conn
	patience time.Duration // for each byte
}

// line reads a line without its end.
func (p *primaryConn) line() (string, error) {
	var text []byte
	var one [1]byte
	if err := p.SetReadDeadline(time.Now().Add(p.patience)); err != nil {
		return "", err
	}
	for {
		if _, err := io.ReadFull(p.Conn, one[:]); err != nil {
			return "", err
		}
		switch {
		case one[0] == '\n':
			return strings.TrimSuffix(string(text), "\r"), nil
		case len(text) == primaryLine:
			return "", fmt.Errorf("the primary sent a line of more than %d bytes", primaryLine)
		}
		text = append(text, one[0])
	}
}

// answer is line past empty ones, by which the primary says that it needs more time.
func (p *primaryConn) answer() (string, error) {
	for {
		if text, err := p.line(); err != nil || text != "" {
			return text, err
		}
	}
}

func (p *primaryConn) send(args ...string) error {
	words := make([][]byte, len(args))
	for i, arg := range args {
		words[i] = []byte(arg)
	}
	if err := p.SetWriteDeadline(time.Now().Add(p.patience)); err != nil {
		return err
	}
	_, err := p.Write(proto.AppendCommand(nil, words...))
	return err
}

// call sends a command and returns its reply, a line.
func (p *primaryConn) call(args ...string) (string, error) {
	if err := p.send(args...); err != nil {
		return "", err
	}
	reply, err := p.answer()
	if err != nil {
		return "", fmt.Errorf("%s: %w", args[0], err)
	}
	return reply, nil
}

// Read implements io.Reader: each read may take as long as patience.
func (p *primaryConn) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(p.patience)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

// introduce says who this node is.
func (d *Dispatcher) introduce(p *primaryConn) error {
	cfg := d.config.Config()
	r := &cfg.Replication
	reply, err := p.call("PING")
	if err != nil {
		return err
	}
	if reply[0] == '-' && !strings.HasPrefix(reply, "-NOAUTH") && !strings.HasPrefix(reply, "-NOPERM") &&
		!strings.HasPrefix(reply, "-ERR operation not permitted") {
		return fmt.Errorf("the primary answered PING with %s", reply[1:])
	}
	if r.PrimaryPassword != "" {
		auth := []string{"AUTH", r.PrimaryPassword}
		if r.PrimaryUser != "" {
			auth = []string{"AUTH", r.PrimaryUser, r.PrimaryPassword}
		}
		if reply, err = p.call(auth...); err != nil {
			return err
		}
		if reply[0] == '-' {
			return fmt.Errorf("the primary takes neither replication.primary_user nor replication.primary_password: %s", reply[1:])
		}
	}
	port := r.ReplicaAnnouncePort
	if port == 0 {
		if port = cfg.Server.Port; cfg.TLS.Cluster && cfg.TLS.Port != 0 {
			port = cfg.TLS.Port
		}
	}
	introduction := [][]string{{"REPLCONF", "listening-port", strconv.Itoa(port)}}
	if r.ReplicaAnnounceIP != "" {
		introduction = append(introduction, []string{"REPLCONF", "ip-address", r.ReplicaAnnounceIP})
	}
	introduction = append(introduction, []string{"REPLCONF", "capa", "eof", "capa", "psync2"})
	for _, words := range introduction {
		if reply, err = p.call(words...); err != nil {
			return err
		}
		if reply[0] == '-' {
			d.log.Info("the primary does not take what this node says of itself", "option", words[1], "reply", reply[1:])
		}
	}
	return nil
}

// synchronize brings the keyspace to what the stream that follows goes on from.
func (d *Dispatcher) synchronize(ctx context.Context, a *attempt, p *primaryConn) error {
	id, next := "?", "-1"
	f := &d.follow
	f.mu.Lock()
	if f.known {
		name, offset := d.feed.name()
		id, next = name, strconv.FormatUint(offset+1, 10)
	}
	f.mu.Unlock()
	request := []string{"PSYNC", id, next}
	if a.takesOver {
		request = append(request, "FAILOVER")
	}
	reply, err := p.call(request...)
	if err != nil {
		return err
	}
	if a.takesOver && reply[0] == '-' {
		go d.abortFailover("the replica refuses: " + reply[1:]) // it ends this attempt
		return fmt.Errorf("the replica refuses to take over: %s", reply[1:])
	}
	if a.takesOver {
		a.takesOver = false
		d.feed.dropReplicas() // they find the stream under its new name
		d.failedOver()
	}
	words := strings.Fields(reply)
	switch {
	case words[0] == "+CONTINUE":
		name := ""
		if len(words) > 1 && len(words[1]) == syncMark {
			name = words[1]
		}
		d.feed.continueAs(name, d.config.Config().Replication.LogSize)
		d.log.Info("the primary goes on where this replica was", "primary", a.address(), "offset", next)
		return nil
	case words[0] == "+FULLRESYNC" && len(words) == 3:
		offset, err := strconv.ParseUint(words[2], 10, 63)
		if err != nil || len(words[1]) != syncMark {
			return fmt.Errorf("the primary answered PSYNC with %q", reply)
		}
		return d.copyPrimary(ctx, a, p, words[1], offset)
	case reply[0] == '-':
		return fmt.Errorf("the primary refuses PSYNC: %s", reply[1:])
	}
	return fmt.Errorf("the primary answered PSYNC with %q", reply)
}

// copyPrimary replaces the keyspace by a snapshot of the primary's, taken where the stream
// of that name had that many bytes.
func (d *Dispatcher) copyPrimary(ctx context.Context, a *attempt, p *primaryConn, id string, offset uint64) error {
	if !d.follow.enter(a, followSync) {
		return errOtherPrimary
	}
	began := time.Now()
	file, err := nameless(d.config.Config().DataDir)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := a.receive(p, file); err != nil {
		return fmt.Errorf("receiving the primary's snapshot: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	d.log.Info("a snapshot of the primary was received", "primary", a.address(), "bytes", a.received.Load(), "took", time.Since(began))
	loaded, err := d.loadPrimary(ctx, a, p, file, id, offset)
	if err != nil {
		return fmt.Errorf("loading the primary's snapshot: %w", err)
	}
	d.log.Info("the primary's snapshot is loaded", "keys", loaded.Keys, "bytes", loaded.Bytes, "took", loaded.Took)
	return nil
}

// receive writes the snapshot that the primary sends to a file.
func (a *attempt) receive(p *primaryConn, file *os.File) error {
	a.total.Store(0)
	a.received.Store(0)
	a.heard.Store(time.Now().UnixMilli())
	head, err := p.answer()
	if err != nil {
		return err
	}
	if mark, ok := strings.CutPrefix(head, "$EOF:"); ok && len(mark) == syncMark {
		return a.receiveMarked(p, file, mark)
	}
	size, err := strconv.ParseUint(strings.TrimPrefix(head, "$"), 10, 62)
	if err != nil || head[0] != '$' {
		return fmt.Errorf("it begins with %.100q", head)
	}
	a.total.Store(int64(size))
	buf := make([]byte, syncChunk)
	for left := size; left > 0; {
		n, err := p.Read(buf[:min(left, syncChunk)])
		if err := a.take(file, buf[:n]); err != nil {
			return err
		}
		if left -= uint64(n); err != nil && left > 0 {
			return err
		}
	}
	return nil
}

// receiveMarked is receive up to a mark. Nothing follows that: the primary waits for an
// acknowledgement.
func (a *attempt) receiveMarked(p *primaryConn, file *os.File, mark string) error {
	buf := make([]byte, 0, syncChunk+syncMark)
	for {
		n, err := p.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		body := max(len(buf)-syncMark, 0)
		if string(buf[body:]) == mark {
			return a.take(file, buf[:body])
		}
		if err != nil {
			return err
		}
		// The last bytes may be the beginning of the mark.
		if err := a.take(file, buf[:body]); err != nil {
			return err
		}
		buf = buf[:copy(buf, buf[body:])]
	}
}

func (a *attempt) take(file *os.File, b []byte) error {
	a.heard.Store(time.Now().UnixMilli())
	a.received.Add(int64(len(b)))
	_, err := file.Write(b)
	return err
}

// loadPrimary empties the keyspace and loads the file. Commands are refused meanwhile, but
// for those that look at no key.
func (d *Dispatcher) loadPrimary(ctx context.Context, a *attempt, p *primaryConn, file *os.File, id string, offset uint64) (loaded persistence.Loaded, err error) {
	f := &d.follow
	f.mu.Lock()
	if f.attempt != a || ctx.Err() != nil {
		f.mu.Unlock()
		return loaded, errOtherPrimary
	}
	f.loading.Store(true)
	f.known = false
	f.mu.Unlock()
	defer f.loading.Store(false)
	defer p.keepAlive()()
	d.feed.dropReplicas()
	if err := d.empty(); err != nil {
		return loaded, err
	}
	f.own.forget()
	l, stream := d.Loader(), streamFields{}
	l.KeepExpired = true // the primary says when they go
	l.Aux = stream.take
	loaded, err = l.Load(untilEnd{ctx, file})
	if err != nil {
		return loaded, errors.Join(err, d.empty())
	}
	d.feed.begun(id, offset, d.config.Config().Replication.LogSize)
	d.invalidateAll(nil, true)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known, f.db = true, stream.database(d)
	return loaded, nil
}

// empty removes all keys and functions, of a keyspace that no command looks at.
func (d *Dispatcher) empty() error {
	d.saver.abort()
	d.scripts.several.RLock()
	defer d.scripts.several.RUnlock()
	d.store.LockAll()
	defer d.store.UnlockAll()
	d.keysLost()
	return d.flushEverything()
}

// untilEnd reads until ctx ends.
type untilEnd struct {
	ctx context.Context
	in  io.Reader
}

// Read implements io.Reader.
func (r untilEnd) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.in.Read(b)
}

// keepAlive tells the primary, until the function it returns is called, that this node is
// there though it acknowledges nothing.
func (p *primaryConn) keepAlive() (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(ackPeriod)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				_ = p.SetWriteDeadline(time.Now().Add(p.patience))
				if _, err := p.Write([]byte("\n")); err != nil {
					return // who reads next finds out
				}
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// serveUpstream has the server serve the connection from here on.
func (d *Dispatcher) serveUpstream(a *attempt, nc net.Conn) (*upstream, error) {
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	f := &d.follow
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attempt != a {
		return nil, errOtherPrimary
	}
	l := &upstream{ended: make(chan struct{})}
	if !d.server.adopt(nc, func(client *Client) {
		l.client = client
		client.SetFlag(FlagMaster, true)
		client.SetUser(superuser, true)
		client.Reply = ReplyOff
		client.SetDB(f.db)
		client.Session = &session{upstream: l}
		f.link.Store(l)
	}) {
		f.link.Store(nil)
		return nil, errServerEnds
	}
	a.state = followConnected
	f.stale.Store(false)
	d.log.Info("this replica follows the primary", "primary", a.address())
	return l, nil
}

// watchUpstream acknowledges what was applied, and ends a connection that has fallen
// silent, until it ends.
func (d *Dispatcher) watchUpstream(ctx context.Context, l *upstream) error {
	tick := time.NewTicker(ackPeriod)
	defer tick.Stop()
	reason := errLinkEnded
	for {
		d.acknowledge(l.client)
		select {
		case <-l.ended:
			return reason
		case <-ctx.Done():
			l.client.Close()
			<-l.ended
			return context.Cause(ctx)
		case <-tick.C:
		}
		if silent := time.Since(time.UnixMilli(l.client.lastActive.Load())); silent > d.replicaTimeout() {
			reason = fmt.Errorf("%w: the primary has sent nothing for %v", errLinkEnded, silent.Round(time.Second))
			l.client.Close()
		}
	}
}

// upstreamGone is told that the connection has ended; its goroutine has no command left.
func (d *Dispatcher) upstreamGone(l *upstream) {
	f := &d.follow
	f.mu.Lock()
	if f.link.Load() == l {
		f.detach()
		f.stale.Store(f.on.Load())
		if f.attempt != nil {
			f.attempt.state, f.attempt.lost = followConnect, time.Now()
		}
	}
	f.mu.Unlock()
	close(l.ended)
}
