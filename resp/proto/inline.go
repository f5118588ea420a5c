package proto

import "bytes"

// inline reads a command typed as one line of words, as from telnet.
func (p *Parser) inline(buf []byte, args [][]byte) ([][]byte, int, error) {
	i := bytes.IndexByte(buf[p.scanned:], '\n')
	if i < 0 || bytes.IndexByte(buf[:p.scanned+i], 0) >= 0 {
		// Redis sees no line end after a NUL byte: what speaks TLS to a plain
		// port is left to its timeout.
		p.scanned = len(buf)
		if p.scanned > MaxInline {
			return args, 0, ErrInlineTooBig
		}
		return args, 0, nil
	}
	i += p.scanned
	if i > MaxInline {
		return args, 0, ErrInlineTooBig
	}
	p.scanned = 0
	line := buf[:i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	args, ok := SplitArgs(line, args)
	if !ok {
		return args, 0, ErrUnbalancedQuotes
	}
	return args, i + 1, nil
}

// SplitArgs splits a line into arguments by the quoting rules of redis-cli
// and the configuration file, and appends them to args. Words are separated
// by white space; "..." may hold \n \r \t \b \a \\ \" and \xHH; '...' may
// hold \'. A closing quote must end its word. A NUL byte ends the line. ok is
// false when quotes are unbalanced. Arguments without quotes alias line.
func SplitArgs(line []byte, args [][]byte) (result [][]byte, ok bool) {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	for {
		for len(line) > 0 && isSpace(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			return args, true
		}
		var arg []byte
		if arg, line, ok = splitArg(line); !ok {
			return args, false
		}
		args = append(args, arg)
	}
}

// splitArg cuts the first word from line, which begins with it.
func splitArg(line []byte) (arg, rest []byte, ok bool) {
	i := 0
	for i < len(line) && !endsWord(line[i]) && line[i] != '"' && line[i] != '\'' {
		i++
	}
	if i == len(line) || endsWord(line[i]) {
		return line[:i:i], line[i:], true
	}
	// Quotes: the word is decoded into memory of its own, because the input
	// may have to be parsed again.
	arg = append([]byte{}, line[:i]...)
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			rest = line[i+1:]
			return arg, rest, len(rest) == 0 || isSpace(rest[0])
		case c == '\\' && quote == '"' && i+3 < len(line) && line[i+1] == 'x' && isHex(line[i+2]) && isHex(line[i+3]):
			arg = append(arg, unhex(line[i+2])<<4|unhex(line[i+3]))
			i += 3
		case c == '\\' && quote == '"' && i+1 < len(line):
			i++
			arg = append(arg, unescape(line[i]))
		case c == '\\' && quote == '\'' && i+1 < len(line) && line[i+1] == '\'':
			i++
			arg = append(arg, '\'')
		default:
			arg = append(arg, c)
		}
	}
	return nil, nil, false
}

func endsWord(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// isSpace is C's isspace: two characters more than end an unquoted word.
func isSpace(c byte) bool { return endsWord(c) || c == '\v' || c == '\f' }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}
