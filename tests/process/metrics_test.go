package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"respkv/tests/process/harness"
)

// httpGet returns status and body.
func httpGet(url string) (int, string, error) {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// waitMetrics waits until a page of metrics has all of the lines.
func waitMetrics(t *testing.T, url string, lines ...string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, func() error {
		_, text, err := httpGet(url)
		for _, line := range lines {
			if err == nil && !strings.Contains(text, "\n"+line+"\n") {
				err = fmt.Errorf("no line %q in:\n%s", line, text)
			}
		}
		return err
	})
}

// TestMetricsOfACluster: what the metrics say is what happens, and a node is
// ready when it serves.
func TestMetricsOfACluster(t *testing.T) {
	var nodes []*harness.Node
	var urls []string
	for range 3 {
		addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePorts(t, 1))
		urls = append(urls, "http://"+addr)
		nodes = append(nodes, harness.NewNode(t, "--metrics.listen="+addr))
	}
	c := harness.JoinCluster(t, nodes, 1)
	nodes[0].Start() // alone: it is there, and not ready
	harness.Eventually(t, harness.Patience, func() error {
		status, text, err := httpGet(urls[0] + "/readyz")
		if err == nil && (status != 503 || text != "not ready: the cluster has not formed yet\n") {
			err = fmt.Errorf("%d %q", status, text)
		}
		return err
	})
	if status, _, err := httpGet(urls[0] + "/healthz"); err != nil || status != 200 {
		t.Errorf("/healthz of a node that waits: %d %v", status, err)
	}
	nodes[1].Start()
	nodes[2].Start()
	c.WaitComplete(harness.FormLimit)
	for _, url := range urls {
		harness.Eventually(t, harness.Patience, func() error {
			status, text, err := httpGet(url + "/readyz")
			if err == nil && status != 200 {
				err = fmt.Errorf("%d %q", status, text)
			}
			return err
		})
	}

	client := c.Client(nil)
	for i := range 100 {
		if err := client.Set(context.Background(), fmt.Sprintf("k%d", i), "v", time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	own := nodes[0].PrimarySlots(nodes[0])
	waitMetrics(t, urls[0]+"/metrics", "respkv_ready 1", "respkv_lease 1", "respkv_cluster_ok 1",
		`respkv_members{health="alive"} 3`, `respkv_cluster_slots{state="ok"} 16384`,
		fmt.Sprintf(`respkv_slots{role="primary"} %d`, len(own)), "respkv_raft_voters 3")
	_, text, err := httpGet(urls[0] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`respkv_command_calls_total{command="set"} `, `respkv_replica_lag_seconds{peer="`,
		`respkv_primary_link_up{peer="`, `respkv_keys_with_deadline{db="0"} `, `respkv_events_total{kind="lease-back"} `} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}

	// Without the majority there is no lease: not ready, and it says so.
	nodes[1].Kill()
	nodes[2].Kill()
	harness.Eventually(t, harness.Patience, func() error {
		status, text, err := httpGet(urls[0] + "/readyz")
		if err == nil && (status != 503 || !strings.Contains(text, "no lease")) {
			err = fmt.Errorf("%d %q", status, text)
		}
		return err
	})
	waitMetrics(t, urls[0]+"/metrics", "respkv_ready 0", "respkv_lease 0")
}

// TestRedisExporter points Prometheus's exporter for Redis at a node: what
// people have in their dashboards works.
func TestRedisExporter(t *testing.T) {
	program := harness.Tool(t, "prometheus-redis-exporter")
	for name, start := range map[string]func(t *testing.T) *harness.Node{
		"standalone": func(t *testing.T) *harness.Node { return harness.StartStandalone(t) },
		"cluster":    func(t *testing.T) *harness.Node { return harness.StartCluster(t, 3, 1).Nodes[0] },
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePorts(t, 1))
			cmd := exec.Command(program, "-redis.addr=redis://"+n.Addr(), "-web.listen-address="+addr)
			var log strings.Builder
			cmd.Stdout, cmd.Stderr = &log, &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if t.Failed() {
					t.Logf("the exporter:\n%s", log.String())
				}
			})
			key := "k"
			if name == "cluster" {
				key = keyOf(t, n)
			}
			client := n.Client()
			for range 3 {
				if err := client.Set(context.Background(), key, "v", time.Hour).Err(); err != nil {
					t.Fatal(err)
				}
			}
			client.Get(context.Background(), key)
			waitMetrics(t, "http://"+addr+"/metrics", "redis_up 1", `redis_commands_total{cmd="set"} 3`, `redis_commands_total{cmd="get"} 1`,
				"redis_keyspace_hits_total 1", `redis_db_keys{db="db0"} 1`, `redis_db_keys_expiring{db="db0"} 1`)
			_, text, err := httpGet("http://" + addr + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			for _, metric := range []string{"redis_uptime_in_seconds", "redis_connected_clients", "redis_blocked_clients", "redis_memory_used_bytes",
				"redis_memory_used_rss_bytes", "redis_memory_max_bytes", "redis_mem_fragmentation_ratio", "redis_commands_processed_total",
				"redis_commands_duration_seconds_total{", "redis_connections_received_total", "redis_rejected_connections_total",
				"redis_net_input_bytes_total", "redis_net_output_bytes_total", "redis_expired_keys_total", "redis_evicted_keys_total",
				"redis_keyspace_misses_total", "redis_cpu_sys_seconds_total", "redis_cpu_user_seconds_total", "redis_connected_slaves",
				"redis_instance_info{", "redis_config_maxclients", "redis_config_maxmemory", "redis_exporter_last_scrape_error{err=\"\"} 0"} {
				if !strings.Contains(text, "\n"+metric) {
					t.Errorf("%s is missing", metric)
				}
			}
			if name == "cluster" && !strings.Contains(text, "\nredis_cluster_enabled 1\n") {
				t.Error("no redis_cluster_enabled 1")
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// keyOf is a key of a slot that n is primary of.
func keyOf(t *testing.T, n *harness.Node) string {
	t.Helper()
	for i := range 1000 {
		key := fmt.Sprintf("k%d", i)
		if n.Client().Exists(context.Background(), key).Err() == nil {
			return key
		}
	}
	t.Fatal("no key found")
	return ""
}
