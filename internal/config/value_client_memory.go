package config

import (
	"errors"
	"strconv"
	"strings"
)

// clientMemory is maxmemory-clients: bytes, or a percentage of maxmemory, which
// is kept as a negative number.
type clientMemory struct{ p *int64 }

var (
	errNotShare   = errors.New("argument must be a memory or percent value")
	errShareRange = errors.New("percentage argument must be less or equal to 100")
)

func clientMemoryValue(field func(*Config) *int64) func(*Config) value {
	return func(c *Config) value { return clientMemory{field(c)} }
}

func (v clientMemory) setRedis(s string) error {
	if share, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.ParseUint(share, 10, 31)
		if err != nil {
			return errNotShare
		}
		if n > 100 {
			return errShareRange
		}
		*v.p = -int64(n)
		return nil
	}
	n, err := ParseMemory(s)
	if err != nil {
		return errNotShare
	}
	// Redis takes what is too large for a negative number, too, and so for a
	// percentage: 2^64 and more for 1 %.
	if int64(n) < -100 {
		return errShareRange
	}
	*v.p = int64(n)
	return nil
}

func (v clientMemory) set(s string) error {
	s = strings.TrimSpace(s)
	if s == "" || s[0] < '0' || s[0] > '9' {
		return errNotMemory
	}
	return v.setRedis(s)
}

func (v clientMemory) redis() string {
	if *v.p < 0 {
		return strconv.FormatInt(-*v.p, 10) + "%"
	}
	return strconv.FormatInt(*v.p, 10)
}

func (v clientMemory) text() string {
	if *v.p < 0 {
		return v.redis()
	}
	return formatMemory(*v.p)
}

func (v clientMemory) allowed() string { return "a memory size, or a percentage of store.maxmemory" }
func (v clientMemory) kind() string    { return "memory size or percentage" }

// MaxMemoryClients is what all clients together may take, in bytes: a percentage
// is of maxmemory, and no limit while there is none. 0: no limit. A limit is
// 128 KB at least, as in Redis, so that somebody can still connect.
func (c *Config) MaxMemoryClients() int64 {
	limit := c.Server.MaxMemoryClients
	if limit < 0 {
		limit = c.Store.MaxMemory / 100 * -limit
	}
	if limit == 0 {
		return 0
	}
	return max(limit, 128<<10)
}
