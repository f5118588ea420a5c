package geo

import (
	"math"
	"math/rand"
	"testing"
)

func randomPoint(rng *rand.Rand) Point {
	return Point{rng.Float64()*360 - 180, (rng.Float64()*2 - 1) * MaxLatitude}
}

// TestPlace: a place is found back within the size of the smallest cell.
func TestPlace(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 10_000 {
		p := randomPoint(rng)
		q := Place(float64(Score(p)))
		if math.Abs(p.Longitude-q.Longitude) > 360.0/(1<<26) || math.Abs(p.Latitude-q.Latitude) > 2*MaxLatitude/(1<<26) {
			t.Fatalf("%v became %v", p, q)
		}
	}
}

func TestHash(t *testing.T) {
	// The example of GEOHASH's documentation.
	for want, p := range map[string]Point{"sqc8b49rny0": {13.361389, 38.115556}, "sqdtr74hyu0": {15.087269, 37.502669}} {
		if got := Hash(Place(float64(Score(p)))); got != want {
			t.Errorf("%v: %s, want %s", p, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	d := Distance(Point{13.361389, 38.115556}, Point{15.087269, 37.502669})
	if math.Abs(d-166274.15) > 1 {
		t.Errorf("%f", d)
	}
	if d := Distance(Point{10, 0}, Point{10, 90}); math.Abs(d-earthRadius*math.Pi/2) > 1 {
		t.Errorf("a quarter of a meridian is %f", d)
	}
}

// TestAreas: no place in a circle of ordinary size lies outside of its areas.
func TestAreas(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	in := 0
	for range 20_000 {
		s := Shape{Center: Point{rng.Float64()*300 - 150, rng.Float64()*120 - 60}, Radius: 1e3 + rng.Float64()*1e6}
		p := Point{s.Center.Longitude + rng.Float64()*20 - 10, s.Center.Latitude + rng.Float64()*20 - 10}
		score := Score(p)
		if _, ok := s.Distance(Place(float64(score))); !ok {
			continue
		}
		in++
		found := false
		for _, a := range s.Areas() {
			found = found || score >= a.Low && score < a.High
		}
		if !found {
			t.Fatalf("%v is in %+v, but in none of its areas", p, s)
		}
	}
	if in < 1000 {
		t.Errorf("only %d places were in their circle", in)
	}
}
