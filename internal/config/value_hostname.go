package config

import "errors"

const maxHostname = 255

// hostnameValue is a name that clients are told, or nothing.
func hostnameValue(field func(*Config) *string) func(*Config) value {
	return func(c *Config) value { return textValue{p: field(c), max: maxHostname, dns: true} }
}

// checkHostname fails with Redis's words.
func checkHostname(s string) error {
	if len(s) > maxHostname {
		return errors.New("Hostnames must be less than 256 characters")
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return errors.New("Hostnames may only contain alphanumeric characters, hyphens or dots")
		}
	}
	return nil
}
