// Package certstest makes certificates for tests.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is an authority that signs certificates.
type CA struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// File holds the authority's certificate.
	File string
}

// Files are where a certificate is.
type Files struct{ Cert, Key string }

// Option changes a certificate before it is signed.
type Option func(*x509.Certificate)

// Expired makes the certificate end an hour ago.
func Expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)
}

// ClientOnly makes it one that only clients may show.
func ClientOnly(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

// Serial gives it a serial number, to tell renewed ones apart.
func Serial(n int64) Option { return func(c *x509.Certificate) { c.SerialNumber = big.NewInt(n) } }

// NewCA makes an authority.
func NewCA(t testing.TB, name string) *CA {
	t.Helper()
	ca := &CA{t: t, File: filepath.Join(t.TempDir(), "ca.crt")}
	ca.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-72 * time.Hour), NotAfter: time.Now().Add(72 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	ca.key = ca.newKey()
	signed, err := x509.CreateCertificate(rand.Reader, ca.cert, ca.cert, &ca.key.PublicKey, ca.key)
	if err == nil {
		ca.cert, err = x509.ParseCertificate(signed)
	}
	if err != nil {
		t.Fatal(err)
	}
	ca.write(ca.File, "CERTIFICATE", signed)
	return ca
}

func (ca *CA) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	return key
}

// write replaces a file at once, as tools that renew certificates do.
func (ca *CA) write(name, kind string, data []byte) {
	ca.t.Helper()
	err := os.WriteFile(name+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600)
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		ca.t.Fatal(err)
	}
}

// Issue makes a certificate that is good for servers and clients on this
// machine, in a directory of its own.
func (ca *CA) Issue(name string, options ...Option) Files {
	ca.t.Helper()
	dir := ca.t.TempDir()
	f := Files{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
	ca.Renew(f, name, options...)
	return f
}

// Renew makes a new certificate in the place of another.
func (ca *CA) Renew(f Files, name string, options ...Option) {
	ca.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, o := range options {
		o(c)
	}
	key := ca.newKey()
	signed, err := x509.CreateCertificate(rand.Reader, c, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		ca.t.Fatal(err)
	}
	ca.write(f.Key, "PRIVATE KEY", private)
	ca.write(f.Cert, "CERTIFICATE", signed)
}

// Client is the configuration of a client that trusts this authority and shows
// the certificate in f; with empty names it shows none.
func (ca *CA) Client(f Files) *tls.Config {
	ca.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	c := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			ca.t.Fatal(err)
		}
		// Whatever the server asks for: what is refused is to be refused there.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c
}
