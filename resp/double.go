package resp

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// parseDouble reads a floating-point number as Redis reads arguments, with C's
// strtod: decimal or hexadecimal, "inf" and "infinity" in any case, nothing
// before or behind. Not ok: it is none, not a number, or too large or too small
// for a double.
func parseDouble(b []byte) (f float64, ok bool) {
	f, inRange, ok := strtod(b)
	return f, ok && inRange && !math.IsNaN(f)
}

// parseLimit reads a number as the end of a range of scores, where Redis is
// less strict: blanks in front are skipped, nothing at all is 0, a zero byte
// ends it, and too large a number is infinite.
func parseLimit(b []byte) (f float64, ok bool) {
	b, _, _ = bytes.Cut(b, []byte{0})
	number := bytes.TrimLeft(b, " \t\n\v\f\r")
	if len(b) == 0 {
		return 0, true
	}
	f, _, ok = strtod(number)
	return f, ok && !math.IsNaN(f)
}

// strtod reads all of b as a number; inRange says that it fits a double.
func strtod(b []byte) (f float64, inRange, ok bool) {
	// What strconv takes beyond C, and the exponent it wants where C does not.
	if len(b) == 0 || bytes.IndexByte(b, '_') >= 0 {
		return 0, false, false
	}
	text := string(b)
	digits := bytes.TrimLeft(b, "+-")
	hex := len(digits) > 1 && digits[0] == '0' && digits[1]|0x20 == 'x'
	if hex && !bytes.ContainsAny(digits, "pP") {
		text += "p0"
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return f, false, errors.Is(err, strconv.ErrRange)
	}
	if f == 0 {
		return f, !hasMantissa(digits, hex), true
	}
	return f, true, true
}

// hasMantissa says whether a digit of a number other than its exponent is not 0.
func hasMantissa(digits []byte, hex bool) bool {
	exponent := "eE"
	if hex {
		digits, exponent = digits[2:], "pP"
	}
	if i := bytes.IndexAny(digits, exponent); i >= 0 {
		digits = digits[:i]
	}
	return len(bytes.Trim(digits, "0.")) > 0
}

// doubleArg is argument i as a floating-point number. Not ok: it replied with
// the error.
func (c *Ctx) doubleArg(i int, text string) (f float64, ok bool) {
	f, ok = parseDouble(c.Args[i])
	if !ok {
		c.W.Error(text)
	}
	return f, ok
}
