package observe

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

//go:embed page
var pageFiles embed.FS

// Limits of the HTTP side: it is for a few supervisors and people, and must not
// cost the node more than a little, whoever knocks.
const (
	maxConnections = 64
	maxHeader      = 8 << 10
	requestTime    = 5 * time.Second  // to send a request
	answerTime     = 10 * time.Second // to take an answer
	profileTime    = 5 * time.Minute  // to take a profile
	idleTime       = 30 * time.Second
)

// Observer answers HTTP for one node.
type Observer struct {
	source Source
	addr   string
	log    *slog.Logger

	metrics, statuses, reports cached

	http   *http.Server
	ln     net.Listener
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New returns an observer that does not listen yet. addr is the node's client
// address, for the page of a standalone node.
func New(source Source, addr string, log *slog.Logger) *Observer {
	o := &Observer{source: source, addr: addr, log: log}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.metrics.make = func() []byte {
		s := sample{now: time.Now(), resp: source.Statistics(), cluster: source.Cluster(), ready: source.Ready() == nil, process: readProcess()}
		if notAfter, ok := source.Certificate(); ok {
			s.expiry = notAfter
		}
		return s.write()
	}
	o.statuses.make = func() []byte { return encode(o.status()) }
	o.reports.make = func() []byte { return encode(report(source, source.Cluster())) }
	return o
}

// Report is what this node tells other nodes of itself.
func (o *Observer) Report() []byte { return o.reports.get() }

// Listen opens addr (host:port) and answers there until Close.
func (o *Observer) Listen(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("metrics.listen: %w", err)
	}
	o.ln = &limitListener{Listener: ln, left: maxConnections}
	o.http = &http.Server{
		Handler: o.Handler(), ReadHeaderTimeout: requestTime, ReadTimeout: requestTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return o.ctx },
	}
	o.wg.Go(func() {
		if err := o.http.Serve(o.ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			o.log.Error("metrics and status page are gone", "error", err)
		}
	})
	o.log.Info("metrics and status page open", "address", ln.Addr().String())
	return nil
}

// Close ends listening and every connection.
func (o *Observer) Close() {
	o.cancel()
	if o.http != nil {
		_ = o.http.Close()
	}
	o.wg.Wait()
}

// Handler answers the requests.
func (o *Observer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		send(w, "text/plain; version=0.0.4; charset=utf-8", o.metrics.get())
	})
	mux.HandleFunc("/api/status", func(w http.ResponseWriter, _ *http.Request) {
		send(w, "application/json", o.statuses.get())
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		send(w, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.source.Ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		send(w, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	for path, handler := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if !o.source.PProf() {
				http.Error(w, "profiles are off: metrics.pprof", http.StatusForbidden)
				return
			}
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(profileTime))
			handler(w, r)
		})
	}
	page, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the directory is part of the program
	}
	mux.Handle("/", http.FileServerFS(page))
	return o.guard(mux)
}

// guard refuses everything but reading, and bounds what an answer may take.
func (o *Observer) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			h.Set("Connection", "close") // whatever body there is, is not read
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		if r.ContentLength != 0 {
			h.Set("Connection", "close")
			http.Error(w, "no body is taken", http.StatusRequestEntityTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func send(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client is gone
}

// limitListener closes what is past the number of connections at once: those
// that are there keep their turn.
type limitListener struct {
	net.Listener
	left int32
	open atomic.Int32
}

func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.left {
			return &limitedConn{Conn: conn, listener: l}, nil
		}
		l.open.Add(-1)
		_ = conn.Close()
	}
}

type limitedConn struct {
	net.Conn
	listener *limitListener
	closed   sync.Once
}

func (c *limitedConn) Close() error {
	c.closed.Do(func() { c.listener.open.Add(-1) })
	return c.Conn.Close()
}
