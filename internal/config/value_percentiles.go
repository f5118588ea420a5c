package config

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// percentiles is a list of numbers from 0 to 100.
type percentiles struct{ p *[]float64 }

func percentilesValue(field func(*Config) *[]float64) func(*Config) value {
	return func(c *Config) value { return percentiles{field(c)} }
}

func (v percentiles) setRedis(s string) error {
	next := []float64{}
	var words []string
	if s != "" {
		words = strings.Split(s, " ") // one blank, no other: Redis is strict
	}
	for _, word := range words {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return errors.New("Invalid latency-tracking-info-percentiles parameters")
		}
		if !(n >= 0 && n <= 100) {
			return errors.New("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
		}
		next = append(next, n)
	}
	*v.p = slices.Clip(next)
	return nil
}

func (v percentiles) set(s string) error { return v.setRedis(s) }

func (v percentiles) redis() string {
	words := make([]string, len(*v.p))
	for i, n := range *v.p {
		words[i] = strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strings.Join(words, " ")
}

func (v percentiles) text() string    { return v.redis() }
func (v percentiles) allowed() string { return "numbers from 0 to 100" }
func (v percentiles) kind() string    { return "list of percentiles" }
