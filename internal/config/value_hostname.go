package config

import "errors"

// hostname is a host name that others are told; empty: none. It stands in lines
// that clients take apart (CLUSTER NODES), so only what names consist of may be
// in it.
type hostname struct{ p *string }

// maxHostname is the longest name that Redis takes.
const maxHostname = 255

func (v hostname) setRedis(s string) error {
	if len(s) > maxHostname {
		return errors.New("Hostnames must be less than 256 characters")
	}
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '.' {
			return errors.New("Hostnames may only contain alphanumeric characters, hyphens or dots")
		}
	}
	*v.p = s
	return nil
}

func (v hostname) set(s string) error { return v.setRedis(s) }
func (v hostname) text() string       { return *v.p }
func (v hostname) redis() string      { return v.text() }
func (v hostname) kind() string       { return "host name" }
func (v hostname) allowed() string {
	return "at most 255 letters, digits, hyphens and dots"
}
