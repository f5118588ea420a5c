package resp

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"respkv/cluster"
	"respkv/cluster/slotmap"
)

func firstHalf(slot uint16) bool { return slot < 8192 }
func noSlot(uint16) bool         { return false }

func bulk(s string) string { return "$" + itoa(len(s)) + "\r\n" + s + "\r\n" }

func TestClusterNeedsClusterMode(t *testing.T) {
	c := serveNode(t, servedOptions{}).dial(t)
	for _, line := range []string{"cluster info", "cluster slots", "cluster keyslot a", "cluster help",
		"cluster meet 127.0.0.1 1", "readonly", "readwrite", "asking"} {
		c.check(line, "-ERR This instance has cluster support disabled\r\n")
	}
	c.check("cluster nosuch", "-ERR unknown subcommand 'nosuch'. Try CLUSTER HELP.\r\n")
	c.check("cluster", "-ERR wrong number of arguments for 'cluster' command\r\n")
}

const notInt = "-ERR value is not an integer or out of range\r\n"

// clusterReplies are those of a node without keys to commands that do not depend
// on what the cluster looks like.
var clusterReplies = []struct{ line, want string }{
	{"cluster keyslot foo{bar}", ":5061\r\n"},
	{"cluster keyslot", "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"},
	{"cluster countkeysinslot a", notInt},
	{"cluster countkeysinslot 16384", "-ERR Invalid slot\r\n"},
	{"cluster countkeysinslot -1", "-ERR Invalid slot\r\n"},
	{"cluster getkeysinslot 1 -1", "-ERR Invalid slot or number of keys\r\n"},
	{"cluster getkeysinslot 1 a", notInt},
	{"cluster getkeysinslot a 1", notInt},
	{"cluster count-failure-reports abc", "-ERR Unknown node abc\r\n"},
	{"cluster replicas abc", "-ERR Unknown node abc\r\n"},
	{"cluster slaves abc", "-ERR Unknown node abc\r\n"},
	{"cluster meet a b", "-ERR Invalid TCP base port specified: b\r\n"},
	{"cluster meet a 1", "-ERR Invalid node address specified: a:1\r\n"},
	{"cluster meet 127.0.0.1 99999", "-ERR Invalid node address specified: 127.0.0.1:99999\r\n"},
	{"cluster meet 127.0.0.1 1 abc", "-ERR Invalid TCP bus port specified: abc\r\n"},
	{"cluster forget abc", "-ERR Unknown node abc\r\n"},
	{"cluster reset foo", "-ERR syntax error\r\n"},
	{"cluster reset hard now", "-ERR unknown subcommand or wrong number of arguments for 'reset'. Try CLUSTER HELP.\r\n"},
	{"cluster failover foo", "-ERR syntax error\r\n"},
	{"cluster replicate abc", "-ERR Unknown node abc\r\n"},
	{"cluster set-config-epoch a", notInt},
	{"cluster set-config-epoch -1", "-ERR Invalid config epoch specified: -1\r\n"},
	{"cluster nodes 1", "-ERR wrong number of arguments for 'cluster|nodes' command\r\n"},
	{"replicaof no one", "-ERR REPLICAOF not allowed in cluster mode.\r\n"},
	{"slaveof a b", "-ERR REPLICAOF not allowed in cluster mode.\r\n"},
	{"readonly", "+OK\r\n"},
	{"readwrite", "+OK\r\n"},
	{"asking", "+OK\r\n"},
}

func TestClusterErrors(t *testing.T) {
	n := serveNode(t, servedOptions{routing: newAdminRouting(t, everySlot)})
	c := n.dial(t)
	for _, test := range clusterReplies {
		c.check(test.line, test.want)
	}
	c.check("cluster myid", bulk(string(self)))
	c.check("cluster bumpepoch", "+STILL 1\r\n") // as a node with the greatest epoch answers in Redis
}

// TestClusterSameAsRedis: the replies expected above, and the fields of CLUSTER
// INFO, are those of a redis-server in cluster mode.
func TestClusterSameAsRedis(t *testing.T) {
	redis := dial(t, "tcp", redisAddr(t, "--cluster-enabled", "yes"))
	for _, test := range clusterReplies {
		redis.check(test.line, test.want)
	}
	ours := serveNode(t, servedOptions{routing: newAdminRouting(t, everySlot)}).dial(t)
	want, got := infoNames(redis.call("cluster", "info")), infoNames(ours.call("cluster", "info"))
	if !slices.Equal(got, want) {
		t.Errorf("CLUSTER INFO has\n%v\nwant\n%v", got, want)
	}
	for _, line := range []string{"info server", "info cluster", "info replication"} {
		want, got := infoNames(redis.call(strings.Fields(line)...)), infoNames(ours.call(strings.Fields(line)...))
		if !slices.Equal(got, want) {
			t.Errorf("%s has\n%v\nwant\n%v", line, got, want)
		}
	}
	// A node of both, as a list of the names and types of what it consists of.
	redis.call("cluster", "addslotsrange", "0", "16383")
	for _, version := range []string{"2", "3"} {
		redis.call("hello", version)
		ours.call("hello", version)
		a, b := redis.call("cluster", "slots"), ours.call("cluster", "slots")
		if want, got := shape(a), shape(b); got != want {
			t.Errorf("CLUSTER SLOTS looks like\n%s\nwant\n%s", got, want)
		}
		a, b = redis.call("cluster", "shards"), ours.call("cluster", "shards")
		if want, got := shape(a), shape(b); !strings.HasPrefix(got, want) { // ours goes on: its slots have a replica
			t.Errorf("CLUSTER SHARDS looks like\n%s\nwant\n%s", got, want)
		}
	}
}

// shape replaces what differs from node to node in a reply: bulks that are no
// field names, and numbers.
func shape(reply string) string {
	lines := strings.Split(reply, "\r\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, ":"):
			lines[i] = ":"
		case strings.HasPrefix(line, "$"):
			lines[i] = "$"
			if i+1 < len(lines) && (lines[i+1] == "" || strings.Contains(lines[i+1], ".") || len(lines[i+1]) == slotmap.NodeIDLen) {
				lines[i+1] = "..."
			}
		case i > 0 && lines[i-1] == "nodes":
			lines[i] = "*n" // how many nodes a shard has
		}
	}
	return strings.TrimRight(strings.Join(lines, " "), " ")
}

func TestClusterAdministration(t *testing.T) {
	r := newAdminRouting(t, everySlot)
	n := serveNode(t, servedOptions{routing: r})
	c := n.dial(t)
	for _, test := range []struct{ line, did string }{
		{"cluster replicate " + string(other), "replicate " + string(other)},
		{"cluster set-config-epoch 3", "epoch 3"},
		{"cluster flushslots", "drop "},
		{"cluster delslots 3 5", "drop 3 5"},
		{"cluster meet 127.0.0.1 7005", "meet 127.0.0.1:17005"},
		{"cluster meet 127.0.0.1 7005 9000", "meet 127.0.0.1:9000"},
		{"cluster forget " + string(other), "forget " + string(other)},
		{"cluster reset", "reset soft"},
		{"cluster reset HARD", "reset hard"},
		{"cluster failover", "failover 0"},
		{"cluster failover FORCE", "failover 1"},
		{"cluster failover takeover", "failover 2"},
	} {
		c.check(test.line, "+OK\r\n")
		if did := <-r.did; did != test.did {
			t.Errorf("%s: asked for %q, want %q", test.line, did, test.did)
		}
	}
	r.set(func() { r.err = cluster.ErrNotReplica })
	c.check("cluster failover", "-ERR You should send CLUSTER FAILOVER to a replica\r\n")
	r.set(func() { r.err = cluster.ErrForgetSelf })
	c.check("cluster forget "+string(self), "-ERR I tried hard but I can't forget myself...\r\n")
	r.set(func() { r.err = cluster.ErrNoController })
	c.check("cluster meet 127.0.0.1 7005", "-ERR no controller is reachable\r\n")
	r.set(func() { r.err = nil })
	for len(r.did) > 0 {
		<-r.did
	}
	c.check("set key value", "+OK\r\n")
	c.check("cluster reset", "-ERR CLUSTER RESET can't be called with master nodes containing keys\r\n")
	all := r.Map()
	moved, _ := all.Apply(&slotmap.Assign{From: self, List: []slotmap.Assigned{{Slots: slotmap.Ranges{slotmap.All()}, To: other}}})
	r.setMap(moved)
	c.check("cluster reset", "+OK\r\n") // as one that was forgotten: what it has is not its own
	<-r.did
	r.setMap(all)

	// Whoever waits for LEAVE and goes away stops waiting.
	c.send(wireCommand("cluster", "leave"))
	if did := <-r.did; did != "leave" {
		t.Fatalf("asked for %q", did)
	}
	c.Close()
	if did := <-r.did; did != "left waiting" {
		t.Fatalf("then %q", did)
	}
}

func TestClusterSlots(t *testing.T) {
	r := newAdminRouting(t, firstHalf)
	n := serveNode(t, servedOptions{routing: r})
	c := n.dial(t)
	node := func(port string, id slotmap.NodeID) string {
		return "*4\r\n" + bulk("127.0.0.1") + ":" + port + "\r\n" + bulk(string(id)) + "*0\r\n"
	}
	// The copies are not in sync, so that only primaries are named.
	c.check("cluster slots", "*2\r\n"+
		"*3\r\n:0\r\n:8191\r\n"+node("7000", self)+
		"*3\r\n:8192\r\n:16383\r\n"+node("7001", other))

	r = newAdminRouting(t, firstHalf)
	r.inSync()
	c = serveNode(t, servedOptions{routing: r}).dial(t)
	c.check("cluster slots", "*3\r\n"+
		"*4\r\n:0\r\n:0\r\n"+node("7000", self)+node("7000", self)+
		"*4\r\n:8192\r\n:16383\r\n"+node("7001", other)+node("7000", self)+
		"*4\r\n:1\r\n:8191\r\n"+node("7000", self)+node("7001", other))

	// A replica that failed is not named, a primary that failed is.
	r.set(func() { r.info.Members[1].Health = cluster.Failed })
	c.check("cluster slots", "*2\r\n"+
		"*3\r\n:0\r\n:8191\r\n"+node("7000", self)+
		"*4\r\n:8192\r\n:16383\r\n"+node("7001", other)+node("7000", self))

	// Endpoint types, in RESP3: this node's choice for all nodes, from the next
	// reply on.
	r.set(func() { r.info.Members[0].Hostname = "one.example" })
	c.call("hello", "3")
	elsewhere := "*2\r\n*3\r\n:0\r\n:8191\r\n%[1]s*4\r\n:8192\r\n:16383\r\n%[2]s%[1]s"
	for _, e := range []struct{ preferred, one, two, moved string }{
		{"hostname",
			"*4\r\n" + bulk("one.example") + ":7000\r\n" + bulk(string(self)) + "%1\r\n" + bulk("ip") + bulk("127.0.0.1"),
			"*4\r\n" + bulk("?") + ":7001\r\n" + bulk(string(other)) + "%1\r\n" + bulk("ip") + bulk("127.0.0.1"),
			"?:7001"},
		{"unknown-endpoint",
			"*4\r\n_\r\n:7000\r\n" + bulk(string(self)) + "%2\r\n" + bulk("ip") + bulk("127.0.0.1") + bulk("hostname") + bulk("one.example"),
			"*4\r\n_\r\n:7001\r\n" + bulk(string(other)) + "%1\r\n" + bulk("ip") + bulk("127.0.0.1"),
			":7001"},
		{"ip",
			"*4\r\n" + bulk("127.0.0.1") + ":7000\r\n" + bulk(string(self)) + "%1\r\n" + bulk("hostname") + bulk("one.example"),
			"*4\r\n" + bulk("127.0.0.1") + ":7001\r\n" + bulk(string(other)) + "%0\r\n",
			"127.0.0.1:7001"},
	} {
		c.check("config set cluster-preferred-endpoint-type "+e.preferred, "+OK\r\n")
		c.send(wireCommand("cluster", "slots"))
		c.expect(fmt.Sprintf(elsewhere, e.one, e.two))
		c.check("get foo", "-MOVED 12182 "+e.moved+"\r\n")
	}
}

// TestClusterSlotsAwaitMap: a node that has just come back says who has the slots when it
// knows, or has waited for long enough, but in a transaction.
func TestClusterSlotsAwaitMap(t *testing.T) {
	for _, line := range []string{"slots", "shards", "nodes"} {
		r := newAdminRouting(t, firstHalf)
		c := serveNode(t, servedOptions{routing: r}).dial(t)
		wait := make(chan struct{})
		r.returns.Store(&wait)
		c.call("multi")
		c.call("cluster", line)
		before := c.call("exec")
		asked := r.looked.Load()
		c.send(wireCommand("cluster", line))
		for r.looked.Load() == asked {
			runtime.Gosched()
		}
		r.inSync()
		r.set(func() { r.info.Members[1].Health = cluster.Failed })
		r.returns.Store(nil)
		close(wait)
		if got := c.wire(); got == strings.TrimPrefix(before, "*1\r\n") || !strings.Contains(got, string(other)) {
			t.Errorf("%s: %q, and before the wait %q", line, got, before)
		}
	}
}

func TestClusterShards(t *testing.T) {
	r := newAdminRouting(t, firstHalf)
	n := serveNode(t, servedOptions{routing: r})
	c := n.dial(t)
	node := func(port string, id slotmap.NodeID, role, health string) string {
		return "*14\r\n" + bulk("id") + bulk(string(id)) + bulk("port") + ":" + port + "\r\n" +
			bulk("ip") + bulk("127.0.0.1") + bulk("endpoint") + bulk("127.0.0.1") +
			bulk("role") + bulk(role) + bulk("replication-offset") + ":0\r\n" + bulk("health") + bulk(health)
	}
	want := func(replica string) string {
		return "*2\r\n" +
			"*4\r\n" + bulk("slots") + "*2\r\n:0\r\n:8191\r\n" + bulk("nodes") + "*2\r\n" +
			node("7000", self, "master", "online") + node("7001", other, "replica", replica) +
			"*4\r\n" + bulk("slots") + "*2\r\n:8192\r\n:16383\r\n" + bulk("nodes") + "*2\r\n" +
			node("7001", other, "master", "online") + node("7000", self, "replica", replica)
	}
	c.check("cluster shards", want("loading"))
	r = newAdminRouting(t, firstHalf)
	r.inSync()
	c = serveNode(t, servedOptions{routing: r}).dial(t)
	c.check("cluster shards", want("online"))
}

func TestClusterNodes(t *testing.T) {
	nodes := func(r *adminRouting) string {
		c := serveNode(t, servedOptions{routing: r}).dial(t)
		return c.call("cluster", "nodes")
	}
	a, b := string(self), string(other)

	// Each is primary of one half and replica of the other: two masters.
	r := newAdminRouting(t, firstHalf)
	if got, want := nodes(r), bulk(a+" 127.0.0.1:7000@17000 myself,master - 0 1234 1 connected 0-8191\n"+
		b+" 127.0.0.1:7001@17001 master - 0 1234 1 connected 8192-16383\n"); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}

	// As replicas of each other they are shown as such.
	c := serveNode(t, servedOptions{routing: r}).dial(t)
	c.check("cluster replicas "+a, "*1\r\n"+bulk(b+" 127.0.0.1:7001@17001 slave "+a+" 0 1234 1 connected"))
	c.check("cluster replicas "+b, "*1\r\n"+bulk(a+" 127.0.0.1:7000@17000 myself,slave "+b+" 0 1234 1 connected"))

	// A node that has replicas only is a slave, with its primary's epoch.
	r = newAdminRouting(t, noSlot)
	r.info.Members[1].Health = cluster.Suspect
	r.info.Members[1].PingSentMillis = 99
	r.info.Members[1].Hostname = "two.example"
	met := cluster.Member{Health: cluster.Unknown}
	met.ID, met.ClusterPort = slotmap.NodeID(strings.Repeat("c", slotmap.NodeIDLen)), 17002
	r.info.Members = append(r.info.Members, met)
	if got, want := nodes(r), bulk(a+" 127.0.0.1:7000@17000 myself,slave "+b+" 0 1234 1 connected\n"+
		b+" 127.0.0.1:7001@17001,two.example master,fail? - 99 1234 1 disconnected 0-16383\n"+
		string(met.ID)+" :0@17002 handshake,noaddr - 0 0 0 disconnected\n"); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	c = serveNode(t, servedOptions{routing: r}).dial(t)
	c.check("cluster replicas "+b, "*1\r\n"+bulk(a+" 127.0.0.1:7000@17000 myself,slave "+b+" 0 1234 1 connected"))
	c.check("cluster replicas "+a, "-ERR The specified node is not a master\r\n")
	r.set(func() { r.info.Members[1].Failures = 2 })
	c.check("cluster count-failure-reports "+b, ":2\r\n")
	r.set(func() {
		r.info.Messages = []cluster.MessageCount{{Kind: "lease-request", Sent: 7}, {Kind: "lease-grant", Received: 8}}
		r.info.Links = []cluster.LinkStat{{To: true, Node: other, CreateTimeMillis: 5, SendBufferBytes: 6}}
	})
	c.check("cluster links", "*1\r\n*12\r\n"+bulk("direction")+bulk("to")+bulk("node")+bulk(b)+
		bulk("create-time")+":5\r\n"+bulk("events")+bulk("rw")+bulk("send-buffer-allocated")+":6\r\n"+
		bulk("send-buffer-used")+":6\r\n")
	for field, want := range map[string]string{"cluster_state": "ok", "cluster_slots_assigned": "16384",
		"cluster_known_nodes": "3", "cluster_size": "1", "cluster_my_epoch": "1", "respkv_controller": b,
		"cluster_stats_messages_lease-request_sent": "7", "cluster_stats_messages_lease-grant_received": "8"} {
		if got := c.infoField(field, "cluster", "info"); got != want {
			t.Errorf("CLUSTER INFO %s is %q, want %q", field, got, want)
		}
	}
	if got := c.infoField("role", "info", "replication"); got != "slave" {
		t.Errorf("role %q", got)
	}
	if got := c.infoField("master_port", "info", "replication"); got != "7001" {
		t.Errorf("master_port %q", got)
	}
	c.check("role", "*5\r\n"+bulk("slave")+bulk("127.0.0.1")+":7001\r\n"+bulk("connect")+":0\r\n")
}

// TestKeysOfReplicatedSlot: a node is primary and replica at once, and clients
// add up what primaries say.
func TestKeysOfReplicatedSlot(t *testing.T) {
	routing := newRouting(t, everySlot)
	n := newTestNode(t, routing, nil)
	n.expect("set a x", "+OK\r\n")
	n.expect("cluster countkeysinslot 15495", ":1\r\n")
	routing.setMap(newRouting(t, firstHalf).Map())
	n.expect("cluster countkeysinslot 15495", ":0\r\n")
	n.expect("cluster getkeysinslot 15495 10", "*0\r\n")
}

func TestClusterKeysOfSlot(t *testing.T) {
	c := serveNode(t, servedOptions{routing: newAdminRouting(t, everySlot)}).dial(t)
	c.check("mset {a}1 x {a}2 x", "+OK\r\n")
	slot := strings.Trim(c.call("cluster", "keyslot", "a"), ":\r\n")
	c.check("cluster countkeysinslot "+slot, ":2\r\n")
	c.check("cluster getkeysinslot "+slot+" 0", "*0\r\n")
	if got := c.call("cluster", "getkeysinslot", slot, "9223372036854775807"); !strings.HasPrefix(got, "*2\r\n") ||
		!strings.Contains(got, "{a}1") || !strings.Contains(got, "{a}2") {
		t.Errorf("got %q", got)
	}
}
