package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"respkv/cluster/hashslot"
	"respkv/tests/process/harness"
)

// measureFailover: how long the slots of a lost primary accept no writes, in a
// cluster of three with one replica and default timings, under light load.
func measureFailover(o *options) (string, error) {
	seed := o.seed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	progress("seed %d", seed)
	var b strings.Builder
	fmt.Fprintf(&b, "Three nodes, one replica, default settings, %d writes a second. From the moment a random primary is harmed until each of its slots has accepted a write again, in seconds; a percentile is the smallest value that so many percent of the rounds do not exceed. Seed %d.\n\n", lightLoad, seed)
	b.WriteString("| Harm | Rounds | p50 | p99 | max | Goal, p99 | Reached |\n|---|---:|---:|---:|---:|---|---|\n")
	random := rand.New(rand.NewPCG(seed, 0))
	for _, h := range []struct {
		name    string
		rounds  int
		goal    time.Duration
		measure func(t *scope, rounds int, random *rand.Rand) (outages, error)
	}{
		{"kill -9", o.kills, time.Second, measureKills},
		{"network cut", o.cuts, 3 * time.Second, measureCuts},
	} {
		if h.rounds == 0 {
			continue
		}
		var times outages
		err := within(func(t *scope) (err error) {
			times, err = h.measure(t, h.rounds, random)
			return err
		})
		if errors.Is(err, errSkip) {
			progress("%s: %v", h.name, err)
			fmt.Fprintf(&b, "| %s | 0 | | | | < %v | %v |\n", h.name, h.goal, err)
			continue
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", h.name, err)
		}
		b.WriteString(times.row(h.name, h.goal))
		for _, was := range []bool{true, false} {
			who := "of another node"
			if was {
				who = "of the controller"
			}
			if part := times.of(was); len(part) > 0 {
				b.WriteString(part.row(h.name+" "+who, h.goal))
			}
		}
	}
	return b.String(), nil
}

// outage is one round.
type outage struct {
	took       time.Duration
	controller bool // the node harmed led the cluster
}

type outages []outage

func (o outages) of(controller bool) (part outages) {
	for _, x := range o {
		if x.controller == controller {
			part = append(part, x)
		}
	}
	return part
}

// percentile by nearest rank.
func (o outages) percentile(p int) time.Duration {
	sorted := slices.SortedFunc(slices.Values(o), func(a, b outage) int { return int(a.took - b.took) })
	return sorted[max(0, (len(sorted)*p+99)/100-1)].took
}

func (o outages) row(name string, limit time.Duration) string {
	g := goal{fmt.Sprintf("< %v", limit), func(_, value float64) bool { return value < limit.Seconds() }}
	p99 := o.percentile(99).Seconds()
	return fmt.Sprintf("| %s | %d | %.3f | %.3f | %.3f | %s |\n", name, len(o),
		o.percentile(50).Seconds(), p99, o.percentile(100).Seconds(), g.cells(0, p99))
}

func measureKills(t *scope, rounds int, random *rand.Rand) (outages, error) {
	c := harness.StartCluster(t, 3, 1)
	return outageRounds(t, c, rounds, random,
		func(i int) { c.Nodes[i].Kill() },
		func(i int) { c.Nodes[i].Start(); c.Nodes[i].WaitReady() })
}

func measureCuts(t *scope, rounds int, random *rand.Rand) (outages, error) {
	network, nodes := harness.NewNetwork(t, 3)
	c := harness.JoinCluster(t, nodes, 1)
	for _, n := range nodes {
		n.Start()
	}
	return outageRounds(t, c, rounds, random, network.Cut, network.Heal)
}

// settled is how long the cluster is left alone before it is harmed again: the
// controller learns which copies are complete with the lease requests, three
// in a node timeout.
const settled = 2 * time.Second

func outageRounds(t *scope, c *harness.Cluster, rounds int, random *rand.Rand, harm, restore func(i int)) (outages, error) {
	c.WaitComplete(harness.FormLimit)
	defer startLightLoad(c)()
	var times outages
	for round := range rounds {
		waitInSync(t, c)
		time.Sleep(settled)
		t.check()
		victim := random.IntN(len(c.Nodes))
		slots, err := clusterSlots(c.Nodes[(victim+1)%len(c.Nodes)])
		if err != nil {
			return nil, err
		}
		controller, err := leads(c.Nodes[victim])
		if err != nil {
			return nil, err
		}
		var survivors []*harness.Node
		for i, n := range c.Nodes {
			if i != victim {
				survivors = append(survivors, n)
			}
		}
		p, err := newProbe(survivors, slots[c.Nodes[victim].Addr()])
		if err != nil {
			return nil, err
		}
		began := time.Now()
		harm(victim)
		took, err := p.wait(began)
		p.close()
		if err != nil {
			return nil, err
		}
		progress("round %d of %d: %v (controller: %v)", round+1, rounds, took.Round(time.Millisecond), controller)
		times = append(times, outage{took, controller})
		restore(victim)
	}
	return times, nil
}

// leads tells whether a node is the controller.
func leads(n *harness.Node) (bool, error) {
	c, err := dialClient(n.Addr())
	if err != nil {
		return false, err
	}
	defer c.close()
	id, err := c.ask("CLUSTER", "MYID")
	if err != nil {
		return false, err
	}
	myself := string(id)
	text, err := c.ask("CLUSTER", "INFO")
	return strings.Contains(string(text), "respkv_controller:"+myself), err
}

// probe finds out when slots accept writes.
type probe struct {
	clients []*client
	pending []int // slots not served yet
}

func newProbe(survivors []*harness.Node, slots []int) (*probe, error) {
	if len(slots) == 0 {
		return nil, fmt.Errorf("the node is primary of nothing")
	}
	p := &probe{pending: slices.Clone(slots)}
	for _, n := range survivors {
		c, err := dialClient(n.Addr())
		if err != nil {
			return nil, err
		}
		p.clients = append(p.clients, c)
	}
	return p, nil
}

func (p *probe) close() {
	for _, c := range p.clients {
		c.close()
	}
}

const (
	probeEvery = 2 * time.Millisecond
	probeLimit = 60 * time.Second
)

// wait returns the time from began until the last slot has accepted a write.
// Until one does, only the first is tried, so that the probes themselves take
// nothing from what they measure.
func (p *probe) wait(began time.Time) (time.Duration, error) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	tried := 1
	for {
		for _, c := range p.clients {
			served, err := p.try(c, p.pending[:min(tried, len(p.pending))])
			if err != nil {
				return 0, err
			}
			if len(served) > 0 {
				tried = hashslot.Count
				p.pending = slices.DeleteFunc(p.pending, func(slot int) bool { return served[slot] })
			}
		}
		took := time.Since(began)
		switch {
		case len(p.pending) == 0:
			return took, nil
		case took > probeLimit:
			return 0, fmt.Errorf("%d slots are not served after %v", len(p.pending), took)
		}
		<-tick.C
	}
}

// try writes to slots through one node and returns those that took it.
func (p *probe) try(c *client, slots []int) (map[int]bool, error) {
	if err := c.conn.SetDeadline(time.Now().Add(probeLimit)); err != nil {
		return nil, err
	}
	for _, slot := range slots {
		c.send("SET", "probe:{"+tags()[slot]+"}", "1")
	}
	served := make(map[int]bool)
	for _, slot := range slots {
		_, err := c.reply()
		var refused serverError
		switch {
		case err == nil:
			served[slot] = true
		case !errors.As(err, &refused):
			return nil, err
		}
	}
	return served, nil
}

// tags holds a hash tag for every slot.
var tags = sync.OnceValue(func() (tags [hashslot.Count]string) {
	for i, missing := 0, len(tags); missing > 0; i++ {
		tag := strconv.Itoa(i)
		if slot := hashslot.Slot([]byte(tag)); tags[slot] == "" {
			tags[slot] = tag
			missing--
		}
	}
	return tags
})

// lightLoad is how many writes a second go to the cluster meanwhile.
const lightLoad = 200

// startLightLoad writes at a steady pace until the function returned is called.
// Writes that fail are those of the slots that are not served: they are probed
// elsewhere.
func startLightLoad(c *harness.Cluster) (stop func()) {
	const writers = 4
	client := c.Client(func(o *redis.ClusterOptions) { o.MaxRedirects = 1; o.ReadTimeout = 200 * time.Millisecond })
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for w := range writers {
		done.Go(func() {
			tick := time.NewTicker(writers * time.Second / lightLoad)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				_ = client.Set(ctx, fmt.Sprintf("load:%d:%d", w, i%10_000), i, 0).Err()
			}
		})
	}
	return func() {
		cancel()
		done.Wait()
	}
}
