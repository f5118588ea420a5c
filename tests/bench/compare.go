package main

import (
	"fmt"
	"slices"
	"strings"
)

// contender is one side of a comparison and what was measured of it.
type contender struct {
	name, binary string
	results      []result // one for each row, in the order of measurement
}

// result is one row: a measured quantity, with a value for each round.
type result struct {
	name, unit string
	values     []float64
}

func (c *contender) add(name, unit string, value float64) {
	progress("%s: %s %s %s", c.name, name, number(value), unit)
	for i := range c.results {
		if c.results[i].name == name {
			c.results[i].values = append(c.results[i].values, value)
			return
		}
	}
	c.results = append(c.results, result{name, unit, []float64{value}})
}

// values of a row, ascending; the row must exist.
func (c *contender) values(name string) []float64 {
	for _, r := range c.results {
		if r.name == name {
			return slices.Sorted(slices.Values(r.values))
		}
	}
	panic("bench: no row " + name) // both sides run through the same code
}

func (c *contender) median(name string) float64 {
	values := c.values(name)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

func (c *contender) max(name string) float64 { return slices.Max(c.values(name)) }

// goal is what a ratio, or a value, is to reach.
type goal struct {
	text    string
	reached func(ratio, value float64) bool
}

func ratioAtLeast(x float64) goal {
	return goal{fmt.Sprintf("≥ %v", x), func(ratio, _ float64) bool { return ratio >= x }}
}

func ratioAtMost(x float64) goal {
	return goal{fmt.Sprintf("≤ %v", x), func(ratio, _ float64) bool { return ratio <= x }}
}

func valueBelow(x float64, unit string) goal {
	return goal{fmt.Sprintf("< %v %s", x, unit), func(_, value float64) bool { return value < x }}
}

// cells are the last columns of a row: the goal, and whether it was reached.
func (g goal) cells(ratio, value float64) string {
	switch {
	case g.reached == nil:
		return " | "
	case g.reached(ratio, value):
		return g.text + " | yes"
	}
	return g.text + " | **no**"
}

// alternate measures both sides in turns, A B A B, so that what else the
// machine does meets both.
func alternate(rounds int, a, b *contender, measure func(c *contender) error) error {
	for round := range rounds {
		for _, c := range []*contender{a, b} {
			if interrupted.Load() {
				return errInterrupted
			}
			progress("round %d of %d: %s", round+1, rounds, c.name)
			if err := measure(c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

// compared is the table of two contenders: medians and their ratio.
func compared(a, b *contender, goals map[string]goal) string {
	var t strings.Builder
	fmt.Fprintf(&t, "| Measurement | Unit | %s | %s | Ratio | Goal | Reached |\n|---|---|---:|---:|---:|---|---|\n", a.name, b.name)
	for _, r := range a.results {
		x, y := a.median(r.name), b.median(r.name)
		ratio := "-"
		if x > 0 {
			ratio = fmt.Sprintf("%.2f", y/x)
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s | %s | %s |\n", r.name, r.unit, number(x), number(y), ratio, goals[r.name].cells(y/x, y))
	}
	return t.String()
}

// versus are redis-server and respkv.
func versus(o *options) (redis, respkv *contender) {
	return &contender{name: "redis-server", binary: o.redis}, &contender{name: "respkv", binary: o.respkv}
}

func number(x float64) string {
	switch {
	case x >= 1000:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
