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
	reply, err := c.do(timeout, "CLUSTER", "SLOTS")
	if err != nil {
		return v, err
	}
	ranges, _ := reply.([]any)
	for _, r := range ranges {
		entry, _ := r.([]any)
		if len(entry) < 3 {
			return v, fmt.Errorf("unexpected CLUSTER SLOTS entry %v", r)
		}
		start, ok1 := entry[0].(int64)
		stop, ok2 := entry[1].(int64)
		if !ok1 || !ok2 || start < 0 || stop < start || stop >= allSlots {
			return v, fmt.Errorf("unexpected CLUSTER SLOTS range %v", r)
		}
		count := int(stop-start) + 1
		v.assigned += count
		if n := len(entry) - 3; v.replicas < 0 || n < v.replicas {
			v.replicas = n
		}
		for i, n := range entry[2:] {
			fields, _ := n.([]any)
			if len(fields) < 3 {
				return v, fmt.Errorf("unexpected CLUSTER SLOTS node %v", n)
			}
			id, _ := fields[2].(string)
			h := v.holdings[id]
			if h == nil {
				h = new(holding)
				v.holdings[id] = h
			}
			if i == 0 {
				h.primary += count
			} else {
				h.replica += count
			}
		}
	}
	return v, nil
}

// held is what the node with that ID holds.
func (v clusterView) held(id string) holding {
	if h := v.holdings[id]; h != nil {
		return *h
	}
	return holding{}
}
