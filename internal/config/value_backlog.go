package config

import "math"

// leastBacklog is what smaller sizes of the backlog become, as in Redis.
const leastBacklog = 16 << 10

// backlogSize is a memory size of at least leastBacklog.
type backlogSize struct{ memory }

func backlogValue(field func(*Config) *int64) func(*Config) value {
	return func(c *Config) value { return backlogSize{memory{p: field(c), low: 1, high: math.MaxInt64}} }
}

func (v backlogSize) setRedis(s string) error {
	err := v.memory.setRedis(s)
	if err == nil {
		*v.p = max(*v.p, leastBacklog)
	}
	return err
}

func (v backlogSize) set(s string) error {
	err := v.memory.set(s)
	if err == nil {
		*v.p = max(*v.p, leastBacklog)
	}
	return err
}
