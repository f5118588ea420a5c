package clients

import (
	"net"
	"strconv"
	"testing"

	"respkv/internal/certs/certstest"
	"respkv/tests/process/harness"
)

// TestTLS has each library connect over TLS, with a certificate of its own, to a cluster
// that speaks nothing else to it, and reach keys on all nodes.
func TestTLS(t *testing.T) {
	ca := certstest.NewCA(t, "authority")
	var nodes []*harness.Node
	var addrs []string
	for range 3 {
		f, port := ca.Issue("node"), harness.FreePorts(t, 1)
		nodes = append(nodes, harness.NewNode(t, "--tls.port="+strconv.Itoa(port), "--tls.cert_file="+f.Cert, "--tls.key_file="+f.Key, "--tls.ca_cert_file="+ca.File))
		addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	c := harness.JoinCluster(t, nodes, 1)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.FormLimit)
	mine := ca.Issue("client", certstest.ClientOnly)
	t.Setenv("TLS_CA", ca.File)
	t.Setenv("TLS_CERT", mine.Cert)
	t.Setenv("TLS_KEY", mine.Key)
	for _, p := range []struct {
		name string
		run  command
		file string
	}{
		{"node", node, "tls.mjs"}, // both libraries
		{"redis-py", python("redis"), "tls.py"},
		{"phpredis", php, "tls.php"},
		{"redis-rb", ruby("redis"), "tls.rb"},
	} {
		t.Run(p.name, func(t *testing.T) {
			runProgram(t, nil, append(append(p.run(t, p.file), "cluster"), addrs...)...)
		})
	}
}
