// Package certs holds the certificates of a node: it reads the files, makes
// what crypto/tls needs of them, and follows the files when they change.
// Connections that stand are not touched.
package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Settings say where the files are, and what clients may use.
type Settings struct {
	CertFile, KeyFile string
	CAFile, CADir     string // at least one where certificates are asked for
	ClientAuth        tls.ClientAuthType
	MinVersion        uint16 // for clients
	MaxVersion        uint16
	CipherSuites      []uint16 // for clients with TLS 1.2; nil: Go's choice
}

// Limits of what is read.
const (
	maxFile    = 1 << 20
	maxCAFiles = 1000
)

// soon is how long before its end a certificate is worth a warning, warnEvery
// how often.
const (
	soon      = 7 * 24 * time.Hour
	warnEvery = 24 * time.Hour
)

// Store is the certificate in use. Safe for concurrent use.
type Store struct {
	log     *slog.Logger
	current atomic.Pointer[material]

	mu       sync.Mutex // one change at a time; held while files are read
	settings Settings
	failed   [sha256.Size]byte // contents that could not be used, told once
	warned   time.Time         // when the log was last told that the end is near
}

// material is what one state of the files gives.
type material struct {
	clients tls.Config // for clients of this node
	accept  tls.Config // for nodes that connect to this one
	dial    tls.Config // for connecting to other nodes
	leaf    *x509.Certificate
	sum     [sha256.Size]byte // of the files
}

// New reads the files.
func New(s Settings, log *slog.Logger) (*Store, error) {
	store := &Store{log: log}
	if err := store.Apply(s); err != nil {
		return nil, err
	}
	return store, nil
}

// Apply takes new settings. On an error the former ones stay in use.
func (s *Store) Apply(next Settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	files, err := read(&next)
	if err != nil {
		return err
	}
	m, err := build(&next, files)
	if err != nil {
		return err
	}
	s.settings = next
	s.use(m)
	return nil
}

func (s *Store) use(m *material) {
	old := s.current.Swap(m)
	if old != nil && old.leaf.Equal(m.leaf) {
		s.log.Info("TLS settings read again", "certificate", m.leaf.Subject.String())
		return
	}
	s.log.Info("TLS certificate in use", "certificate", m.leaf.Subject.String(), "issuer", m.leaf.Issuer.String(),
		"not_before", m.leaf.NotBefore, "not_after", m.leaf.NotAfter)
	s.warned = time.Time{}
	s.warn(time.Now())
}

// warn tells, once a day, of a certificate that others refuse or soon will. The
// caller holds mu.
func (s *Store) warn(now time.Time) {
	leaf := s.current.Load().leaf
	why := ""
	switch {
	case now.After(leaf.NotAfter):
		why = "it has expired"
	case now.Before(leaf.NotBefore):
		why = "it is not valid yet"
	case leaf.NotAfter.Sub(now) < soon:
		why = "it will expire soon"
	}
	if why != "" && now.Sub(s.warned) >= warnEvery {
		s.warned = now
		s.log.Warn("the TLS certificate of this node needs to be renewed: "+why, "certificate", leaf.Subject.String(), "not_after", leaf.NotAfter)
	}
}

// Reload reads the files again, changed or not.
func (s *Store) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = [sha256.Size]byte{}
	s.follow(true)
}

// follow reads the files and uses them if they are other ones. The caller
// holds mu.
func (s *Store) follow(always bool) {
	files, err := read(&s.settings)
	if err == nil && !always && (files.sum == s.current.Load().sum || files.sum == s.failed) {
		return
	}
	var m *material
	if err == nil {
		m, err = build(&s.settings, files)
	}
	if err == nil {
		s.use(m)
		return
	}
	// Files are often replaced one after the other: until they fit, and when a
	// file is missing, what was there is good enough. It is told once.
	if failed := files.sum; failed != s.failed || always {
		s.failed = failed
		s.log.Warn("TLS files cannot be used: the former ones stay", "error", err)
	}
}

// Watch looks at the files in the given period until ctx ends.
func (s *Store) Watch(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.mu.Lock()
			s.follow(false)
			s.warn(now)
			s.mu.Unlock()
		}
	}
}

// NotAfter is the end of the certificate in use.
func (s *Store) NotAfter() time.Time { return s.current.Load().leaf.NotAfter }

// Clients is the configuration for a listener for clients. It follows the
// files.
func (s *Store) Clients() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &s.current.Load().clients, nil
	}}
}

// Accept is the configuration, as of now, for a node that connects to this one.
func (s *Store) Accept() *tls.Config { return &s.current.Load().accept }

// Dial is the configuration, as of now, for connecting to another node.
func (s *Store) Dial() *tls.Config { return &s.current.Load().dial }

// contents are the files as they were read together.
type contents struct {
	cert, key []byte
	cas       [][]byte
	sum       [sha256.Size]byte
}

// read reads all files. The sum tells states apart, also those with an error.
func read(s *Settings) (c contents, err error) {
	h := sha256.New()
	defer func() {
		if err != nil {
			_, _ = io.WriteString(h, err.Error())
		}
		h.Sum(c.sum[:0])
	}()
	one := func(name string) []byte {
		if err != nil {
			return nil
		}
		var data []byte
		data, err = readFile(name)
		_, _ = fmt.Fprintf(h, "%s %d\n", name, len(data))
		_, _ = h.Write(data)
		return data
	}
	c.cert, c.key = one(s.CertFile), one(s.KeyFile)
	if s.CAFile != "" {
		c.cas = append(c.cas, one(s.CAFile))
	}
	if s.CADir == "" || err != nil {
		return c, err
	}
	entries, err := os.ReadDir(s.CADir)
	if err != nil {
		return c, err
	}
	if len(entries) > maxCAFiles {
		return c, fmt.Errorf("%s holds %d files, at most %d are read", s.CADir, len(entries), maxCAFiles)
	}
	for _, e := range entries {
		name := filepath.Join(s.CADir, e.Name())
		if info, statErr := os.Stat(name); statErr == nil && info.Mode().IsRegular() {
			c.cas = append(c.cas, one(name))
		}
	}
	return c, err
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	return data, err
}

// build makes what crypto/tls needs.
func build(s *Settings, c contents) (*material, error) {
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s and key %s: %w", s.CertFile, s.KeyFile, err)
	}
	pool := x509.NewCertPool()
	trusted := false
	for _, data := range c.cas {
		trusted = pool.AppendCertsFromPEM(data) || trusted
	}
	if !trusted && (s.CAFile != "" || s.CADir != "") {
		return nil, errors.New("tls.ca_cert_file and tls.ca_cert_dir hold no certificate")
	}
	m := &material{leaf: pair.Leaf, sum: c.sum}
	m.clients = tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: s.ClientAuth,
		MinVersion: s.MinVersion, MaxVersion: s.MaxVersion, CipherSuites: slices.Clone(s.CipherSuites),
	}
	// Nodes keep their connections: tickets would be written to connections
	// whose dialer never reads.
	m.accept = tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error { return verifyNode(cs, pool, x509.ExtKeyUsageServerAuth) },
	}
	m.dial = tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		// Shown also where it is of no authority that the other node knows: its log
		// then says that, not that there was none.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
		// Nodes are found by addresses, which change; whoever has a node's
		// certificate of our authority is one of us. The chain is verified below.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if err := verifyNode(cs, pool, x509.ExtKeyUsageServerAuth); err != nil {
				return err
			}
			return verifyNode(cs, pool, x509.ExtKeyUsageClientAuth)
		},
	}
	return m, nil
}

// verifyNode verifies the certificate of another node. A node is server and
// client: a certificate that was made for clients only opens nothing here, be
// it of the same authority.
func verifyNode(cs tls.ConnectionState, roots *x509.CertPool, usage x509.ExtKeyUsage) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("tls: the node showed no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}
