package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"respkv/cluster/mux"
	"respkv/internal/certs"
	"respkv/internal/config"
)

// certPeriod is how often the certificate files are looked at. Reading a few
// kilobytes and comparing them costs less than to be told of changes, and
// misses none.
const certPeriod = 5 * time.Second

// errTLSUpdate is Redis's text for files that CONFIG SET names and that cannot
// be used.
var errTLSUpdate = errors.New("Unable to update TLS configuration. Check server logs.")

// loadCertificates reads the certificate files, where anything uses TLS, and
// follows their changes.
func (n *Node) loadCertificates(cfg *config.Config) (err error) {
	if !cfg.TLS.Needed() {
		return nil
	}
	if n.certs, err = certs.New(certSettings(cfg), n.log); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	n.live.Observe(func(_, next *config.Config) error {
		if err := n.certs.Apply(certSettings(next)); err != nil {
			n.log.Warn("TLS settings cannot be used: the former ones stay", "error", err)
			return errTLSUpdate
		}
		return nil
	}, "tls.cert_file", "tls.key_file", "tls.ca_cert_file", "tls.ca_cert_dir", "tls.auth_clients", "tls.protocols", "tls.ciphers")
	n.tasks.Go(func() { n.certs.Watch(n.ctx, certPeriod) })
	return nil
}

func certSettings(cfg *config.Config) certs.Settings {
	t := &cfg.TLS
	s := certs.Settings{CertFile: t.CertFile, KeyFile: t.KeyFile, CAFile: t.CACertFile, CADir: t.CACertDir, CipherSuites: t.CipherSuites()}
	s.MinVersion, s.MaxVersion = t.Versions()
	switch t.AuthClients {
	case "yes":
		s.ClientAuth = tls.RequireAndVerifyClientCert
	case "optional":
		s.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return s
}

// clientTLS is for the listener for clients; nil without tls.port.
func (n *Node) clientTLS(cfg *config.Config) *tls.Config {
	if cfg.TLS.Port == 0 {
		return nil
	}
	return n.certs.Clients()
}

// clusterTLS is for the cluster port; nil without tls.cluster.
func (n *Node) clusterTLS(cfg *config.Config) *mux.TLS {
	if !cfg.TLS.Cluster {
		return nil
	}
	return &mux.TLS{Accept: n.certs.Accept, Dial: n.certs.Dial}
}

// dialPrimary connects to the primary of a standalone node, over TLS with tls.cluster.
func (n *Node) dialPrimary(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil || !n.live.Config().TLS.Cluster {
		return conn, err
	}
	secure := tls.Client(conn, n.certs.Dial())
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", address, err)
	}
	return secure, nil
}

// Reload reads files anew that are followed anyway: now, not within seconds.
func (n *Node) Reload() {
	if n.certs == nil {
		n.log.Info("nothing to read anew: TLS is not used")
		return
	}
	n.certs.Reload()
}
