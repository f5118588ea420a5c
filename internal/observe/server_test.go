package observe

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve runs an observer on a port of its own.
func serve(t *testing.T, src *source) (o *Observer, addr string) {
	t.Helper()
	o = New(src, "127.0.0.1:6379", slog.New(slog.DiscardHandler))
	if err := o.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o, o.ln.Addr().String()
}

func get(t *testing.T, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func TestPaths(t *testing.T) {
	src := &source{view: testView()}
	_, addr := serve(t, src)
	for path, want := range map[string]string{
		"/metrics": "\nrespkv_ready 1\n", "/healthz": "ok\n", "/readyz": "ok\n", "/api/status": `"state":"ok"`,
		"/": "<title>respkv</title>", "/page.js": "api/status", "/view.js": "function spark", "/slots.js": "slotMap", "/page.css": "prefers-color-scheme", "/favicon.svg": "<svg",
	} {
		answer, text := get(t, "GET", "http://"+addr+path, nil)
		if answer.StatusCode != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d, without %q", path, answer.StatusCode, want)
		}
		if answer.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s has headers %v", path, answer.Header)
		}
		if answer, text := get(t, "HEAD", "http://"+addr+path, nil); answer.StatusCode != 200 || text != "" {
			t.Errorf("HEAD %s: %d %q", path, answer.StatusCode, text)
		}
	}
	if answer, _ := get(t, "GET", "http://"+addr+"/nothing", nil); answer.StatusCode != 404 {
		t.Errorf("a path that does not exist: %d", answer.StatusCode)
	}
	src.ready = errors.New("no lease")
	if answer, text := get(t, "GET", "http://"+addr+"/readyz", nil); answer.StatusCode != 503 || text != "not ready: no lease\n" {
		t.Errorf("/readyz of a node that is not: %d %q", answer.StatusCode, text)
	}
	if answer, _ := get(t, "GET", "http://"+addr+"/healthz", nil); answer.StatusCode != 200 {
		t.Errorf("/healthz of a node that is not ready: %d", answer.StatusCode)
	}
}

func TestProfilesOnlyWhenAllowed(t *testing.T) {
	src := &source{}
	_, addr := serve(t, src)
	if answer, _ := get(t, "GET", "http://"+addr+"/debug/pprof/goroutine?debug=1", nil); answer.StatusCode != 403 {
		t.Errorf("profiles that are off: %d", answer.StatusCode)
	}
	src.pprof = true
	if answer, text := get(t, "GET", "http://"+addr+"/debug/pprof/goroutine?debug=1", nil); answer.StatusCode != 200 || !strings.Contains(text, "goroutine profile") {
		t.Errorf("profiles that are on: %d", answer.StatusCode)
	}
}

func TestOnlyReading(t *testing.T) {
	_, addr := serve(t, &source{view: testView()})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
		if answer, _ := get(t, method, "http://"+addr+"/metrics", nil); answer.StatusCode != 405 || answer.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, answer.StatusCode)
		}
	}
	if answer, _ := get(t, "GET", "http://"+addr+"/metrics", strings.NewReader("body")); answer.StatusCode != 413 {
		t.Errorf("GET with a body: %d", answer.StatusCode)
	}
}

// TestHostileRequests: malformed and oversized requests are answered with an
// error or nothing, and the next one is served.
func TestHostileRequests(t *testing.T) {
	_, addr := serve(t, &source{view: testView()})
	for name, request := range map[string]string{
		"large header":   "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n",
		"many headers":   "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n",
		"long path":      "GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"no HTTP":        "*1\r\n$4\r\nPING\r\n",
		"binary":         "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"huge body":      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nabc",
		"chunked body":   "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
		"two lengths":    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"up the path":    "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"escaped path":   "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"absolute proxy": "GET http://elsewhere/ HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, request) // the server may close before it has taken all
		line, _ := bufio.NewReader(conn).ReadString('\n')
		_ = conn.Close()
		if strings.Contains(line, " 200 ") && name != "absolute proxy" {
			t.Errorf("%s: %q", name, line)
		}
		if answer, _ := get(t, "GET", "http://"+addr+"/healthz", nil); answer.StatusCode != 200 {
			t.Fatalf("after %s: %d", name, answer.StatusCode)
		}
	}
}

// TestConnectionsAreBounded: silent connections do not add up, and cost others
// no more than the time for a request.
func TestConnectionsAreBounded(t *testing.T) {
	o, addr := serve(t, &source{})
	var silent []net.Conn
	for range maxConnections + 20 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	// The ones past the limit are closed by the server.
	closed := 0
	for _, conn := range silent[maxConnections:] {
		_ = conn.SetReadDeadline(time.Now().Add(requestTime / 2))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
	}
	if closed != 20 {
		t.Errorf("%d of 20 connections past the limit were closed", closed)
	}
	if n := o.ln.(*limitListener).open.Load(); n > maxConnections {
		t.Errorf("%d connections are open", n)
	}
	for _, conn := range silent {
		_ = conn.Close()
	}
	deadline := time.Now().Add(time.Minute)
	for {
		answer, err := http.Get("http://" + addr + "/healthz")
		if err == nil {
			_ = answer.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestManyAskingCostLittle: whoever asks at the same time shares one answer.
func TestManyAskingCostLittle(t *testing.T) {
	src := &source{view: testView()}
	o := New(src, "", slog.New(slog.DiscardHandler))
	defer o.Close()
	began := time.Now()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { o.metrics.get() })
	}
	wg.Wait()
	if most := int64(time.Since(began)/age) + 1; src.asked.Load() > most {
		t.Errorf("the numbers were read %d times, want %d at most", src.asked.Load(), most)
	}
}
