package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"respkv/internal/certs/certstest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func settings(ca *certstest.CA, f certstest.Files) Settings {
	return Settings{CertFile: f.Cert, KeyFile: f.Key, CAFile: ca.File, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}
}

func open(t *testing.T, s Settings) *Store {
	t.Helper()
	store, err := New(s, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// meet does a handshake and sends a byte each way, so that both sides learn what
// the other thinks.
func meet(t *testing.T, accept, dial *tls.Config) (acceptErr, dialErr error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			accepted <- err
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		c := tls.Server(conn, accept)
		if err = c.Handshake(); err == nil {
			_, err = c.Write([]byte("x"))
		}
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, 1))
		}
		accepted <- err
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := tls.Client(conn, dial)
	if dialErr = c.Handshake(); dialErr == nil {
		_, dialErr = io.ReadFull(c, make([]byte, 1))
	}
	if dialErr == nil {
		_, dialErr = c.Write([]byte("x"))
	} else {
		_ = conn.Close()
	}
	return <-accepted, dialErr
}

func TestNodesVerifyEachOther(t *testing.T) {
	ours, theirs := certstest.NewCA(t, "ours"), certstest.NewCA(t, "theirs")
	node := open(t, settings(ours, ours.Issue("node")))
	for name, test := range map[string]struct {
		ca   *certstest.CA
		file certstest.Files
		want string // in the error of the node that is all right; empty: none
	}{
		"right":       {ours, ours.Issue("other"), ""},
		"wrong CA":    {ours, theirs.Issue("other"), "unknown authority"},
		"expired":     {ours, ours.Issue("other", certstest.Expired), "expired"},
		"client only": {ours, ours.Issue("other", certstest.ClientOnly), "incompatible key usage"},
	} {
		t.Run(name, func(t *testing.T) {
			other := open(t, settings(test.ca, test.file))
			for role, pair := range map[string][2]*tls.Config{"dials": {node.Accept(), other.Dial()}, "is dialed": {other.Accept(), node.Dial()}} {
				acceptErr, dialErr := meet(t, pair[0], pair[1])
				mine := acceptErr
				if role == "is dialed" {
					mine = dialErr
				}
				switch {
				case test.want == "" && (acceptErr != nil || dialErr != nil):
					t.Errorf("%s: %v, %v", role, acceptErr, dialErr)
				case test.want != "" && (mine == nil || !strings.Contains(mine.Error(), test.want)):
					t.Errorf("%s: %v, want %q", role, mine, test.want)
				}
			}
		})
	}
	acceptErr, dialErr := meet(t, node.Accept(), ours.Client(certstest.Files{}))
	if acceptErr == nil || !strings.Contains(acceptErr.Error(), "didn't provide a certificate") || dialErr == nil {
		t.Errorf("no certificate: %v, %v", acceptErr, dialErr)
	}
}

func TestClients(t *testing.T) {
	ours, theirs := certstest.NewCA(t, "ours"), certstest.NewCA(t, "theirs")
	base := settings(ours, ours.Issue("node"))
	right, wrong, none := ours.Client(ours.Issue("client", certstest.ClientOnly)), ours.Client(theirs.Issue("client")), ours.Client(certstest.Files{})
	expired := ours.Client(ours.Issue("client", certstest.Expired))
	for _, test := range []struct {
		auth                         tls.ClientAuthType
		right, wrong, expired, empty bool
	}{
		{tls.RequireAndVerifyClientCert, true, false, false, false},
		{tls.VerifyClientCertIfGiven, true, false, false, true},
		{tls.NoClientCert, true, true, true, true}, // none is asked for, none is sent
	} {
		base.ClientAuth = test.auth
		store := open(t, base)
		for name, try := range map[string]struct {
			client *tls.Config
			ok     bool
		}{"right": {right, test.right}, "wrong CA": {wrong, test.wrong}, "expired": {expired, test.expired}, "none": {none, test.empty}} {
			acceptErr, dialErr := meet(t, store.Clients(), try.client)
			if ok := acceptErr == nil && dialErr == nil; ok != try.ok {
				t.Errorf("%v, certificate %s: %v, %v", test.auth, name, acceptErr, dialErr)
			}
		}
	}
}

func TestVersionsAndSuites(t *testing.T) {
	ca := certstest.NewCA(t, "ours")
	s := settings(ca, ca.Issue("node"))
	s.ClientAuth = tls.NoClientCert
	s.MaxVersion, s.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	store := open(t, s)
	client := ca.Client(certstest.Files{})
	var seen tls.ConnectionState
	client.VerifyConnection = func(cs tls.ConnectionState) error { seen = cs; return nil }
	if a, d := meet(t, store.Clients(), client); a != nil || d != nil {
		t.Fatal(a, d)
	}
	if seen.Version != tls.VersionTLS12 || seen.CipherSuite != tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("%s, %s", tls.VersionName(seen.Version), tls.CipherSuiteName(seen.CipherSuite))
	}
	client.MinVersion = tls.VersionTLS13
	if _, d := meet(t, store.Clients(), client); d == nil {
		t.Error("TLS 1.3 although only 1.2 is allowed")
	}
}

// serial is the serial number that clients see.
func serial(t *testing.T, s *Store, ca *certstest.CA) int64 {
	t.Helper()
	client := ca.Client(certstest.Files{})
	var n int64
	client.VerifyConnection = func(cs tls.ConnectionState) error { n = cs.PeerCertificates[0].SerialNumber.Int64(); return nil }
	if a, d := meet(t, s.Clients(), client); a != nil || d != nil {
		t.Fatal(a, d)
	}
	return n
}

func TestFilesAreFollowed(t *testing.T) {
	ca := certstest.NewCA(t, "ours")
	f := ca.Issue("node", certstest.Serial(10))
	s := settings(ca, f)
	s.ClientAuth = tls.NoClientCert
	var log bytes.Buffer
	store, err := New(s, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		store.mu.Lock()
		defer store.mu.Unlock()
		store.follow(false)
	}
	ca.Renew(f, "node", certstest.Serial(11))
	if got := serial(t, store, ca); got != 10 {
		t.Errorf("serial %d before anybody looked", got)
	}
	look()
	if got := serial(t, store, ca); got != 11 {
		t.Errorf("serial %d after a renewal", got)
	}

	// Half a renewal, and no file at all: what was there goes on, told once.
	log.Reset()
	other := ca.Issue("other", certstest.Serial(12))
	copyFile(t, other.Cert, f.Cert)
	look()
	look()
	if got := serial(t, store, ca); got != 11 || strings.Count(log.String(), "TLS files cannot be used") != 1 {
		t.Errorf("serial %d with a certificate that does not fit its key; log:\n%s", got, &log)
	}
	copyFile(t, other.Key, f.Key)
	look()
	if got := serial(t, store, ca); got != 12 {
		t.Errorf("serial %d after the other half", got)
	}
	log.Reset()
	if err := os.Remove(f.Cert); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	if got := serial(t, store, ca); got != 12 || strings.Count(log.String(), "TLS files cannot be used") != 1 {
		t.Errorf("serial %d without a file; log:\n%s", got, &log)
	}
	store.Reload() // asked for: told again
	if strings.Count(log.String(), "TLS files cannot be used") != 2 {
		t.Errorf("log:\n%s", &log)
	}
	copyFile(t, other.Cert, f.Cert)

	// Watch does what look did.
	ca.Renew(f, "node", certstest.Serial(13))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { store.Watch(ctx, time.Millisecond); close(done) }()
	deadline := time.Now().Add(time.Minute)
	for serial(t, store, ca) != 13 {
		if time.Now().After(deadline) {
			t.Fatal("the renewal was not noticed")
		}
	}
	cancel()
	<-done
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWarnsOfTheEnd: once a day, from a week before.
func TestWarnsOfTheEnd(t *testing.T) {
	ca := certstest.NewCA(t, "ours")
	s := settings(ca, ca.Issue("node", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(30 * 24 * time.Hour) }))
	var log bytes.Buffer
	store, err := New(s, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	warnings := 0
	for hour := range 32 * 24 {
		store.warn(time.Now().Add(time.Duration(hour) * time.Hour))
	}
	for _, words := range []string{"will expire soon", "has expired"} {
		n := strings.Count(log.String(), words)
		warnings += n
		if n == 0 {
			t.Errorf("%q is not in the log:\n%s", words, &log)
		}
	}
	if warnings < 8 || warnings > 10 {
		t.Errorf("%d warnings:\n%s", warnings, &log)
	}
}

func TestRefusedSettings(t *testing.T) {
	ca := certstest.NewCA(t, "ours")
	good := settings(ca, ca.Issue("node", certstest.Serial(20)))
	good.ClientAuth = tls.NoClientCert
	store := open(t, good)
	empty := filepath.Join(t.TempDir(), "empty")
	large := filepath.Join(t.TempDir(), "large")
	if err := errors.Join(os.WriteFile(empty, nil, 0o600), os.WriteFile(large, make([]byte, maxFile+1), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(s *Settings){
		"no file":                 func(s *Settings) { s.CertFile = empty + "x" },
		"no certificate":          func(s *Settings) { s.CertFile = empty },
		"key of another":          func(s *Settings) { s.KeyFile = ca.Issue("other").Key },
		"no authority":            func(s *Settings) { s.CAFile = empty },
		"directory without files": func(s *Settings) { s.CAFile, s.CADir = "", t.TempDir() },
		"too large":               func(s *Settings) { s.CAFile = large },
		"a directory":             func(s *Settings) { s.CertFile = t.TempDir() },
	} {
		s := good
		change(&s)
		if err := store.Apply(s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := serial(t, store, ca); got != 20 {
		t.Errorf("serial %d after refusals", got)
	}
	good.CAFile, good.CADir = "", filepath.Dir(ca.File)
	if err := store.Apply(good); err != nil {
		t.Errorf("authorities in a directory: %v", err)
	}
}
