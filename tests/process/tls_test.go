package process

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os/exec"

	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/internal/certs/certstest"
	"respkv/tests/process/harness"
)

// tlsArgs are the settings of a node with that certificate.
func tlsArgs(ca *certstest.CA, f certstest.Files, port int) []string {
	return []string{"--tls.port=" + strconv.Itoa(port), "--tls.cert_file=" + f.Cert, "--tls.key_file=" + f.Key, "--tls.ca_cert_file=" + ca.File}
}

// secureCluster is three nodes that speak TLS to each other and to clients.
type secureCluster struct {
	*harness.Cluster
	ca    *certstest.CA
	files []certstest.Files // by node
	ports []int             // for TLS
}

const clusterSecret = "a secret among nodes"

func startSecureCluster(t *testing.T) *secureCluster {
	t.Helper()
	s := &secureCluster{ca: certstest.NewCA(t, "authority")}
	var nodes []*harness.Node
	for i := range 3 {
		f, port := s.ca.Issue(fmt.Sprintf("node%d", i)), harness.FreePorts(t, 1)
		s.files, s.ports = append(s.files, f), append(s.ports, port)
		nodes = append(nodes, harness.NewNode(t, append(tlsArgs(s.ca, f, port), "--tls.cluster=true")...))
	}
	s.Cluster = harness.JoinCluster(t, nodes, 1, "--cluster.secret="+clusterSecret,
		"--cluster.node_timeout=5s") // handshakes cost CPU: a busy machine must not lose leases over them
	for _, n := range nodes {
		n.Start()
	}
	s.WaitComplete(harness.FormLimit)
	return s
}

// tlsAddrs are the addresses for clients with TLS.
func (s *secureCluster) tlsAddrs() []string {
	var addrs []string
	for _, port := range s.ports {
		addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return addrs
}

// client is a cluster client over TLS that trusts the authority.
func (s *secureCluster) client(t *testing.T, config *tls.Config) *redis.ClusterClient {
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: s.tlsAddrs(), TLSConfig: config,
		DialTimeout: 5 * time.Second, ReadTimeout: harness.Patience, WriteTimeout: harness.Patience})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// waitLog waits until the node's log has a line with all of the words.
func waitLog(t *testing.T, n *harness.Node, words ...string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, func() error {
		log := n.LogTail(10_000)
	next:
		for line := range strings.Lines(log) {
			for _, w := range words {
				if !strings.Contains(line, w) {
					continue next
				}
			}
			return nil
		}
		return fmt.Errorf("no line with %q in the log of %s:\n%s", words, n.Addr(), log)
	})
}

// TestTLSCluster: go-redis and Redis's tools over TLS, on nodes that replicate
// over TLS; redirections name the ports for TLS.
func TestTLSCluster(t *testing.T) {
	t.Parallel()
	s := startSecureCluster(t)
	mine := s.ca.Issue("client", certstest.ClientOnly)
	client := s.client(t, s.ca.Client(mine))
	ctx := context.Background()
	for i := range 300 {
		if err := client.Set(ctx, fmt.Sprintf("tls:%d", i), strings.Repeat("v", i*100), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		if got, err := client.Get(ctx, fmt.Sprintf("tls:%d", i)).Result(); err != nil || got != strings.Repeat("v", i*100) {
			t.Fatalf("key %d: %d bytes, %v", i, len(got), err)
		}
	}

	cli := harness.Tool(t, "redis-cli")
	flags := []string{"--tls", "--cacert", s.ca.File, "--cert", mine.Cert, "--key", mine.Key, "-h", "localhost", "-p", strconv.Itoa(s.ports[0])}
	run := func(args ...string) string {
		return strings.TrimSpace(harness.Run(t, time.Minute, "", cli, append(append([]string(nil), flags...), args...)...))
	}
	if got := run("-c", "GET", "tls:7"); got != strings.Repeat("v", 700) {
		t.Errorf("redis-cli --tls: %q", got)
	}
	slots := run("CLUSTER", "SLOTS")
	for _, port := range s.ports {
		if !strings.Contains(slots, strconv.Itoa(port)) || !strings.Contains(run("CLUSTER", "NODES"), fmt.Sprintf(":%d@", port)) {
			t.Errorf("the port %d for TLS is not told to a TLS client:\n%s", port, slots)
		}
	}
	if check := run("--cluster", "check", "127.0.0.1:"+strconv.Itoa(s.ports[0])); !strings.Contains(check, "All 16384 slots covered") {
		t.Errorf("redis-cli --cluster check:\n%s", check)
	}
	if plain := s.Nodes[0].CLI("", "CLUSTER", "SLOTS"); strings.Contains(plain, strconv.Itoa(s.ports[1])) {
		t.Errorf("a client without TLS is told ports for TLS:\n%s", plain)
	}

	benchmark := harness.Tool(t, "redis-benchmark")
	out := harness.Run(t, time.Minute, "", benchmark, append(flags, "--cluster", "-n", "5000", "-c", "10", "-P", "8", "-t", "set,get", "-q")...)
	if !strings.Contains(out, "SET: ") || !strings.Contains(out, "GET: ") {
		t.Errorf("redis-benchmark --tls:\n%s", out)
	}

	// The replicas got everything, over TLS too.
	waitReplicated(t, s.Cluster)
	s.Nodes[0].Kill()
	after := redis.NewClusterClient(&redis.ClusterOptions{Addrs: s.tlsAddrs()[1:], TLSConfig: s.ca.Client(mine)}) // the other one believes in its map for 10 s
	defer after.Close()
	harness.Eventually(t, harness.Patience, func() error {
		for i := range 300 {
			if got, err := after.Get(ctx, fmt.Sprintf("tls:%d", i)).Result(); err != nil || got != strings.Repeat("v", i*100) {
				return fmt.Errorf("key %d after a failover: %d bytes, %v", i, len(got), err)
			}
		}
		return nil
	})
	s.Nodes[0].Start()
	s.WaitComplete(harness.FormLimit)
}

// TestTLSClientCertificates: who may come in, and what the log says of those
// who may not.
func TestTLSClientCertificates(t *testing.T) {
	t.Parallel()
	ca, stranger := certstest.NewCA(t, "authority"), certstest.NewCA(t, "stranger")
	port := harness.FreePorts(t, 1)
	n := harness.StartStandalone(t, tlsArgs(ca, ca.Issue("node"), port)...)
	ping := func(config *tls.Config) error {
		c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("localhost:%d", port), TLSConfig: config, MaxRetries: -1, DialTimeout: harness.Patience, ReadTimeout: harness.Patience})
		defer c.Close()
		return c.Ping(context.Background()).Err()
	}
	right, none := ca.Client(ca.Issue("client")), ca.Client(certstest.Files{})
	wrong, expired := ca.Client(stranger.Issue("client")), ca.Client(ca.Issue("client", certstest.Expired))
	if err := ping(right); err != nil {
		t.Errorf("right certificate: %v", err)
	}
	for _, refused := range []struct {
		config *tls.Config
		words  string
	}{{none, "didn't provide a certificate"}, {wrong, "unknown authority"}, {expired, "expired"}} {
		harness.Eventually(t, harness.Patience, func() error { // one line a second is logged
			if ping(refused.config) == nil {
				return harness.Final(fmt.Errorf("accepted, although: %s", refused.words))
			}
			if log := n.LogTail(100); !strings.Contains(log, "a TLS client was refused") || !strings.Contains(log, refused.words) {
				return fmt.Errorf("%q is not in the log:\n%s", refused.words, log)
			}
			return nil
		})
	}
	set := func(pairs ...string) error {
		args := []any{"CONFIG", "SET"}
		for _, p := range pairs {
			args = append(args, p)
		}
		return n.Client().Do(context.Background(), args...).Err()
	}
	if err := set("tls-auth-clients", "optional"); err != nil {
		t.Fatal(err)
	}
	if ping(none) != nil || ping(right) != nil || ping(wrong) == nil {
		t.Error("tls-auth-clients optional")
	}
	if err := set("tls-auth-clients", "no"); err != nil {
		t.Fatal(err)
	}
	if err := ping(none); err != nil {
		t.Errorf("tls-auth-clients no: %v", err)
	}
	if err := set("tls-protocols", "TLSv1.3"); err != nil {
		t.Fatal(err)
	}
	old := none.Clone()
	old.MaxVersion = tls.VersionTLS12
	if ping(old) == nil || ping(none) != nil {
		t.Error("tls-protocols TLSv1.3")
	}
	// Files that cannot be used are refused, and change nothing.
	want := "ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - Unable to update TLS configuration. Check server logs."
	if err := set("tls-cert-file", filepath.Join(t.TempDir(), "none.crt")); err == nil || err.Error() != want {
		t.Errorf("CONFIG SET of a file that is not there: %v", err)
	}
	if err := ping(none); err != nil {
		t.Errorf("after a refused CONFIG SET: %v", err)
	}
	other := ca.Issue("other")
	if err := set("tls-cert-file", other.Cert, "tls-key-file", other.Key); err != nil {
		t.Errorf("CONFIG SET of another certificate: %v", err)
	}
	waitLog(t, n, "TLS certificate in use", "CN=other")
	// What is no TLS at all, and who says nothing, disturb nobody.
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("PING\r\n"))
	silent, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := ping(none); err != nil {
		t.Errorf("beside strangers: %v", err)
	}
}

// TestTLSPeerCertificates: a node whose certificate is not good stays outside,
// learns nothing, and the log says why on both sides.
func TestTLSPeerCertificates(t *testing.T) {
	t.Parallel()
	s := startSecureCluster(t)
	stranger := certstest.NewCA(t, "stranger")
	members := func() int {
		nodes, err := s.Nodes[0].Client().ClusterNodes(context.Background()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(strings.TrimSpace(nodes), "\n") + 1
	}
	for name, test := range map[string]struct {
		ca   *certstest.CA
		file certstest.Files
		here string // in the log of the cluster's nodes
	}{
		"wrong CA":    {s.ca, stranger.Issue("wrong-ca"), "unknown authority"},
		"expired":     {s.ca, s.ca.Issue("expired", certstest.Expired), "expired"},
		"client only": {s.ca, s.ca.Issue("client-only", certstest.ClientOnly), "incompatible key usage"},
	} {
		t.Run(name, func(t *testing.T) {
			outside := s.outsider(t, append(tlsArgs(test.ca, test.file, harness.FreePorts(t, 1)), "--tls.cluster=true", "--cluster.secret="+clusterSecret)...)
			waitLog(t, s.Nodes[0], "level=WARN", "cluster port: a connection was refused", test.here)
			waitLog(t, outside, "level=WARN", "cluster port: no connection to another node", "tls")
			if n := members(); n != 3 {
				t.Errorf("%d members", n)
			}
			if info := outside.CLI("", "CLUSTER", "INFO"); !strings.Contains(info, "cluster_known_nodes:1\r") {
				t.Errorf("the stranger knows of others:\n%s", info)
			}
			outside.Kill()
		})
	}
	for name, test := range map[string]struct {
		args []string
		here string
	}{
		"no TLS":          {[]string{"--cluster.secret=" + clusterSecret}, "first record does not look like a TLS handshake"},
		"another secret":  {append(tlsArgs(s.ca, s.ca.Issue("other"), harness.FreePorts(t, 1)), "--tls.cluster=true", "--cluster.secret=another"), "authentication failed"},
		"no secret, none": {nil, "first record does not look like a TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			outside := s.outsider(t, test.args...)
			waitLog(t, s.Nodes[0], "level=WARN", "cluster port: a connection was refused", test.here)
			if n := members(); n != 3 {
				t.Errorf("%d members", n)
			}
			outside.Kill()
		})
	}
	// A node with the right certificate does come in, and leaves over TLS.
	mine, port := s.ca.Issue("fourth"), harness.FreePorts(t, 1)
	right := s.outsider(t, append(tlsArgs(s.ca, mine, port), "--tls.cluster=true", "--cluster.secret="+clusterSecret)...)
	s.Nodes = append(s.Nodes, right)
	s.WaitComplete(harness.FormLimit)
	harness.Run(t, time.Minute, "", harness.Binary(t), "leave", "--addr", fmt.Sprintf("localhost:%d", port),
		"--tls", "--cacert", s.ca.File, "--cert", mine.Cert, "--key", mine.Key)
	right.Kill()
	s.Nodes = s.Nodes[:3]
	s.WaitComplete(harness.FormLimit)
}

// outsider starts a node that has the cluster's first node as its seed.
func (s *secureCluster) outsider(t *testing.T, args ...string) *harness.Node {
	t.Helper()
	n := harness.NewNode(t, append([]string{"--cluster.enabled=true", "--cluster.node_timeout=5s", "--cluster.seeds=" + s.Nodes[0].ClusterAddr()}, args...)...)
	n.Start()
	n.WaitReady()
	return n
}

// TestTLSNeedsItsSettings: a node does not start half secured.
func TestTLSNeedsItsSettings(t *testing.T) {
	ca := certstest.NewCA(t, "authority")
	f := ca.Issue("node")
	binary := harness.Binary(t)
	for want, args := range map[string][]string{
		"tls.cert_file: \"\": tls.port and tls.cluster need a certificate": {"--tls.port=7999"},
		"tls.ca_cert_file: \"\"":     {"--tls.port=7999", "--tls.cert_file=" + f.Cert, "--tls.key_file=" + f.Key},
		"needs cluster.secret too":   append(tlsArgs(ca, f, 7999), "--cluster.enabled", "--tls.cluster"),
		"\"RC4-MD5\" is not allowed": append(tlsArgs(ca, f, 7999), "--tls.ciphers=RC4-MD5"),
	} {
		dir := t.TempDir()
		out, code := runToEnd(t, binary, append([]string{"serve", "--data_dir=" + dir}, args...)...)
		if code != 2 || !strings.Contains(out, want) {
			t.Errorf("code %d, want %q in:\n%s", code, want, out)
		}
	}
}

// TestTLSReload renews the certificates of all nodes, and the authority with
// them, while clients write: nothing fails, and new connections see the new
// certificates.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	s := startSecureCluster(t)
	mine := s.ca.Issue("client")
	client := s.client(t, s.ca.Client(mine))
	ctx, stop := context.WithCancel(context.Background())
	var failed atomic.Pointer[error]
	var written atomic.Int64
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := client.Set(context.Background(), fmt.Sprintf("reload:%d:%d", w, i%100), "v", 0).Err(); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				written.Add(1)
			}
		})
	}
	t.Cleanup(writers.Wait)
	t.Cleanup(stop)
	serialOf := func(port int) (int64, error) {
		conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port), s.ca.Client(mine))
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	for i, n := range s.Nodes {
		s.ca.Renew(s.files[i], fmt.Sprintf("node%d", i), certstest.Serial(int64(100+i)))
		if i == 0 {
			n.Signal(syscall.SIGHUP) // at once; the others find out by themselves
		}
	}
	for i, port := range s.ports {
		harness.Eventually(t, harness.Patience, func() error {
			serial, err := serialOf(port)
			if err == nil && serial != int64(100+i) {
				err = fmt.Errorf("node %d still shows certificate %d", i, serial)
			}
			return err
		})
	}
	before := written.Load()
	harness.Eventually(t, harness.Patience, func() error {
		if written.Load() < before+100 {
			return errors.New("the writers stand still")
		}
		return nil
	})
	stop()
	writers.Wait()
	if err := failed.Load(); err != nil {
		t.Errorf("a write failed while certificates were renewed: %v", *err)
	}
	for i := range s.Nodes {
		waitLog(t, s.Nodes[i], "TLS certificate in use", fmt.Sprintf("CN=node%d", i))
	}
	// New connections among the nodes use them too.
	s.Nodes[2].Kill()
	s.Nodes[2].Start()
	s.WaitComplete(harness.FormLimit)
}

// TestSecretRotation changes cluster.secret on running nodes; then a node that
// knows only the new one joins, and one that knows only the old one does not.
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, 1, "--cluster.secret=old")
	set := func(pairs ...any) {
		t.Helper()
		for _, n := range c.Nodes {
			if err := n.Client().Do(context.Background(), append([]any{"CONFIG", "SET"}, pairs...)...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	set("cluster.secret_accept", "new")
	set("cluster.secret", "new", "cluster.secret_accept", "old")
	set("cluster.secret_accept", "")
	// A restart makes every connection anew: with the secret of the command
	// line, which is the old one, the node would stay outside.
	joined := harness.NewNode(t, "--cluster.enabled=true", "--cluster.seeds="+c.Nodes[0].ClusterAddr(), "--cluster.replicas=1", "--cluster.secret=new")
	joined.Start()
	c.Nodes = append(c.Nodes, joined)
	c.WaitComplete(harness.FormLimit)
	outside := harness.NewNode(t, "--cluster.enabled=true", "--cluster.seeds="+c.Nodes[0].ClusterAddr(), "--cluster.secret=old")
	outside.Start()
	outside.WaitReady()
	waitLog(t, c.Nodes[0], "level=WARN", "cluster port: a connection was refused", "authentication failed")
	if info := outside.CLI("", "CLUSTER", "INFO"); !strings.Contains(info, "cluster_known_nodes:1\r") {
		t.Errorf("a node with the old secret knows of others:\n%s", info)
	}
	c.Nodes[1].Kill() // and a failover works under the new one
	c.WaitComplete(harness.FormLimit)
}

// runToEnd runs a program that is expected to end by itself.
func runToEnd(t *testing.T, name string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	data, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return string(data), cmd.ProcessState.ExitCode()
}
