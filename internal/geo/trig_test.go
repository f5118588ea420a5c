package geo

import (
	"math"
	"math/big"
	"math/rand"
	"testing"
)

func exactly(f float64) *big.Float { return new(big.Float).SetPrec(300).SetFloat64(f) }

// exactSine sums the series in 300 bits.
func exactSine(x *big.Float, cosine bool) *big.Float {
	term, total, first := exactly(1), exactly(0), 0
	if !cosine {
		term, first = exactly(0).Set(x), 1
	}
	square := exactly(0).Mul(x, x)
	for i := first; i < 70; i += 2 {
		total.Add(total, term)
		term = exactly(0).Mul(term, square)
		term.Quo(term, exactly(-float64((i+1)*(i+2))))
	}
	return total
}

func TestTrigonometryIsExact(t *testing.T) {
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewSource(seed))
	for range 2000 {
		x := (rng.Float64() - 0.5) * 2 * math.Pi
		if rng.Intn(3) == 0 {
			x *= math.Pow(10, -6*rng.Float64())
		}
		if want, _ := exactSine(exactly(x), false).Float64(); sine(x) != want {
			t.Fatalf("sine(%v) = %v, want %v", x, sine(x), want)
		}
		if want, _ := exactSine(exactly(x), true).Float64(); cosine(x) != want {
			t.Fatalf("cosine(%v) = %v, want %v", x, cosine(x), want)
		}
		y := rng.Float64()
		a := arcSine(y)
		for _, side := range []int{-1, 1} { // y lies between the sines of half a bit less and more
			half := exactly(math.Nextafter(a, float64(10*side)))
			half.Quo(half.Add(half, exactly(a)), exactly(2))
			if exactSine(half, false).Cmp(exactly(y)) != side {
				t.Fatalf("arcSine(%v) = %v is not the nearest", y, a)
			}
		}
	}
}

func BenchmarkExactDistance(b *testing.B) {
	from, to := Point{Longitude: 15, Latitude: 37}, Point{Longitude: 13.3, Latitude: 38.1}
	for b.Loop() {
		to.Longitude += ExactDistance(from, to) * 1e-12
	}
}

// What redis-server stores for the places of its documentation.
func TestDistanceToTheLastBit(t *testing.T) {
	center := Point{Longitude: 15, Latitude: 37}
	for name, want := range map[string]float64{"Palermo": 190.44242984775784, "Catania": 56.4412578701582} {
		p := map[string]Point{"Palermo": {13.36138933897018433, 38.11555639549629859}, "Catania": {15.08726745843887329, 37.50266842333162032}}[name]
		if got := ExactDistance(center, p) / 1000; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
