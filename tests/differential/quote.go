package differential

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errQuote = errors.New("unbalanced quotes")

// splitArgs splits a line as redis-cli does: words, "..." with \xHH and \n \r
// \t \b \a escapes, '...' with \' only.
func splitArgs(line string) ([]string, error) {
	var args []string
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return args, nil
		}
		var arg string
		var err error
		if arg, line, err = nextArg(line); err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
}

func nextArg(s string) (arg, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t':
			return b.String(), s[i:], nil
		case '"', '\'':
			quote := s[i]
			n, ok := quoted(&b, s[i+1:], quote)
			i += n + 1
			if !ok || i+1 < len(s) && s[i+1] != ' ' && s[i+1] != '\t' {
				return "", "", errQuote
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", nil
}

// quoted decodes up to the closing quote and returns its index in s.
func quoted(b *strings.Builder, s string, quote byte) (end int, ok bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i, true
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case quote == '\'':
			if s[i+1] == '\'' {
				i++
			}
			b.WriteByte(s[i])
		case s[i+1] == 'x' && i+3 < len(s) && isHex(s[i+2:i+4]):
			n, _ := strconv.ParseUint(s[i+2:i+4], 16, 8) // two hex digits always parse
			b.WriteByte(byte(n))
			i += 3
		default:
			i++
			if at := strings.IndexByte("nrtba", s[i]); at >= 0 {
				b.WriteByte("\n\r\t\b\a"[at])
			} else {
				b.WriteByte(s[i])
			}
		}
	}
	return 0, false
}

func isHex(s string) bool {
	_, err := strconv.ParseUint(s, 16, 8)
	return err == nil
}

// joinArgs is the reverse of splitArgs.
func joinArgs(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = quoteArg(a)
	}
	return strings.Join(words, " ")
}

func quoteArg(a string) string {
	plain := a != "" && a[0] != '@' && a[0] != '#'
	for i := 0; i < len(a); i++ {
		if c := a[i]; c <= ' ' || c > '~' || strings.IndexByte("\"'\\$", c) >= 0 {
			plain = false
		}
	}
	if plain {
		return a
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(a); i++ {
		switch c := a[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~' || c == '$':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
