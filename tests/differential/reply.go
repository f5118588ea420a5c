package differential

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxReplyBytes bounds one reply, so that a server gone wrong can't exhaust the
// test's memory.
const maxReplyBytes = 256 << 20

// appendReply reads one complete RESP2 or RESP3 reply and appends its exact
// bytes to buf.
func appendReply(buf []byte, r *bufio.Reader) ([]byte, error) {
	limit := len(buf) + maxReplyBytes
	for pending := 1; pending > 0; pending-- {
		line, err := r.ReadSlice('\n')
		buf = append(buf, line...)
		for errors.Is(err, bufio.ErrBufferFull) && len(buf) < limit {
			line, err = r.ReadSlice('\n')
			buf = append(buf, line...)
		}
		if err != nil {
			return buf, err
		}
		head := buf[bytes.LastIndexByte(buf[:len(buf)-1], '\n')+1:]
		if len(head) < 3 || head[len(head)-2] != '\r' {
			return buf, fmt.Errorf("malformed reply line %q", head)
		}
		switch head[0] {
		case '+', '-', ':', '_', ',', '#', '(':
			continue
		case '$', '=', '!', '*', '~', '%', '>', '|':
		default:
			return buf, fmt.Errorf("unknown reply type %q", head)
		}
		n, err := strconv.Atoi(string(head[1 : len(head)-2]))
		if err != nil {
			return buf, fmt.Errorf("bad length in %q", head)
		}
		switch head[0] {
		case '$', '=', '!':
			if n < 0 {
				continue
			}
			if len(buf)+n > limit {
				return buf, fmt.Errorf("reply of more than %d bytes", maxReplyBytes)
			}
			start := len(buf)
			buf = append(buf, make([]byte, n+2)...)
			if err := readFull(r, buf[start:]); err != nil {
				return buf, err
			}
		case '*', '~', '>':
			pending += max(n, 0)
		case '%':
			pending += 2 * n
		case '|': // an attribute precedes the reply
			pending += 2*n + 1
		}
	}
	return buf, nil
}

func readFull(r *bufio.Reader, p []byte) error {
	for len(p) > 0 {
		n, err := r.Read(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Reply is a parsed reply.
type Reply struct {
	Kind     byte    // first byte on the wire; '_' for every null
	Text     string  // simple strings, errors, bulks, numbers as digits
	Elements []Reply // aggregates; of a map: key, value, key, value
}

// ParseReply parses the exact bytes of one reply.
func ParseReply(raw []byte) (Reply, error) {
	v, rest, err := parse(raw)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after the reply", len(rest))
	}
	return v, err
}

func parse(raw []byte) (Reply, []byte, error) {
	line, rest, ok := bytes.Cut(raw, []byte("\r\n"))
	if !ok || len(line) == 0 {
		return Reply{}, nil, errors.New("reply cut short")
	}
	v := Reply{Kind: line[0], Text: string(line[1:])}
	switch v.Kind {
	case '+', '-', ':', '_', ',', '#', '(':
		return v, rest, nil
	}
	n, err := strconv.Atoi(v.Text)
	if err != nil {
		return v, nil, err
	}
	v.Text = ""
	if n < 0 {
		v.Kind = '_'
		return v, rest, nil
	}
	switch v.Kind {
	case '$', '=', '!':
		if len(rest) < n+2 {
			return v, nil, errors.New("reply cut short")
		}
		v.Text = string(rest[:n])
		return v, rest[n+2:], nil
	case '%', '|':
		n *= 2
	}
	for i := 0; i < n; i++ {
		var e Reply
		if e, rest, err = parse(rest); err != nil {
			return v, nil, err
		}
		v.Elements = append(v.Elements, e)
	}
	return v, rest, nil
}

// IsError says whether the reply is an error.
func (v Reply) IsError() bool { return v.Kind == '-' || v.Kind == '!' }

// String formats a reply much as redis-cli does, on one line.
func (v Reply) String() string {
	switch v.Kind {
	case '_':
		return "(nil)"
	case '+':
		return v.Text
	case '-', '!':
		return "(error) " + v.Text
	case ':':
		return "(integer) " + v.Text
	case ',':
		return "(double) " + v.Text
	case '#':
		return "(boolean) " + v.Text
	case '(':
		return "(big number) " + v.Text
	case '$':
		return strconv.Quote(v.Text)
	case '=':
		return "(verbatim) " + strconv.Quote(v.Text)
	}
	var b strings.Builder
	open, end := "[", "]"
	switch v.Kind {
	case '~':
		open, end = "set{", "}"
	case '%':
		open, end = "map{", "}"
	case '>':
		open = "push["
	case '|':
		open, end = "attribute{", "}"
	}
	b.WriteString(open)
	for i, e := range v.Elements {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.String())
	}
	b.WriteString(end)
	return b.String()
}

// show formats raw reply bytes for a failure message: readable first, and the
// bytes where two readable forms could be alike.
func show(raw []byte) string {
	const most = 1500
	text := ""
	if v, err := ParseReply(raw); err == nil {
		text = v.String() + "   "
	}
	text += strconv.Quote(string(raw))
	if len(text) > most {
		text = text[:most] + fmt.Sprintf("... (%d bytes)", len(raw))
	}
	return text
}
