package resp

import "respkv/store"

func init() {
	run := func(op store.SetOp, stores bool) Handler {
		return func(c *Ctx) { combineZSets(c, op, stores) }
	}
	handle(map[string]Handler{
		"zunion":      run(store.Union, false),
		"zinter":      run(store.Intersection, false),
		"zdiff":       run(store.Difference, false),
		"zunionstore": run(store.Union, true),
		"zinterstore": run(store.Intersection, true),
		"zdiffstore":  run(store.Difference, true),
		"zintercard":  zinterCard,
	})
}

// inputs opens the sets and sorted sets whose number is argument i and which
// follow it; end is the argument behind them. Not ok: it replied with the error, or is
// put off.
func (c *Ctx) inputs(op store.SetOp, i int) (in *store.Inputs, end int, ok bool) {
	n, ok := c.intArg(i)
	if !ok {
		return nil, 0, false
	}
	switch {
	case n < 1:
		c.W.Error(errNoInputKeys(c.Cmd.Name))
		return nil, 0, false
	case n > int64(len(c.Args)-i-1):
		c.W.Error(errSyntax)
		return nil, 0, false
	}
	end = i + 1 + int(n)
	keys := c.keys(i+1, end)
	if c.postpone(c.elementsOf(op, keys)) {
		return nil, 0, false
	}
	c.lookedAll(keys, isSetOrZSet)
	in, err := c.Tx.OpenInputs(keys)
	if err != nil {
		c.StoreError(err)
		return nil, 0, false
	}
	return in, end, true
}

func isSetOrZSet(t store.Type) bool { return t == store.TypeSet || t == store.TypeZSet }

// combineZSets is ZUNION, ZINTER, ZDIFF and those that store.
func combineZSets(c *Ctx, op store.SetOp, stores bool) {
	count := 1
	if stores {
		count = 2
	}
	in, end, ok := c.inputs(op, count)
	if !ok {
		return
	}
	aggregate, scores := store.AggregateSum, false
	n := end - count - 1
	for i := end; i < len(c.Args); {
		left := len(c.Args) - i
		switch arg := c.Args[i]; {
		case op != store.Difference && left > n && isWord(arg, "weights"):
			for j := range n {
				weight, ok := c.doubleArg(i+1+j, errWeight)
				if !ok {
					return
				}
				in.SetWeight(j, weight)
			}
			i += 1 + n
		case op != store.Difference && left >= 2 && isWord(arg, "aggregate"):
			if aggregate, ok = parseAggregate(c.Args[i+1]); !ok {
				c.W.Error(errSyntax)
				return
			}
			i += 2
		case !stores && isWord(arg, "withscores"):
			scores = true
			i++
		default:
			c.W.Error(errSyntax)
			return
		}
	}
	r, err := in.Combine(op, aggregate)
	if err != nil {
		c.StoreError(err)
		return
	}
	if stores {
		c.storeZSet(r)
		return
	}
	defer r.Close()
	reply := c.scoredReply(scores)
	st := c.pauses()
	r.Each(func(member []byte, score float64) bool {
		reply.add(member, score)
		return st.replied()
	})
	reply.end()
}

func parseAggregate(arg []byte) (store.Aggregate, bool) {
	switch {
	case isWord(arg, "sum"):
		return store.AggregateSum, true
	case isWord(arg, "min"):
		return store.AggregateMin, true
	case isWord(arg, "max"):
		return store.AggregateMax, true
	}
	return 0, false
}

func zinterCard(c *Ctx) {
	in, end, ok := c.inputs(store.Intersection, 1)
	if !ok {
		return
	}
	limit := int64(0)
	for i := end; i < len(c.Args); i += 2 {
		if !isWord(c.Args[i], "limit") || i+1 == len(c.Args) {
			c.W.Error(errSyntax)
			return
		}
		if limit, ok = parseLong(c.Args[i+1]); !ok || limit < 0 {
			c.W.Error(errLimitNegative)
			return
		}
	}
	count, err := in.IntersectionLen(int(limit))
	if err != nil {
		c.StoreError(err)
		return
	}
	c.W.Int(int64(count))
}
