package page

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"respkv/tests/process/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// observedCluster runs nodes whose metrics.listen is in addrs.
func observedCluster(t *testing.T, size, replicas int, args ...string) (c *harness.Cluster, addrs []string) {
	t.Helper()
	var nodes []*harness.Node
	for range size {
		addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePorts(t, 1))
		addrs = append(addrs, addr)
		nodes = append(nodes, harness.NewNode(t, "--metrics.listen="+addr))
	}
	c = harness.JoinCluster(t, nodes, replicas, args...)
	for _, n := range nodes {
		n.Start()
	}
	c.WaitComplete(harness.Patience)
	return c, addrs
}

// fill writes n keys through a cluster client.
func fill(t *testing.T, c *harness.Cluster, n int) {
	t.Helper()
	client := c.Client(nil)
	value := strings.Repeat("v", 100)
	for i := range n {
		if err := client.Set(context.Background(), fmt.Sprintf("page:%d", i), value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPageShowsTheCluster(t *testing.T) {
	b := startBrowser(t, 1440, 1250)
	c, addrs := observedCluster(t, 3, 1, "--store.maxmemory=256mb")
	fill(t, c, 2000)
	b.scheme("light")
	b.open("http://" + addrs[1] + "/")
	b.waitFor(`document.getElementById("state").textContent === "ok"`)
	b.waitFor(`document.querySelectorAll("#nodes tbody tr").length === 3`)

	// Every node with numbers of its own, asked for by the one that serves the page.
	b.waitFor(`[...document.querySelectorAll("#nodes tbody tr")].every(r => r.cells.length === 9 && r.cells[4].textContent !== "0")`)
	for _, want := range []string{c.Nodes[0].Addr(), c.Nodes[1].Addr(), c.Nodes[2].Addr(),
		"3 of 3", "all slots served", "controller", "this node", "Operations", "of 256 MB", "cluster-formed", "Nothing is on its way"} {
		b.waitFor(fmt.Sprintf(`document.body.innerText.includes(%q)`, want))
	}

	// The map of slots has the colours of the primaries, and names the slot below
	// the mouse.
	for _, slot := range []int{0, 8191, 16383} {
		owner := ownerOf(t, c, slot)
		x, y := (float64(slot%128)+0.5)/128, (float64(slot/128)+0.5)/128
		b.hoverUntil("#slots", x, y, fmt.Sprintf(`document.getElementById("tip").innerText.includes("Slot %d ") && document.querySelector("#tip div").textContent === %q`, slot, owner+"primary"))
	}
	b.picture("light-hover")
	b.hoverUntil("h1", 0.5, 0.5, `document.getElementById("tip").hidden`)
	// One colour for each primary.
	b.waitFor(`(() => { const d = document.getElementById("slots").getContext("2d").getImageData(0, 0, 128, 128).data; const s = new Set(); for (let i = 0; i < d.length; i += 4) s.add(d[i] + "," + d[i+1] + "," + d[i+2]); return s.size })() === 3`)
	b.eval(`document.getElementById("slots").focus()`)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": "ArrowRight", "code": "ArrowRight"}, nil)
	b.waitFor(`document.getElementById("tip").innerText.includes("Slot 0 ")`)
	b.eval(`document.getElementById("slots").blur()`)

	// Dark is dark.
	light := b.eval(`getComputedStyle(document.body).backgroundColor`)
	b.scheme("dark")
	if dark := b.eval(`getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("light and dark have the same background %s", dark)
	}
	b.picture("dark")
	b.scheme("light")

	// A node dies: the page shows it, by itself, and what was done about it.
	c.Nodes[0].Kill()
	b.waitFor(`document.body.innerText.includes("2 of 3") && document.getElementById("state").textContent === "degraded"`)
	b.waitFor(`[...document.querySelectorAll("#events li")].some(e => e.innerText.includes("node-down") && e.innerText.includes("` + c.Nodes[0].Addr() + `"))`)
	b.picture("failover")
	c.Nodes[0].Start()
	b.waitFor(`document.getElementById("state").textContent === "ok" && document.body.innerText.includes("3 of 3")`)

	for _, address := range b.asked() {
		if u, err := url.Parse(address); err != nil || u.Host != addrs[1] {
			t.Errorf("the page asked for %s", address)
		}
	}
	if problems := b.complaints(); len(problems) > 0 {
		t.Errorf("the page complains:\n%s", strings.Join(problems, "\n"))
	}

	// Its own node stops: the page says that it is out of date.
	c.Nodes[1].Kill()
	b.waitFor(`!document.getElementById("stale").hidden && document.getElementById("stale").textContent.includes("does not answer")`)
}

// TestPageShowsMoves has a node join a cluster with data, copied slowly.
func TestPageShowsMoves(t *testing.T) {
	b := startBrowser(t, 1440, 1250)
	c, addrs := observedCluster(t, 2, 1, "--replication.copy_rate=200kb")
	fill(t, c, 10000)
	b.open("http://" + addrs[0] + "/")
	b.waitFor(`document.getElementById("state").textContent === "ok"`)
	joined := c.Add()
	b.waitFor(fmt.Sprintf(`[...document.querySelectorAll("#moves .move")].some(m => m.innerText.includes(%q) && m.querySelector("[role=progressbar]"))`, joined.Addr()))
	b.waitFor(`document.querySelectorAll("#nodes tbody tr").length === 3`)
	b.picture("moves")
	if problems := b.complaints(); len(problems) > 0 {
		t.Errorf("the page complains:\n%s", strings.Join(problems, "\n"))
	}
}

func TestPageOfAStandaloneNode(t *testing.T) {
	b := startBrowser(t, 1000, 600)
	addr := fmt.Sprintf("127.0.0.1:%d", harness.FreePorts(t, 1))
	n := harness.StartStandalone(t, "--metrics.listen="+addr)
	if err := n.Client().Set(context.Background(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	b.open("http://" + addr + "/")
	b.waitFor(`document.getElementById("state").textContent === "ok"`)
	b.waitFor(`document.getElementById("cluster-part").hidden`)
	b.waitFor(`document.querySelector("#nodes tbody tr").cells[4].textContent === "1"`)
	b.picture("standalone")
	if problems := b.complaints(); len(problems) > 0 {
		t.Errorf("the page complains:\n%s", strings.Join(problems, "\n"))
	}
}

// ownerOf is the client address of a slot's primary.
func ownerOf(t *testing.T, c *harness.Cluster, slot int) string {
	t.Helper()
	slots, err := c.Nodes[1].Client().ClusterSlots(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		if s.Start <= slot && slot <= s.End {
			return s.Nodes[0].Addr
		}
	}
	t.Fatalf("slot %d has no primary", slot)
	return ""
}
