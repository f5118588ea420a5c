package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/spf13/pflag"
)

// tlsFlags are the flags of a client that comes over TLS, by redis-cli's names.
type tlsFlags struct {
	use           bool
	ca, cert, key string
}

func (f *tlsFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.use, "tls", false, "connect over TLS")
	flags.StringVar(&f.ca, "cacert", "", "`file` with the authorities to trust; left out, those of the system")
	flags.StringVar(&f.cert, "cert", "", "`file` with the certificate to show")
	flags.StringVar(&f.key, "key", "", "`file` with its key")
}

// config is nil where TLS is not asked for.
func (f *tlsFlags) config() (*tls.Config, error) {
	if !f.use {
		if f.ca+f.cert+f.key != "" {
			return nil, usageError{fmt.Errorf("--cacert, --cert and --key need --tls")}
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		data, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s holds no certificate", f.ca)
		}
	}
	if f.cert != "" || f.key != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
