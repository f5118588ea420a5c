package page

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

// browser is a headless Chromium, driven over the DevTools protocol. The
// protocol goes over two pipes, messages ended by a zero byte: no library and
// no port are needed.
type browser struct {
	t       testing.TB
	in      *os.File
	session string

	mu       sync.Mutex
	next     int
	waiting  map[int]chan message
	problems []string // exceptions and console errors of the page
	requests []string // addresses that it asked for
	err      error    // why the browser is gone
}

type message struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
	SessionID string `json:"sessionId,omitempty"`
}

const answerTime = harness.Patience

// startBrowser opens an empty tab; the test is skipped without Chromium.
func startBrowser(t testing.TB, width, height int) *browser {
	t.Helper()
	program := harness.Tool(t, "chromium")
	toBrowser, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "--remote-debugging-pipe",
		fmt.Sprintf("--window-size=%d,%d", width, height), "about:blank")
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // descriptors 3 and 4
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	_, _ = toBrowser.Close(), fromBrowser.Close()
	b := &browser{t: t, in: in, waiting: make(map[int]chan message)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(out)
	}()
	t.Cleanup(func() {
		_ = in.Close() // asks it to end
		endGroup(cmd)
		_ = out.Close()
		<-read
	})
	var targets struct {
		TargetInfos []struct{ TargetID, Type string }
	}
	b.call("Target.getTargets", nil, &targets)
	for _, target := range targets.TargetInfos {
		if target.Type == "page" && b.session == "" {
			var attached struct{ SessionID string }
			b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
			b.session = attached.SessionID
		}
	}
	if b.session == "" {
		t.Fatal("chromium opened no page")
	}
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// endGroup ends Chromium and all that it started: as long as one of them lives it
// writes to the profile, which is about to be removed.
func endGroup(cmd *exec.Cmd) {
	group := -cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGKILL)
	_ = cmd.Wait()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	limit := time.NewTimer(5 * time.Second)
	defer limit.Stop()
	for syscall.Kill(group, 0) == nil {
		select {
		case <-poll.C:
		case <-limit.C:
			return // some that nobody waits for any more, perhaps
		}
	}
}

// read hands answers to those who wait and keeps what the page complains about.
func (b *browser) read(from io.Reader) {
	r := bufio.NewReader(from)
	for {
		data, err := r.ReadBytes(0)
		b.mu.Lock()
		if err != nil {
			b.err = errors.New("chromium has ended")
			for id, c := range b.waiting {
				close(c)
				delete(b.waiting, id)
			}
			b.mu.Unlock()
			return
		}
		var m message
		if json.Unmarshal(data[:len(data)-1], &m) == nil {
			b.take(m)
		}
		b.mu.Unlock()
	}
}

func (b *browser) take(m message) {
	if c := b.waiting[m.ID]; c != nil {
		delete(b.waiting, m.ID)
		c <- m
		return
	}
	switch m.Method {
	case "Runtime.exceptionThrown":
		b.problems = append(b.problems, string(m.Params))
	case "Log.entryAdded":
		var p struct {
			Entry struct{ Level, Text, URL string }
		}
		if json.Unmarshal(m.Params, &p) == nil && p.Entry.Level == "error" {
			b.problems = append(b.problems, p.Entry.Text+" "+p.Entry.URL)
		}
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		if json.Unmarshal(m.Params, &p) == nil {
			b.requests = append(b.requests, p.Request.URL)
		}
	}
}

// call sends a command and decodes its result.
func (b *browser) call(method string, params any, result any) {
	b.t.Helper()
	answer := make(chan message, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.waiting[id] = answer
	b.mu.Unlock()
	request := map[string]any{"id": id, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	data, err := json.Marshal(request)
	if err == nil {
		_, err = b.in.Write(append(data, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	limit := time.NewTimer(answerTime)
	defer limit.Stop()
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			b.t.Fatalf("%s: chromium has ended", method)
		case m.Error != nil:
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		case result != nil:
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-limit.C:
		b.t.Fatalf("%s: no answer", method)
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
}

// eval runs an expression in the page and returns its value as text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var r struct {
		Result struct {
			Value       any
			Description string
		}
		ExceptionDetails *struct{ Text string }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		return "exception: " + r.Result.Description
	}
	if s, ok := r.Result.Value.(string); ok {
		return s
	}
	return fmt.Sprint(r.Result.Value)
}

// waitFor waits until an expression is true.
func (b *browser) waitFor(expression string) {
	b.t.Helper()
	harness.Eventually(b.t, harness.Patience, func() error {
		if got := b.eval("Boolean(" + expression + ")"); got != "true" {
			return fmt.Errorf("%s is %s; the page says:\n%s", expression, got, b.eval("document.body.innerText"))
		}
		return nil
	})
}

// hover moves the mouse to a place within an element, given as shares of its
// size.
func (b *browser) hover(selector string, x, y float64) {
	b.t.Helper()
	var box struct{ X, Y, W, H float64 }
	text := b.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return JSON.stringify({x: r.x, y: r.y, w: r.width, h: r.height}) })()`, selector))
	if err := json.Unmarshal([]byte(text), &box); err != nil {
		b.t.Fatalf("%s: %s", selector, text)
	}
	b.call("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": box.X + x*box.W, "y": box.Y + y*box.H}, nil)
}

// hoverUntil is hover until an expression is true: what is above the element may
// grow meanwhile, and move it.
func (b *browser) hoverUntil(selector string, x, y float64, expression string) {
	b.t.Helper()
	harness.Eventually(b.t, harness.Patience, func() error {
		b.hover(selector, x, y)
		if b.eval("Boolean("+expression+")") != "true" {
			return fmt.Errorf("with the mouse over %s: %s is not true", selector, expression)
		}
		return nil
	})
}

// scheme makes the page light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": name}}}, nil)
}

// picture keeps a picture of the page where PAGE_PICTURES names a directory, for
// people to look at.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("PAGE_PICTURES")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// complaints are the errors of the page, but those about addresses that
// contain one of the words.
func (b *browser) complaints(except ...string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
next:
	for _, p := range b.problems {
		for _, word := range except {
			if strings.Contains(p, word) {
				continue next
			}
		}
		out = append(out, p)
	}
	return out
}

// asked are the addresses that the page loaded something from.
func (b *browser) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.requests...)
}
