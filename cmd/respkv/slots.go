package main

import (
	"fmt"
	"strings"
	"time"
)

const allSlots = 16384

// holding is what one node holds of the slot map.
type holding struct{ primary, replica int }

// clusterView is the cluster as one node sees it.
type clusterView struct {
	state    string              // ok or fail
	assigned int                 // slots that have a primary
	replicas int                 // fewest replicas of any slot
	holdings map[string]*holding // by node ID
}

// view asks a node for the state of the cluster.
func view(c *client, timeout time.Duration) (clusterView, error) {
	v := clusterView{holdings: make(map[string]*holding), replicas: -1}
	info, err := c.do(timeout, "CLUSTER", "INFO")
	if err != nil {
		return v, err
	}
	text, _ := info.(string)
	for line := range strings.Lines(text) {
		if state, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_state:"); ok {
			v.state = state
		}
	}
	// Not CLUSTER SLOTS, whose order of entries is made for client libraries.
	reply, err := c.do(timeout, "CLUSTER", "SHARDS")
	if err != nil {
		return v, err
	}
	shards, _ := reply.([]any)
	for _, shard := range shards {
		if err := v.add(shard); err != nil {
			return v, err
		}
	}
	return v, nil
}

// add counts one shard: slots with the same holders, or a node without slots.
func (v *clusterView) add(shard any) error {
	slots, ok := field(shard, "slots").([]any)
	nodes, ok2 := field(shard, "nodes").([]any)
	if !ok || !ok2 || len(slots)%2 != 0 {
		return fmt.Errorf("unexpected CLUSTER SHARDS entry %v", shard)
	}
	count, replicas := 0, 0
	for i := 0; i < len(slots); i += 2 {
		start, ok1 := slots[i].(int64)
		stop, ok2 := slots[i+1].(int64)
		if !ok1 || !ok2 || start < 0 || stop < start || stop >= allSlots {
			return fmt.Errorf("unexpected CLUSTER SHARDS range %v to %v", slots[i], slots[i+1])
		}
		count += int(stop-start) + 1
	}
	if count == 0 {
		return nil
	}
	for _, n := range nodes {
		id, ok := field(n, "id").(string)
		if !ok {
			return fmt.Errorf("unexpected CLUSTER SHARDS node %v", n)
		}
		h := v.holdings[id]
		if h == nil {
			h = new(holding)
			v.holdings[id] = h
		}
		switch {
		case field(n, "role") == "master":
			h.primary += count
		case field(n, "health") == "online":
			h.replica += count
			replicas++
		}
	}
	v.assigned += count
	if v.replicas < 0 || replicas < v.replicas {
		v.replicas = replicas
	}
	return nil
}

// field is a value of a map as RESP2 has it; nil: there is none of that name.
func field(fields any, name string) any {
	list, _ := fields.([]any)
	for i := 0; i+1 < len(list); i += 2 {
		if list[i] == name {
			return list[i+1]
		}
	}
	return nil
}

// held is what the node with that ID holds.
func (v clusterView) held(id string) holding {
	if h := v.holdings[id]; h != nil {
		return *h
	}
	return holding{}
}
