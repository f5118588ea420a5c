package geo

import "math"

// Shape is a circle or, with Box, a box around a place; lengths are in metres.
type Shape struct {
	Center        Point
	Box           bool
	Radius        float64
	Width, Height float64
}

// Distance returns how far a place is from the middle, and whether it is in the
// shape.
func (s *Shape) Distance(p Point) (distance float64, in bool) {
	if !s.Box {
		distance = Distance(s.Center, p)
		return distance, distance <= s.Radius
	}
	if latitudeDistance(p.Latitude, s.Center.Latitude) > s.Height/2 ||
		Distance(p, Point{s.Center.Longitude, p.Latitude}) > s.Width/2 {
		return 0, false
	}
	return Distance(s.Center, p), true
}

// bounds is the box of coordinates that holds the shape.
func (s *Shape) bounds() cell {
	width, height := s.Radius, s.Radius
	if s.Box {
		width, height = s.Width/2, s.Height/2
	}
	dLatitude := degrees(height / earthRadius)
	// Meridians are closest to each other on the side of the nearer pole.
	widest := s.Center.Latitude + dLatitude
	if s.Center.Latitude < 0 {
		widest = s.Center.Latitude - dLatitude
	}
	dLongitude := degrees(width / earthRadius / math.Cos(radians(widest)))
	return cell{
		low:  Point{s.Center.Longitude - dLongitude, s.Center.Latitude - dLatitude},
		high: Point{s.Center.Longitude + dLongitude, s.Center.Latitude + dLatitude},
	}
}

// precision is the number of bits of a coordinate whose cells are about as
// large as the shape.
func (s *Shape) precision() int {
	const half = 20037726.37 // metres, of the equator
	r := s.Radius
	if s.Box {
		r = math.Sqrt((s.Width/2)*(s.Width/2) + (s.Height/2)*(s.Height/2))
	}
	if r == 0 {
		return steps
	}
	n := 1
	for r < half {
		r *= 2
		n++
	}
	n -= 2
	// Cells get narrower towards the poles.
	if latitude := math.Abs(s.Center.Latitude); latitude > 80 {
		n -= 2
	} else if latitude > 66 {
		n--
	}
	return min(steps, max(1, n))
}

// Scores are the scores from Low on, up to but not including High.
type Scores struct{ Low, High uint64 }

// grid are a cell and its neighbours in the order in which they are searched:
// the cell, north, south, east, west, north-east, north-west, south-east,
// south-west; as steps to the east and to the north.
var grid = [9][2]int{{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}}

const (
	north = 1
	south = 2
	east  = 3
	west  = 4
)

// around returns the cells of n bits around the shape's middle. Beyond an edge
// of the map it goes on at the opposite one; but as in Redis, the cell of a place
// on the last meridian or parallel itself lies outside of all.
func (s *Shape) around(n int) (cells [9]uint64) {
	bits := encode(s.Center, MaxLatitude, n)
	mask := uint32(1)<<n - 1
	latitude, longitude := gather(bits), gather(bits>>1)
	for i, step := range grid {
		y, x := latitude, longitude
		if step[1] != 0 {
			y = (y + uint32(step[1])) & mask
		}
		if step[0] != 0 {
			x = (x + uint32(step[0])) & mask
		}
		cells[i] = spread(y) | spread(x)<<1
	}
	return cells
}

// Areas returns the scores among which the places in the shape are.
func (s *Shape) Areas() []Scores {
	box := s.bounds()
	n := s.precision()
	cells := s.around(n)
	if n > 1 && (decode(cells[north], n).high.Latitude < box.high.Latitude ||
		decode(cells[south], n).low.Latitude > box.low.Latitude ||
		decode(cells[east], n).high.Longitude < box.high.Longitude ||
		decode(cells[west], n).low.Longitude > box.low.Longitude) {
		n--
		cells = s.around(n)
	}
	middle := decode(cells[0], n)
	shift := 2 * (steps - n)
	var areas []Scores
	last := -1
	for i, bits := range cells {
		// Sides on which the shape does not leave the middle cell.
		step := grid[i]
		if n >= 2 && (step[1] < 0 && middle.low.Latitude < box.low.Latitude ||
			step[1] > 0 && middle.high.Latitude > box.high.Latitude ||
			step[0] < 0 && middle.low.Longitude < box.low.Longitude ||
			step[0] > 0 && middle.high.Longitude > box.high.Longitude) {
			continue
		}
		// With large cells, neighbours on both sides may be the same one.
		if last > 0 && bits == cells[last] {
			continue
		}
		last = i
		areas = append(areas, Scores{bits << shift, (bits + 1) << shift})
	}
	return areas
}
