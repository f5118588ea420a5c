package store

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Redis computes INCRBYFLOAT in C's long double, on x86 the 80-bit extended
// format: 64 bits of mantissa, exponents -16382..16383, and prints it with
// "%.17Lf", trailing zeros cut. big.Float with 64 bits of precision rounds the
// same way; range and subnormal numbers are looked after here.
const (
	longDoublePrec   = 64
	longDoubleMaxExp = 16384  // of big.Float, whose mantissa is in [0.5, 1)
	longDoubleMinExp = -16381 // of the smallest normal number
	maxFloatText     = 5 * 1024
)

// addFloats returns the text of the sum of two numbers given as text.
func addFloats(a, b []byte) ([]byte, error) {
	x, ok := parseLongDouble(a)
	if !ok {
		return nil, ErrNotFloat
	}
	y, ok := parseLongDouble(b)
	if !ok {
		return nil, ErrNotFloat
	}
	if x.IsInf() || y.IsInf() {
		return nil, ErrNaNOrInf
	}
	sum := roundLongDouble(new(big.Float).SetPrec(longDoublePrec).Add(x, y))
	if sum.IsInf() {
		return nil, ErrNaNOrInf
	}
	return formatLongDouble(sum), nil
}

func formatLongDouble(f *big.Float) []byte {
	text := f.Append(make([]byte, 0, 32), 'f', 17)
	n := len(text)
	for text[n-1] == '0' {
		n--
	}
	if text[n-1] == '.' {
		n--
	}
	if string(text[:n]) == "-0" {
		return []byte("0")
	}
	return text[:n]
}

// parseLongDouble reads a number as Redis's string2ld does with strtold:
// decimal or hexadecimal, "inf" and "infinity", no surrounding space, no NaN;
// too large or too small a number is none.
func parseLongDouble(b []byte) (*big.Float, bool) {
	if len(b) == 0 || len(b) >= maxFloatText {
		return nil, false
	}
	s := string(b)
	negative := s[0] == '-'
	if negative || s[0] == '+' {
		s = s[1:]
	}
	var f *big.Float
	ok := false
	switch lower := strings.ToLower(s); {
	case lower == "inf" || lower == "infinity":
		return new(big.Float).SetInf(negative), true
	case strings.HasPrefix(lower, "0x"):
		f, ok = parseNumber(lower[2:], 16, 'p')
	default:
		f, ok = parseNumber(lower, 10, 'e')
	}
	if !ok {
		return nil, false
	}
	zero := f.Sign() == 0
	f = roundLongDouble(f)
	if f.IsInf() || f.Sign() == 0 && !zero {
		return nil, false
	}
	if negative {
		f.Neg(f)
	}
	return f, true
}

// parseNumber reads digits with an optional point and an optional exponent,
// exact, or rounded once to 64 bits.
func parseNumber(s string, base int, expMark byte) (*big.Float, bool) {
	mantissa, exp := s, 0
	if i := strings.IndexByte(s, expMark); i >= 0 {
		var ok bool
		if exp, ok = parseExponent(s[i+1:]); !ok {
			return nil, false
		}
		mantissa = s[:i]
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	digits := whole + frac
	if digits == "" {
		return nil, false
	}
	for i := range len(digits) {
		if c := digits[i]; !(c >= '0' && c <= '9' || base == 16 && c >= 'a' && c <= 'f') {
			return nil, false
		}
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return nil, false
	}
	result := new(big.Float).SetPrec(longDoublePrec)
	if n.Sign() == 0 {
		return result, true
	}
	if base == 16 {
		exp -= 4 * len(frac)
		exact := new(big.Float).SetPrec(uint(max(n.BitLen(), longDoublePrec))).SetInt(n)
		if magnitude := exact.MantExp(nil) + exp; magnitude > 2*longDoubleMaxExp {
			return result.SetInf(false), true
		} else if magnitude < -2*longDoubleMaxExp {
			return result.SetMantExp(big.NewFloat(0.5), -2*longDoubleMaxExp), true
		}
		return exact.SetMantExp(exact, exp), true
	}
	exp -= len(frac)
	// The decimal exponent of the number; far out of range needs no digits.
	switch magnitude := len(strings.TrimLeft(digits, "0")) + exp; {
	case magnitude > 5000:
		return result.SetInf(false), true
	case magnitude < -5000:
		return result.SetMantExp(big.NewFloat(0.5), -2*longDoubleMaxExp), true
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		n.Mul(n, scale)
		return new(big.Float).SetPrec(uint(max(n.BitLen(), longDoublePrec))).SetInt(n), true
	}
	return divide(n, scale), true
}

// divide returns n/d with bits enough that rounding it again, to 64 bits or to
// those of a subnormal number, gives what rounding the exact quotient would: the
// last bit is sticky.
func divide(n, d *big.Int) *big.Float {
	shift := max(0, 2*longDoublePrec+d.BitLen()-n.BitLen())
	q, r := new(big.Int).QuoRem(new(big.Int).Lsh(n, uint(shift)), d, new(big.Int))
	if r.Sign() != 0 {
		q.Lsh(q, 1).SetBit(q, 0, 1)
		shift++
	}
	f := new(big.Float).SetPrec(uint(max(q.BitLen(), longDoublePrec))).SetInt(q)
	return f.SetMantExp(f, -shift)
}

// parseExponent reads a signed decimal exponent, clamped far outside of the
// range of long double.
func parseExponent(s string) (int, bool) {
	const limit = 1 << 20
	n, err := strconv.Atoi(s)
	if err != nil {
		e, isNum := err.(*strconv.NumError)
		if !isNum || e.Err != strconv.ErrRange {
			return 0, false
		}
	}
	return max(-limit, min(n, limit)), true
}

// roundLongDouble rounds f to the nearest long double: infinite when it is too
// large, with fewer bits when it is subnormal.
func roundLongDouble(f *big.Float) *big.Float {
	if f.Sign() == 0 || f.IsInf() {
		return f
	}
	prec := longDoublePrec
	if exp := f.MantExp(nil); exp < longDoubleMinExp {
		prec -= longDoubleMinExp - exp
	}
	if prec <= 0 {
		// Half of the smallest number rounds to zero, more than half up.
		half := prec == 0 && f.MantExp(new(big.Float)) == longDoubleMinExp-longDoublePrec
		smallest := new(big.Float).SetMantExp(big.NewFloat(0.5), longDoubleMinExp-longDoublePrec+1)
		if half && new(big.Float).Abs(f).Cmp(new(big.Float).SetMantExp(smallest, -1)) > 0 {
			if f.Signbit() {
				smallest.Neg(smallest)
			}
			return smallest.SetPrec(longDoublePrec)
		}
		return new(big.Float).SetPrec(longDoublePrec)
	}
	r := new(big.Float).SetPrec(uint(prec)).Set(f)
	r.SetPrec(longDoublePrec)
	if r.MantExp(nil) > longDoubleMaxExp {
		return r.SetInf(r.Signbit())
	}
	return r
}

// ParseSeconds reads a number of seconds, as Redis reads timeouts, in
// milliseconds, rounded up. What is too large comes back negative, as it does
// there.
func ParseSeconds(b []byte) (millis int64, ok bool) {
	f, ok := parseLongDouble(b)
	if !ok {
		return 0, false
	}
	if f.IsInf() {
		return math.MinInt64, true
	}
	f = roundLongDouble(f.Mul(f, big.NewFloat(1000)))
	n, rest := f.Int64()
	if n == math.MaxInt64 && rest != big.Exact || n == math.MinInt64 {
		return math.MinInt64, true
	}
	if rest == big.Below {
		n++ // Int64 cuts off towards zero
	}
	if n == math.MinInt64 || n == math.MaxInt64 {
		return math.MinInt64, true
	}
	return n, true
}
