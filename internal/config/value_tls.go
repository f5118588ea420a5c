package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// protocols is tls-protocols: versions of TLS, kept in ascending order. Those
// before 1.2 are refused: they are broken.
type protocols struct{ p *string }

func protocolsValue(field func(*Config) *string) func(*Config) value {
	return func(c *Config) value { return protocols{field(c)} }
}

var protocolNames = []string{"TLSv1.2", "TLSv1.3"}

func (v protocols) setRedis(s string) error {
	var chosen [2]bool
	for _, word := range strings.Fields(s) {
		i := slices.IndexFunc(protocolNames, func(name string) bool { return strings.EqualFold(name, word) })
		if i < 0 {
			return errors.New("Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and 'TLSv1.3'.")
		}
		chosen[i] = true
	}
	var words []string
	for i, name := range protocolNames {
		if chosen[i] {
			words = append(words, name)
		}
	}
	*v.p = strings.Join(words, " ")
	return nil
}
func (v protocols) set(s string) error { return v.setRedis(s) }
func (v protocols) text() string       { return *v.p }
func (v protocols) redis() string      { return *v.p }
func (v protocols) kind() string       { return "words" }
func (v protocols) allowed() string    { return "TLSv1.2, TLSv1.3, or both with a space between" }

// Versions returns the lowest and highest version of TLS for clients.
func (t *TLS) Versions() (lowest, highest uint16) {
	lowest, highest = tls.VersionTLS12, tls.VersionTLS13
	switch t.Protocols {
	case protocolNames[0]:
		highest = tls.VersionTLS12
	case protocolNames[1]:
		lowest = tls.VersionTLS13
	}
	return lowest, highest
}

// ciphers is tls-ciphers.
type ciphers struct{ p *string }

func ciphersValue(field func(*Config) *string) func(*Config) value {
	return func(c *Config) value { return ciphers{field(c)} }
}

// cipherSuites are those of TLSv1.2 that crypto/tls considers safe, by the names
// that OpenSSL gives them.
var cipherSuites = []struct {
	name  string
	suite uint16
}{
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
	{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
	{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
}

func parseCiphers(s string) ([]uint16, error) {
	var out []uint16
	for _, name := range strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		i := slices.IndexFunc(cipherSuites, func(c struct {
			name  string
			suite uint16
		}) bool {
			return strings.EqualFold(c.name, name) || tls.CipherSuiteName(c.suite) == name
		})
		if i < 0 {
			return nil, fmt.Errorf("unknown or unsafe cipher suite '%s'", name)
		}
		out = append(out, cipherSuites[i].suite)
	}
	return out, nil
}

func (v ciphers) setRedis(s string) error {
	if len(s) > 1024 {
		return errors.New("argument must be at most 1024 bytes long")
	}
	if _, err := parseCiphers(s); err != nil {
		return err
	}
	*v.p = s
	return nil
}
func (v ciphers) set(s string) error { return v.setRedis(s) }
func (v ciphers) text() string       { return *v.p }
func (v ciphers) redis() string      { return *v.p }
func (v ciphers) kind() string       { return "names" }
func (v ciphers) allowed() string {
	var names []string
	for _, c := range cipherSuites {
		names = append(names, c.name)
	}
	return "names of: " + strings.Join(names, " ")
}

// CipherSuites returns the suites for TLSv1.2, nil for the default ones.
func (t *TLS) CipherSuites() []uint16 {
	suites, err := parseCiphers(t.Ciphers)
	if err != nil {
		return nil // refused when it was set
	}
	return suites
}

// Needed tells whether anything uses TLS.
func (t *TLS) Needed() bool { return t.Port != 0 || t.Cluster }

// validateTLS checks the settings of TLS against each other.
func (c *Config) validateTLS(bad func(name, format string, args ...any)) {
	t := &c.TLS
	if !t.Needed() {
		return
	}
	if t.CertFile == "" {
		bad("tls.cert_file", "tls.port and tls.cluster need a certificate")
	}
	if t.KeyFile == "" {
		bad("tls.key_file", "tls.port and tls.cluster need a key")
	}
	if t.CACertFile == "" && t.CACertDir == "" && (t.Cluster || t.AuthClients != "no") {
		bad("tls.ca_cert_file", "tls.cluster, and tls.auth_clients other than no, need tls.ca_cert_file or tls.ca_cert_dir")
	}
	if t.Port != 0 && t.Port == c.Server.Port {
		bad("tls.port", "must differ from server.port")
	}
	if t.Port != 0 && c.Cluster.Enabled && t.Port == c.ClusterPort() {
		bad("tls.port", "must differ from the cluster port")
	}
	if t.Cluster && c.Cluster.Enabled && c.Cluster.Secret == "" {
		bad("tls.cluster", "needs cluster.secret too: gossip goes over UDP, which TLS does not cover")
	}
}
