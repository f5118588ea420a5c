package differential

import "strconv"

// wire is a minimal command.ReplyWriter for RESP3.
type wire struct{ b []byte }

func (w *wire) line(kind byte, s string) {
	w.b = append(append(append(w.b, kind), s...), "\r\n"...)
}
func (w *wire) Array(n int)   { w.line('*', strconv.Itoa(n)) }
func (w *wire) Map(n int)     { w.line('%', strconv.Itoa(n)) }
func (w *wire) Set(n int)     { w.line('~', strconv.Itoa(n)) }
func (w *wire) Bulk(b []byte) { w.BulkString(string(b)) }
func (w *wire) BulkString(s string) {
	w.line('$', strconv.Itoa(len(s)))
	w.b = append(w.b, s+"\r\n"...)
}
func (w *wire) Simple(s string) { w.line('+', s) }
func (w *wire) Int(n int64)     { w.line(':', strconv.FormatInt(n, 10)) }
func (w *wire) Null()           { w.line('_', "") }
func (w *wire) Error(s string)  { w.line('-', s) }
