package proto

import "bytes"

const (
	// MaxArgs is the largest number of arguments of one command.
	MaxArgs = 1024 * 1024
	// MaxInline bounds an inline command, and the lines that announce a
	// multibulk or bulk length, in bytes without the line break.
	MaxInline = 64 * 1024
	// DefaultMaxBulk is Redis's default of proto-max-bulk-len.
	DefaultMaxBulk = 512 * 1024 * 1024
	// UnauthenticatedMaxArgs and UnauthenticatedMaxBulk bound what a client
	// may send before it has authenticated.
	UnauthenticatedMaxArgs = 10
	UnauthenticatedMaxBulk = 16 * 1024
	// BigArg is the length in bytes from which an argument counts as big:
	// the read buffer grows for it and is not kept.
	BigArg = 32 * 1024
)

// Error is a violation of the protocol. Its text is what the client is told,
// after "-ERR "; the connection must be closed then, because where the next
// command begins is unknown.
type Error string

func (e Error) Error() string { return string(e) }

// What Redis answers to malformed requests.
const (
	ErrMultibulkLength     = Error("Protocol error: invalid multibulk length")
	ErrBulkLength          = Error("Protocol error: invalid bulk length")
	ErrInlineTooBig        = Error("Protocol error: too big inline request")
	ErrCountTooBig         = Error("Protocol error: too big mbulk count string")
	ErrBulkCountTooBig     = Error("Protocol error: too big bulk count string")
	ErrUnbalancedQuotes    = Error("Protocol error: unbalanced quotes in request")
	ErrUnauthenticatedArgs = Error("Protocol error: unauthenticated multibulk length")
	ErrUnauthenticatedBulk = Error("Protocol error: unauthenticated bulk length")
)

// span is an argument as offsets from the start of its command: the buffer
// may move while a command arrives in pieces.
type span struct{ start, end int }

// Parser cuts a stream of requests into commands. It holds no bytes: it is
// called on the buffer that holds them and remembers how far it got within
// an incomplete command, so that input in any number of pieces is looked at
// once. The zero value is ready for an authenticated client with the default
// limits.
//
// It allocates only what the bytes received justify, whatever lengths a
// client announces. Not safe for concurrent use.
type Parser struct {
	// MaxBulk is the longest argument allowed, in bytes; 0 is
	// DefaultMaxBulk. May be changed between calls.
	MaxBulk int
	// Unauthenticated applies the limits of clients that did not log in yet.
	Unauthenticated bool

	pos       int // next byte to look at, from the start of the command
	scanned   int // bytes after pos known to hold no line end
	remaining int // arguments still to come; 0: header not seen yet
	bulk      int // length of the argument at pos, -1: its header not seen yet
	spans     Spans
}

// Parse reads one command from buf, which begins with the first byte that no
// earlier call consumed: after an incomplete call the same bytes, wherever
// they lie now, followed by more.
//
// It appends the arguments to args and returns the result and the number of
// bytes consumed. 0 bytes: incomplete, call again with more. Bytes consumed
// but nothing appended: an empty request, which is no command and gets no
// reply. The arguments alias buf, except for inline arguments in quotes. An
// error is an Error; the parser is of no use after it.
func (p *Parser) Parse(buf []byte, args [][]byte) ([][]byte, int, error) {
	if p.remaining == 0 {
		if len(buf) == 0 {
			return args, 0, nil
		}
		if buf[0] != '*' {
			return p.inline(buf, args)
		}
		n, ok, err := p.length(buf, ErrCountTooBig)
		if err != nil || !ok {
			return args, 0, err
		}
		if n == invalidLength || n > MaxArgs {
			return args, 0, ErrMultibulkLength
		}
		if n > UnauthenticatedMaxArgs && p.Unauthenticated {
			return args, 0, ErrUnauthenticatedArgs
		}
		if n <= 0 {
			consumed := p.pos
			p.pos = 0
			return args, consumed, nil
		}
		p.remaining, p.bulk = int(n), -1
	}
	for p.remaining > 0 {
		if p.bulk < 0 {
			if ok, err := p.bulkHeader(buf); err != nil || !ok {
				return args, 0, err
			}
		}
		// The two bytes after the argument are not looked at, as in Redis.
		if len(buf)-p.pos-2 < p.bulk {
			return args, 0, nil
		}
		p.spans = append(p.spans, span{p.pos, p.pos + p.bulk})
		p.pos += p.bulk + 2
		p.bulk = -1
		p.remaining--
	}
	for _, s := range p.spans {
		args = append(args, buf[s.start:s.end:s.end])
	}
	consumed := p.pos
	p.Reset()
	return args, consumed, nil
}

// Reset forgets an incomplete command.
func (p *Parser) Reset() {
	p.pos, p.scanned, p.remaining, p.bulk = 0, 0, 0, -1
	p.spans = p.spans[:0]
}

// Spans is memory for the bookkeeping of a Parser.
type Spans []span

// Lend gives the parser memory for commands of many arguments, unless it has its own for one that
// is incomplete. Nothing is allocated as long as it is enough.
func (p *Parser) Lend(s Spans) {
	if len(p.spans) == 0 && cap(s) > cap(p.spans) {
		p.spans = s[:0]
	}
}

// TakeBack returns what was lent, grown maybe; nil: an incomplete command needs it.
func (p *Parser) TakeBack() (s Spans) {
	if len(p.spans) == 0 {
		s, p.spans = p.spans, nil
	}
	return s
}

// Need returns, after an incomplete call, how many bytes from the start of
// the command the parser must see before it can go on: exact when it waits
// for an argument of known length, else one more than it has seen. last tells
// that the argument waited for is the last of its command, so that a buffer
// of that size will do for the whole.
func (p *Parser) Need() (n int, last bool) {
	if p.remaining > 0 && p.bulk >= 0 {
		return p.pos + p.bulk + 2, p.remaining == 1
	}
	return p.pos + p.scanned + 1, false
}

// Overhead is the memory in bytes that bookkeeping of an incomplete command
// takes.
func (p *Parser) Overhead() int { return cap(p.spans) * 16 }

// bulkHeader reads the "$<length>" line at p.pos.
func (p *Parser) bulkHeader(buf []byte) (ok bool, err error) {
	start := p.pos
	n, ok, err := p.length(buf, ErrBulkCountTooBig)
	if err != nil || !ok {
		return false, err
	}
	if buf[start] != '$' {
		return false, Error("Protocol error: expected '$', got '" + string(buf[start:start+1]) + "'")
	}
	limit := p.MaxBulk
	if limit <= 0 {
		limit = DefaultMaxBulk
	}
	if n < 0 || n > int64(limit) {
		return false, ErrBulkLength
	}
	if n > UnauthenticatedMaxBulk && p.Unauthenticated {
		return false, ErrUnauthenticatedBulk
	}
	p.bulk = int(n)
	return true, nil
}

// invalidLength stands for a length line that is no number. Negative numbers,
// which all mean the same, are -1.
const invalidLength = -2

// length reads the line at p.pos: a type byte and a decimal number, up to a
// '\r' and one more byte. ok is false when the line is incomplete.
func (p *Parser) length(buf []byte, tooBig Error) (n int64, ok bool, err error) {
	line := buf[p.pos:]
	// Nearly all lines are short, whole and well-formed.
	d := 1
	for d < len(line) && d < 10 && line[d]-'0' <= 9 {
		n = n*10 + int64(line[d]-'0')
		d++
	}
	if d > 1 && d+1 < len(line) && line[d] == '\r' && (line[1] != '0' || d == 2) {
		p.pos += d + 2
		p.scanned = 0
		return n, true, nil
	}
	i := bytes.IndexByte(line[p.scanned:], '\r')
	if i < 0 {
		p.scanned = len(line)
		if p.scanned > MaxInline {
			return 0, false, tooBig
		}
		return 0, false, nil
	}
	i += p.scanned
	if i > MaxInline {
		return 0, false, tooBig
	}
	if i+1 >= len(line) {
		p.scanned = i
		return 0, false, nil
	}
	if n, ok = parseInt(line[min(1, i):i]); !ok {
		n = invalidLength
	} else {
		n = max(n, -1)
	}
	p.pos += i + 2
	p.scanned = 0
	return n, true, nil
}

// parseInt accepts the decimal numbers that Redis accepts as lengths: an
// optional minus sign and digits without leading zeros, within int64.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 1 && b[0]-'0' <= 9 {
		return int64(b[0] - '0'), true
	}
	negative := false
	if len(b) > 0 && b[0] == '-' {
		negative = true
		b = b[1:]
	}
	// 19 digits hold every int64; the sum below can't pass 64 bits unsigned.
	if len(b) == 0 || len(b) > 19 || b[0] == '0' {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + uint64(d)
	}
	if negative {
		if v > 1<<63 {
			return 0, false
		}
		return -int64(v), true
	}
	if v > 1<<63-1 {
		return 0, false
	}
	return int64(v), true
}
