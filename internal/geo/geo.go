// Package geo turns coordinates into the 52-bit scores under which Redis keeps
// places in sorted sets, and back, and measures distances.
//
// A score interleaves 26 bits of latitude (even bits) and 26 bits of longitude
// (odd bits), each the coordinate's place in its range; so places that are near
// each other often have near scores.
package geo

import "math"

// Limits of coordinates, in degrees: those of the web Mercator projection,
// EPSG:3857.
const (
	MaxLongitude = 180
	MaxLatitude  = 85.05112878
)

// steps is the number of bits of a coordinate in a score.
const steps = 26

// earthRadius in metres.
const earthRadius = 6372797.560856

// Point is a place, in degrees.
type Point struct{ Longitude, Latitude float64 }

// Valid says whether a place can be given a score.
func (p Point) Valid() bool {
	return p.Longitude >= -MaxLongitude && p.Longitude <= MaxLongitude &&
		p.Latitude >= -MaxLatitude && p.Latitude <= MaxLatitude
}

// Score is the score of a place.
func Score(p Point) uint64 { return encode(p, MaxLatitude, steps) }

// encode interleaves n bits of each coordinate, latitudes reaching to maxLatitude.
func encode(p Point, maxLatitude float64, n int) uint64 {
	latitude := (p.Latitude + maxLatitude) / (2 * maxLatitude)
	longitude := (p.Longitude + MaxLongitude) / (2 * MaxLongitude)
	scale := float64(uint64(1) << n)
	return spread(uint32(int64(latitude*scale))) | spread(uint32(int64(longitude*scale)))<<1
}

// cell is the area of the scores that begin with n bits of each coordinate.
type cell struct{ low, high Point }

func decode(bits uint64, n int) cell {
	scale := float64(uint64(1) << n)
	latitude, longitude := float64(gather(bits)), float64(gather(bits>>1))
	return cell{
		low: Point{
			-MaxLongitude + longitude/scale*(2*MaxLongitude),
			-MaxLatitude + latitude/scale*(2*MaxLatitude),
		},
		high: Point{
			-MaxLongitude + (longitude+1)/scale*(2*MaxLongitude),
			-MaxLatitude + (latitude+1)/scale*(2*MaxLatitude),
		},
	}
}

// Place is the middle of the area that has a score.
func Place(score float64) Point {
	c := decode(bitsOf(score), steps)
	return Point{
		min(MaxLongitude, max(-MaxLongitude, (c.low.Longitude+c.high.Longitude)/2)),
		min(MaxLatitude, max(-MaxLatitude, (c.low.Latitude+c.high.Latitude)/2)),
	}
}

// bitsOf converts a score that need not be one of a place as Redis on x86-64
// does; the language leaves what is out of range open.
func bitsOf(score float64) uint64 {
	const half = 1 << 63
	switch {
	case score >= -half && score < half:
		return uint64(int64(score))
	case score >= half && score < 2*half:
		return uint64(int64(score-half)) ^ half
	case score >= 2*half:
		return 0
	default:
		return half
	}
}

const alphabet = "0123456789bcdefghjkmnpqrstuvwxyz"

// Hash is the standard geohash of a place, 11 characters of 5 bits, of which
// the last, for which bits are missing, is always 0.
func Hash(p Point) string {
	bits := encode(p, 90, steps)
	var text [11]byte
	for i := range text {
		text[i] = alphabet[0]
		if i < 10 {
			text[i] = alphabet[bits>>(52-5*(i+1))&31]
		}
	}
	return string(text[:])
}

// spread puts a zero bit above each bit.
func spread(n uint32) uint64 {
	x := uint64(n)
	x = (x | x<<16) & 0x0000FFFF0000FFFF
	x = (x | x<<8) & 0x00FF00FF00FF00FF
	x = (x | x<<4) & 0x0F0F0F0F0F0F0F0F
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// gather takes every other bit, from bit 0 on.
func gather(x uint64) uint32 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0F0F0F0F0F0F0F0F
	x = (x | x>>4) & 0x00FF00FF00FF00FF
	x = (x | x>>8) & 0x0000FFFF0000FFFF
	return uint32(x | x>>16)
}

func radians(degrees float64) float64 { return degrees * (math.Pi / 180) }
func degrees(radians float64) float64 { return radians / (math.Pi / 180) }

// Distance is the length in metres of the great circle between two places, the
// earth taken as a sphere (haversine formula).
func Distance(a, b Point) float64 { return haversine(a, b, math.Sin, math.Cos, math.Asin) }

// ExactDistance is Distance with the last bit of what redis-server works out, nearly always.
// It takes about 2 µs.
func ExactDistance(a, b Point) float64 { return haversine(a, b, sine, cosine, arcSine) }

func haversine(a, b Point, sin, cos, asin func(float64) float64) float64 {
	v := sin((radians(b.Longitude) - radians(a.Longitude)) / 2)
	if v == 0 {
		return latitudeDistance(a.Latitude, b.Latitude)
	}
	u := sin((radians(b.Latitude) - radians(a.Latitude)) / 2)
	// float64: no step is fused with the next, whatever the processor.
	h := float64(u*u) + float64(cos(radians(a.Latitude))*cos(radians(b.Latitude))*v*v)
	return 2 * earthRadius * asin(math.Sqrt(h))
}

func latitudeDistance(a, b float64) float64 {
	return earthRadius * math.Abs(radians(b)-radians(a))
}
