package store

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// oracle is a redis-server of the machine.
type oracle struct {
	t  testing.TB
	in *bufio.Reader
	w  *bufio.Writer
}

// startOracle starts redis-server on a unix socket, or skips the test where
// there is none.
func startOracle(t testing.TB) *oracle {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server to compare with")
	}
	socket := t.TempDir() + "/redis.sock"
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--daemonize", "no",
		"--enable-debug-command", "yes", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	deadline := time.After(time.Minute)
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return &oracle{t: t, in: bufio.NewReader(conn), w: bufio.NewWriter(conn)}
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatal("redis-server ended: ", err)
		case <-deadline:
			t.Fatal("redis-server does not answer: ", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// send queues a command, receive reads one reply: string, int64, error, nil or
// []any.
func (o *oracle) send(args ...string) {
	fmt.Fprintf(o.w, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(o.w, "$%d\r\n%s\r\n", len(a), a)
	}
}

func (o *oracle) receive() any {
	o.t.Helper()
	if o.w.Buffered() > 0 {
		if err := o.w.Flush(); err != nil {
			o.t.Fatal(err)
		}
	}
	line, err := o.in.ReadString('\n')
	if err != nil {
		o.t.Fatal(err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	n, _ := strconv.ParseInt(line[1:], 10, 64)
	switch line[0] {
	case '+':
		return line[1:]
	case '-':
		return fmt.Errorf("%s", line[1:])
	case ':':
		return n
	case '$':
		if n < 0 {
			return nil
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(o.in, text); err != nil {
			o.t.Fatal(err)
		}
		return string(text[:n])
	default:
		list := make([]any, n)
		for i := range list {
			list[i] = o.receive()
		}
		return list
	}
}

func (o *oracle) do(args ...string) any {
	o.t.Helper()
	o.send(args...)
	return o.receive()
}

// randomNumber makes texts around and beyond what strtold accepts.
func randomNumber(rng *rand.Rand) string {
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + rng.Intn(10))
		}
		return string(b)
	}
	sign := []string{"", "", "-", "+"}[rng.Intn(4)]
	switch rng.Intn(12) {
	case 0:
		return sign + digits(1+rng.Intn(25))
	case 1:
		return strconv.FormatFloat(rng.NormFloat64()*1000, 'g', -1, 64)
	case 2:
		return sign + digits(rng.Intn(4)) + "." + digits(rng.Intn(30))
	case 3:
		return sign + digits(1+rng.Intn(3)) + "." + digits(1+rng.Intn(5)) + []string{"e", "E"}[rng.Intn(2)] + strconv.Itoa(rng.Intn(60)-30)
	case 4:
		return sign + digits(1) + "e" + strconv.Itoa(rng.Intn(10000)-5000)
	case 5:
		return sign + fmt.Sprintf("0x%x.%xp%d", rng.Intn(1<<20), rng.Intn(1<<20), rng.Intn(80)-40)
	case 6:
		list := []string{"inf", "-inf", "Infinity", "nan", "", " 1", "1 ", "1e", "e1", ".", "-", "+", "0x", "0x.p1", "1e+", "1_0",
			"1e4931", "1.18973149535723176502e4932", "1.18973149535723176509e4932", "1.19e4932", "3.3e-4932", "1e-4951", "1.8e-4951",
			"1.9e-4951", "1e-5100", "0e9999999999999999999", "1e99999999999999999999", "0x1p16383", "0x1p16384", "0x1p-16445", "0x1p-16446",
			"0x1.8p-16446", "-0", "-0.0", "00012", "0x1P3", "0X1p-3", "1\x00"}
		return list[rng.Intn(len(list))]
	case 7:
		return sign + "0." + strings.Repeat("0", rng.Intn(18)) + digits(1+rng.Intn(4)) // at the 17th decimal
	case 8:
		return sign + digits(19) + "." + []string{"5", "25", "75", "125", "0625", "5000000000001"}[rng.Intn(6)] // halves of the last bit
	default:
		return strconv.FormatFloat(float64(rng.Intn(100000))/1000, 'f', -1, 64)
	}
}

func TestIncrByFloatAgainstRedis(t *testing.T) {
	o := startOracle(t)
	rng := testSeed(t)
	s := openStore(t, Options{})
	tx := Tx{Store: s, Now: 1}
	n := shorter(30_000)
	type pair struct{ a, b string }
	for start := 0; start < n; start += 1000 {
		pairs := make([]pair, 1000)
		for i := range pairs {
			pairs[i] = pair{randomNumber(rng), randomNumber(rng)}
			o.send("SET", "k", pairs[i].a)
			o.send("INCRBYFLOAT", "k", pairs[i].b)
			o.send("OBJECT", "ENCODING", "k")
		}
		for _, p := range pairs {
			o.receive()
			want, wantEncoding := o.receive(), o.receive()
			k := MakeKey([]byte("k"))
			_, _ = tx.Set(k, []byte(p.a), SetOptions{})
			got, err := tx.IncrByFloat(k, []byte(p.b))
			encoding, _ := tx.Encoding(k)
			if e, bad := want.(error); bad {
				text := map[error]string{ErrNotFloat: "valid float", ErrNaNOrInf: "NaN or Infinity"}[err]
				if text == "" || !strings.Contains(e.Error(), text) {
					t.Errorf("%q + %q: %q %v, redis-server says %v", p.a, p.b, got, err, e)
				}
			} else if err != nil || want != string(got) {
				t.Errorf("%q + %q: %q %v, redis-server says %q", p.a, p.b, got, err, want)
			}
			if wantEncoding != encoding.String() {
				t.Errorf("%q + %q: encoding %v, redis-server says %v", p.a, p.b, encoding, wantEncoding)
			}
		}
		if t.Failed() {
			return
		}
	}
}

func TestLCSAgainstRedis(t *testing.T) {
	o := startOracle(t)
	rng := testSeed(t)
	for range 500 {
		random := func() string {
			b := make([]byte, rng.Intn(40))
			for i := range b {
				b[i] = byte('a' + rng.Intn(2+rng.Intn(3)))
			}
			return string(b)
		}
		a, b, least := random(), random(), rng.Intn(4)
		o.do("MSET", "a", a, "b", b)
		seq, ranges, err := LCS([]byte(a), []byte(b), least, 1<<20)
		if want := o.do("LCS", "a", "b"); err != nil || string(seq) != want {
			t.Fatalf("LCS of %q and %q: %q %v, redis-server says %q", a, b, seq, err, want)
		}
		if want := o.do("LCS", "a", "b", "LEN"); int64(LCSLen([]byte(a), []byte(b))) != want {
			t.Fatalf("LCSLen of %q and %q: %d, redis-server says %v", a, b, LCSLen([]byte(a), []byte(b)), want)
		}
		want := o.do("LCS", "a", "b", "IDX", "WITHMATCHLEN", "MINMATCHLEN", strconv.Itoa(least)).([]any)[1].([]any)
		got := []any{}
		for _, r := range ranges {
			got = append(got, []any{[]any{int64(r.AStart), int64(r.AEnd)}, []any{int64(r.BStart), int64(r.BEnd)}, int64(r.Len())})
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("ranges of %q and %q, at least %d: %v, redis-server says %v", a, b, least, got, want)
		}
	}
	if _, _, err := LCS(make([]byte, 1000), make([]byte, 1000), 0, 4*1001*1001-1); err != ErrLCSTooLarge {
		t.Errorf("LCS beyond its memory: %v", err)
	}
}

// TestStringsAgainstRedis runs random string and generic operations on both and
// compares values, encodings, and in the end the digests.
func TestStringsAgainstRedis(t *testing.T) {
	o := startOracle(t)
	rng := testSeed(t)
	s := openStore(t, Options{Databases: 16})
	tx := Tx{Store: s, Now: 1}
	for range 20_000 {
		name := fmt.Sprintf("k%d", rng.Intn(40))
		k := MakeKey([]byte(name))
		n := rng.Intn(60)
		value := strings.Repeat("x", n)
		if rng.Intn(2) == 0 {
			value = strconv.FormatInt(rng.Int63()>>rng.Intn(64)-rng.Int63()>>rng.Intn(64), 10)
		} else if rng.Intn(30) == 0 {
			value = []string{"01", "-0", "+1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "", " 1"}[rng.Intn(9)]
		}
		if rng.Intn(20) == 0 {
			db := rng.Intn(3)
			tx.DB = db
			o.do("SELECT", strconv.Itoa(db))
		}
		var got, want any
		var what string
		switch op := rng.Intn(12); op {
		case 0, 1:
			what = "SET"
			want = o.do("SET", name, value)
			_, err := tx.Set(k, []byte(value), SetOptions{})
			got = outcome("OK", err)
		case 2:
			what = "APPEND"
			want = o.do("APPEND", name, value)
			n, err := tx.Append(k, []byte(value))
			got = outcome(int64(n), err)
		case 3:
			what = "SETRANGE"
			off := rng.Intn(70)
			want = o.do("SETRANGE", name, strconv.Itoa(off), value)
			n, err := tx.SetRange(k, int64(off), []byte(value))
			got = outcome(int64(n), err)
		case 4, 5:
			what = "INCRBY"
			delta := rng.Int63()>>rng.Intn(64) - rng.Int63()>>rng.Intn(64)
			want = o.do("INCRBY", name, strconv.FormatInt(delta, 10))
			n, err := tx.IncrBy(k, delta)
			got = outcome(n, err)
		case 6:
			what = "GETRANGE"
			from, to := rng.Intn(140)-70, rng.Intn(140)-70
			want = o.do("GETRANGE", name, strconv.Itoa(from), strconv.Itoa(to))
			b, err := tx.GetRange(k, int64(from), int64(to))
			got = outcome(string(b), err)
		case 7:
			what = "DEL"
			want = o.do("DEL", name)
			got = map[bool]int64{true: 1}[tx.Delete(k)]
		case 8:
			what = "PEXPIREAT"
			want = o.do("PEXPIREAT", name, "4000000000000")
			ok, err := tx.SetDeadline(k, 4000000000000)
			got = outcome(map[bool]int64{true: 1}[ok], err)
		case 9:
			what = "COPY"
			to := fmt.Sprintf("k%d", rng.Intn(40))
			if to == name {
				continue
			}
			want = o.do("COPY", name, to, "REPLACE")
			ok, err := tx.Copy(k, tx.DB, MakeKey([]byte(to)), true)
			got = outcome(map[bool]int64{true: 1}[ok], err)
		case 10:
			what = "PERSIST"
			want = o.do("PERSIST", name)
			ok, err := tx.Persist(k)
			got = outcome(map[bool]int64{true: 1}[ok], err)
		case 11:
			what = "GET"
			want = o.do("GET", name)
			b, ok, err := tx.Get(k)
			got = outcome(string(b), err)
			if !ok {
				got = nil
			}
		}
		if e, bad := want.(error); bad {
			want = e.Error()
		}
		if got != want {
			t.Fatalf("%s %s: %v, redis-server says %v", what, name, got, want)
		}
		encoding := any(nil)
		if e, ok := tx.Encoding(k); ok {
			encoding = e.String()
		}
		if want := o.do("OBJECT", "ENCODING", name); encoding != want {
			t.Fatalf("after %s %s: encoding %v, redis-server says %v", what, name, encoding, want)
		}
	}
	digest := s.Digest(false)
	if want := o.do("DEBUG", "DIGEST"); hex.EncodeToString(digest[:]) != want {
		t.Errorf("digest %x, redis-server says %v", digest, want)
	}
	tx.DB = 0
	o.do("SELECT", "0")
	for i := range 40 {
		name := fmt.Sprintf("k%d", i)
		d := tx.DigestValue(MakeKey([]byte(name)))
		if want := o.do("DEBUG", "DIGEST-VALUE", name).([]any)[0]; hex.EncodeToString(d[:]) != want {
			t.Errorf("digest of %s: %x, redis-server says %v", name, d, want)
		}
	}
}

// outcome is the reply that stands for a result.
func outcome(reply any, err error) any {
	switch err {
	case nil:
		return reply
	case ErrNotInteger:
		return "ERR value is not an integer or out of range"
	case ErrOverflow:
		return "ERR increment or decrement would overflow"
	}
	return err
}
