package geo

import "math"

// Sine, cosine and arc sine with a relative error far below the last bit before they are rounded
// (arc sine: but for places on opposite sides of the earth).
//
// Those of package math may be off by the last bit, which shows where distances
// are stored as scores: the C library of redis-server is correct nearly always.
// Elsewhere distances have four decimal places.

// wide is a number of twice the precision, the sum of both parts.
type wide struct{ high, low float64 }

func sum(a, b float64) wide {
	s := a + b
	t := s - a
	return wide{s, (a - (s - t)) + (b - t)}
}

func (a wide) add(b wide) wide {
	s := sum(a.high, b.high)
	return sum(s.high, s.low+(a.low+b.low))
}

func (a wide) mul(b wide) wide {
	p := a.high * b.high
	e := math.FMA(a.high, b.high, -p)
	e = math.FMA(a.high, b.low, e)
	return sum(p, math.FMA(a.low, b.high, e))
}

// Half of π in three parts; the first has room for exact multiples.
const (
	halfPi1 = 0x1.921fb544p+0
	halfPi2 = 0x1.0b4611a6p-34
	halfPi3 = 0x1.3198a2e037073p-69
)

// terms are the coefficients of the series of sine and cosine: 1/n! with signs.
var terms = func() (t [28]wide) {
	t[0], t[1] = wide{high: 1}, wide{high: 1}
	for n := 2; n < len(t); n++ {
		last, d := t[n-1], float64(n)
		q := last.high / d
		rest := math.FMA(-q, d, last.high) + last.low
		t[n] = sum(q, rest/d)
	}
	for n := range t {
		if n/2%2 == 1 {
			t[n] = wide{-t[n].high, -t[n].low}
		}
	}
	return t
}()

// series is the sine of r if first is 1, the cosine if it is 0.
func series(r wide, first int) wide {
	square := r.mul(r)
	last := len(terms) - 2 + first
	s := terms[last]
	for n := last - 2; n >= first; n -= 2 {
		s = s.mul(square).add(terms[n])
	}
	if first == 1 {
		s = s.mul(r)
	}
	return s
}

// wideSine is the sine of x, for angles of some turns, quarters of a turn added.
func wideSine(x float64, quarters int) wide {
	k := math.Round(x / (math.Pi / 2))
	r := sum(x-k*halfPi1, -k*halfPi2).add(wide{high: -k * halfPi3})
	q := (int(k) + quarters) & 3
	s := series(r, 1-q&1)
	if q >= 2 {
		return wide{-s.high, -s.low}
	}
	return s
}

func sine(x float64) float64   { return wideSine(x, 0).high }
func cosine(x float64) float64 { return wideSine(x, 1).high }

// arcSine corrects what package math says by one of Newton's steps.
func arcSine(y float64) float64 {
	a := math.Asin(y)
	slope := math.Cos(a)
	if slope < 1e-4 || math.IsNaN(a) {
		return a
	}
	s := wideSine(a, 0)
	return a + ((y-s.high)-s.low)/slope
}
