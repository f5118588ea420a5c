package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"respkv/cluster/hashslot"
	"respkv/tests/process/harness"
)

const (
	bigRate = 5000 // requests a second of the others
	bigKeys = 2000 // that they use

	// bigLimit is the goal for the 99.9th percentile of the others.
	bigLimit = 5 * time.Millisecond
	// bigWait is how long something that the server does by itself may take.
	bigWait = 10 * time.Minute
)

// bigOperation is something done to keys of many elements.
type bigOperation struct {
	name  string
	needs []string // keys that must be there: see fillBig
	first []string // done before, when nobody is served
	lines []string
	// after is looked at, again and again, until it is true: what began has
	// ended. nil: with the reply.
	after func(c *client) (bool, error)
}

var bigOperations = []bigOperation{
	{name: "nothing", after: lasting(3 * time.Second)},
	{name: "SUNIONSTORE", needs: []string{"set", "set2"}, lines: []string{"SUNIONSTORE {big}to {big}set {big}set2"}},
	{name: "ZUNIONSTORE", needs: []string{"zset", "set"}, lines: []string{"ZUNIONSTORE {big}to 2 {big}zset {big}set"}},
	{name: "ZRANGESTORE", needs: []string{"zset"}, lines: []string{"ZRANGESTORE {big}to {big}zset 0 -1"}},
	{name: "COPY, set", needs: []string{"set"}, lines: []string{"COPY {big}set {big}to REPLACE"}},
	{name: "COPY, hash", needs: []string{"hash"}, lines: []string{"COPY {big}hash {big}to REPLACE"}},
	{name: "COPY, list", needs: []string{"list"}, lines: []string{"COPY {big}list {big}to REPLACE"}},
	{name: "COPY, string of 256 MB", first: []string{"SETRANGE {big}string 268435455 x"}, lines: []string{"COPY {big}string {big}to REPLACE"}},
	{name: "SORT ALPHA STORE, set", needs: []string{"set"}, lines: []string{"SORT {big}set ALPHA STORE {big}to"}},
	{name: "GEOSEARCHSTORE", needs: []string{"zset"}, lines: []string{"GEOSEARCHSTORE {big}to {big}zset FROMLONLAT -179.99 -85 BYRADIUS 100 km"}},
	{name: "HGETALL", needs: []string{"hash"}, lines: []string{"HGETALL {big}hash"}},
	{name: "SMEMBERS", needs: []string{"set"}, lines: []string{"SMEMBERS {big}set"}},
	{name: "LRANGE 0 -1", needs: []string{"list"}, lines: []string{"LRANGE {big}list 0 -1"}},
	{name: "ZRANGE 0 -1 WITHSCORES", needs: []string{"zset"}, lines: []string{"ZRANGE {big}zset 0 -1 WITHSCORES"}},
	{name: "SINTER", needs: []string{"set", "set2"}, lines: []string{"SINTER {big}set {big}set2"}},
	{name: "LPOS of none", needs: []string{"list"}, lines: []string{"LPOS {big}list none"}},
	{name: "GET, string of 256 MB", first: []string{"SETRANGE {big}string 268435455 x"}, lines: []string{"GET {big}string"}},
	{name: "BITCOUNT, string of 256 MB", lines: []string{"BITCOUNT {big}string"}},
	{name: "LREM of one", needs: []string{"list"}, first: copied("list"), lines: []string{"LREM {big}to -1 member:1"}},
	{name: "LTRIM to 100", needs: []string{"list"}, first: copied("list"), lines: []string{"LTRIM {big}to 1000 1099"}, after: freed},
	{name: "ZREMRANGEBYRANK, all but 100", needs: []string{"zset"}, first: copied("zset"), lines: []string{"ZREMRANGEBYRANK {big}to 0 -101"}, after: freed},
	{name: "ZREMRANGEBYSCORE, half", needs: []string{"zset"}, first: copied("zset"), lines: []string{"ZREMRANGEBYSCORE {big}to 50000 +inf"}, after: freed},
	{name: "ZREMRANGEBYRANK, a hundredth", needs: []string{"zset"}, first: copied("zset"), lines: []string{"ZREMRANGEBYRANK {big}to 0 HUNDREDTH"}},
	{name: "LTRIM, half", needs: []string{"list"}, first: copied("list"), lines: []string{"LTRIM {big}to 0 HALF"}, after: freed},
	{name: "LPOP, a hundredth", needs: []string{"list"}, first: copied("list"), lines: []string{"LPOP {big}to HUNDREDTH"}},
	{name: "ZREMRANGEBYRANK, a tenth", needs: []string{"zset"}, first: copied("zset"), lines: []string{"ZREMRANGEBYRANK {big}to 0 TENTH"}, after: freed},
	{name: "ZPOPMIN, a tenth", needs: []string{"zset"}, first: copied("zset"), lines: []string{"ZPOPMIN {big}to TENTH"}, after: freed},
	{name: "UNLINK", needs: []string{"to"}, lines: []string{"UNLINK {big}to"}, after: freed},
	{name: "DEL, lazyfree-lazy-user-del", needs: []string{"set2"}, lines: []string{"DEL {big}set2"}, after: freed},
	{name: "expiry, lazyfree-lazy-expire", needs: []string{"hash"}, lines: []string{"PEXPIRE {big}hash 100"}, after: freed},
	{name: "FLUSHALL ASYNC", needs: []string{"set", "zset", "list"}, lines: []string{"FLUSHALL ASYNC"}, after: freed},
}

// copied makes {big}to a copy of that key.
func copied(name string) []string { return []string{"COPY {big}" + name + " {big}to REPLACE"} }

// lasting waits.
func lasting(d time.Duration) func(*client) (bool, error) {
	return func(*client) (bool, error) { time.Sleep(d); return true, nil }
}

// freed says whether the memory of dropped values is given back.
func freed(c *client) (bool, error) {
	time.Sleep(500 * time.Millisecond) // till it has begun, and then for a while
	text, err := c.ask("INFO", "memory")
	return strings.Contains(string(text), "lazyfree_pending_objects:0\r"), err
}

// measureBigKeys: what other clients feel while keys with many elements are
// copied, combined, freed, sent to a replica and moved.
func measureBigKeys(o *options) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Sets, sorted sets, hashes and lists of %d elements. Meanwhile %d clients send %d GETs and SETs a second, half of them to keys of the same slot; times in milliseconds from the moment a request was due. \"Took\" is the command itself, with what it leaves to be freed in the background. The goal is held against respkv's p99.9.\n\n", o.bigElements, o.clients, bigRate)
	b.WriteString("| During | Server | Took, s | p50 | p99 | p99.9 | max | Goal, p99.9 | Reached |\n|---|---|---:|---:|---:|---:|---:|---|---|\n")
	rows := make(map[string][]string)
	for _, binary := range []string{o.redis, o.respkv} {
		if err := measureBigCommands(o, binary, rows); err != nil {
			return "", err
		}
	}
	for _, op := range bigOperations {
		b.WriteString(strings.Join(rows[op.name], ""))
	}
	for _, measure := range []func(o *options, t *scope) (string, error){measureBigResync, measureBigMove} {
		err := within(func(t *scope) error {
			row, err := measure(o, t)
			b.WriteString(row)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func measureBigCommands(o *options, binary string, rows map[string][]string) error {
	s, err := startServer(binary)
	if err != nil {
		return err
	}
	defer s.stop()
	c, err := dialClient(s.addr())
	if err != nil {
		return err
	}
	defer c.close()
	for _, setting := range []string{"lazyfree-lazy-user-del", "lazyfree-lazy-expire", "lazyfree-lazy-server-del"} {
		if err := c.do("CONFIG", "SET", setting, "yes"); err != nil {
			return err
		}
	}
	l := steadyLoad{addr: s.addr(), clients: o.clients, perSecond: bigRate}
	for i := range bigKeys / 2 {
		l.keys = append(l.keys, fmt.Sprint("{big}", i), fmt.Sprint("other:", i))
	}
	for _, op := range bigOperations {
		if interrupted.Load() {
			return errInterrupted
		}
		for _, name := range op.needs {
			if err := fillBig(c, name, o.bigElements); err != nil {
				return err
			}
		}
		for _, line := range op.first {
			if err := c.do(strings.Fields(line)...); err != nil {
				return fmt.Errorf("%s: %w", line, err)
			}
		}
		if err := l.start(); err != nil {
			return err
		}
		var took time.Duration
		times, err := l.during(func() error {
			began := time.Now()
			defer func() { took = time.Since(began) }()
			for _, line := range op.lines {
				for part, n := range map[string]int{"HUNDREDTH": 100, "TENTH": 10, "HALF": 2} {
					line = strings.ReplaceAll(line, part, strconv.Itoa(o.bigElements/n-1))
				}
				if err := c.do(strings.Fields(line)...); err != nil {
					return fmt.Errorf("%s: %w", line, err)
				}
			}
			for done := op.after == nil; !done; {
				var err error
				if done, err = op.after(c); err != nil {
					return err
				}
			}
			return nil
		})
		l.end()
		if err != nil {
			return err
		}
		row := bigRow(op.name, serverName(binary), took, times)
		progress("%s", strings.TrimSpace(row))
		rows[op.name] = append(rows[op.name], row)
	}
	return nil
}

func serverName(binary string) string {
	if strings.HasSuffix(binary, "redis-server") {
		return "redis-server"
	}
	return "respkv"
}

func bigRow(name, server string, took time.Duration, times []time.Duration) string {
	milli := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1e3, 'f', 2, 64) }
	g := goal{}
	if server == "respkv" {
		g = goal{fmt.Sprintf("< %v", bigLimit), func(_, value float64) bool { return value < bigLimit.Seconds() }}
	}
	p999 := rank(times, 99.9)
	return fmt.Sprintf("| %s | %s | %.2f | %s | %s | %s | %s | %s |\n", name, server, took.Seconds(),
		milli(rank(times, 50)), milli(rank(times, 99)), milli(p999), milli(times[len(times)-1]), g.cells(0, p999.Seconds()))
}

// fillBig makes the key of that name with n elements, unless it is there.
func fillBig(c *client, name string, n int) error {
	key := "{big}" + name
	if there, err := c.number("EXISTS", key); err != nil || there == 1 {
		return err
	}
	command, element := "SADD", func(i int) []string { return []string{fmt.Sprintf("member:%d", i)} }
	switch name {
	case "zset":
		command, element = "ZADD", func(i int) []string { return []string{strconv.Itoa(i % 100_000), fmt.Sprintf("member:%d", i)} }
	case "hash":
		command, element = "HSET", func(i int) []string { return []string{fmt.Sprintf("field:%d", i), "value"} }
	case "list":
		command = "RPUSH"
	}
	const batch, ahead = 500, 20
	waiting := 0
	for from := 0; from < n || waiting > 0; from += batch {
		if from < n {
			args := []string{command, key}
			for i := from; i < min(n, from+batch); i++ {
				args = append(args, element(i)...)
			}
			c.send(args...)
			waiting++
		}
		if from >= n || waiting == ahead {
			if _, err := c.reply(); err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			waiting--
		}
	}
	return nil
}

// bigCluster starts two nodes, and a load on the slot of the large key, which is
// there.
func bigCluster(o *options, t *scope, replicas int) (c *harness.Cluster, primary, other int, l *steadyLoad, err error) {
	c = harness.StartCluster(t, 2, replicas)
	waitInSync(t, c)
	slots, err := clusterSlots(c.Nodes[0])
	if err != nil {
		return nil, 0, 0, nil, err
	}
	slot := int(hashslot.Slot([]byte("{big}")))
	for _, s := range slots[c.Nodes[1].Addr()] {
		if s == slot {
			primary = 1
		}
	}
	conn, err := dialClient(c.Nodes[primary].Addr())
	if err != nil {
		return nil, 0, 0, nil, err
	}
	defer conn.close()
	if err := fillBig(conn, "set", o.bigElements); err != nil {
		return nil, 0, 0, nil, err
	}
	l = &steadyLoad{addr: c.Nodes[primary].Addr(), clients: o.clients, perSecond: bigRate}
	for i := range bigKeys {
		l.keys = append(l.keys, fmt.Sprint("{big}", i))
	}
	return c, primary, 1 - primary, l, nil
}

// measureBigResync restarts the replica, which then copies all that the primary
// has.
func measureBigResync(o *options, t *scope) (string, error) {
	c, _, replica, l, err := bigCluster(o, t, 1)
	if err != nil {
		return "", err
	}
	waitInSync(t, c)
	c.Nodes[replica].Kill()
	if err := l.start(); err != nil {
		return "", err
	}
	defer l.end()
	var took time.Duration
	times, err := l.during(func() error {
		c.Nodes[replica].Start()
		c.Nodes[replica].WaitReady()
		began := time.Now()
		defer func() { took = time.Since(began) }()
		return holdsBig(t, c.Nodes[replica], o.bigElements)
	})
	if err != nil {
		return "", err
	}
	return bigRow("full resync", "respkv", took, times), nil
}

// holdsBig waits until a node has the large set whole.
func holdsBig(t *scope, n *harness.Node, elements int) error {
	conn, err := dialClient(n.Addr())
	if err != nil {
		return err
	}
	defer conn.close()
	if err := conn.do("READONLY"); err != nil {
		return err
	}
	for deadline := time.Now().Add(bigWait); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		t.check()
		// Until the node holds the slot it sends who asks elsewhere.
		if have, err := conn.number("SCARD", "{big}set"); err == nil && have == elements {
			return nil
		}
	}
	return errors.New("the large set has not come")
}

// measureBigMove moves the slot of the large key to a node without it.
func measureBigMove(o *options, t *scope) (string, error) {
	c, primary, target, l, err := bigCluster(o, t, 0)
	if err != nil {
		return "", err
	}
	conn, err := dialClient(c.Nodes[primary].Addr())
	if err != nil {
		return "", err
	}
	defer conn.close()
	if err := l.start(); err != nil {
		return "", err
	}
	defer l.end()
	var took time.Duration
	times, err := l.during(func() error {
		began := time.Now()
		defer func() { took = time.Since(began) }()
		if err := conn.do("CLUSTER", "SETSLOT", strconv.Itoa(int(hashslot.Slot([]byte("{big}")))), "NODE", c.Nodes[target].ID()); err != nil {
			return err
		}
		return holdsBig(t, c.Nodes[target], o.bigElements)
	})
	if err != nil {
		return "", err
	}
	return bigRow("move of the slot", "respkv", took, times), nil
}
