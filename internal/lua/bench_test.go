package lua

import (
	"testing"

	"respkv/resp/proto"
)

// getHost answers every command with the same value.
type getHost struct{ echoHost }

func (h *getHost) Call([][]byte, int) (reply []byte, refused string) {
	return []byte("$3\r\nabc\r\n"), ""
}

// BenchmarkEval is what a script costs beside the command that it calls.
func BenchmarkEval(b *testing.B) {
	e := newTestEngine()
	s, err := e.Load([]byte("return redis.call('get',KEYS[1])"))
	if err != nil {
		b.Fatal(err)
	}
	keys := [][]byte{[]byte("key")}
	h := &getHost{}
	w := proto.NewWriter(nil, 2)
	b.ReportAllocs()
	for b.Loop() {
		r := e.Eval(s, &Run{Host: h, Name: s.SHA, Keys: keys})
		w.Truncate(0)
		r.Write(w)
		r.Close()
	}
}

// BenchmarkInstructions is what an instruction costs, looked at by the hook.
func BenchmarkInstructions(b *testing.B) {
	e := newTestEngine()
	s, err := e.Load([]byte("local n = 0 for i = 1, 1000 do n = n + i end return n"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e.Eval(s, &Run{Host: &echoHost{}, Name: s.SHA}).Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/instruction")
}
