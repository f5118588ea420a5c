package resp

import (
	"bytes"
	"cmp"
	"iter"
	"math"
	"slices"

	"respkv/internal/chunks"
	"respkv/resp/command"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"sort":    func(c *Ctx) { sortKey(c, true) },
		"sort_ro": func(c *Ctx) { sortKey(c, false) },
	})
}

// sortOptions are the arguments of SORT.
type sortOptions struct {
	by     *sortPattern  // nil: the elements themselves
	get    []sortPattern // none: the elements themselves
	asIs   bool          // BY something without '*': nothing is sorted
	desc   bool
	alpha  bool
	offset int64
	count  int64 // negative: all
	target int   // argument that is the key to store at; 0: none
}

// parse reads them. Not ok: it replied with the error.
func (o *sortOptions) parse(c *Ctx, stores bool) (ok bool) {
	o.count = -1
	for i := 2; i < len(c.Args); i++ {
		arg, left := c.Args[i], len(c.Args)-i-1
		switch {
		case isWord(arg, "asc"):
			o.desc = false
		case isWord(arg, "desc"):
			o.desc = true
		case isWord(arg, "alpha"):
			o.alpha = true
		case isWord(arg, "limit") && left >= 2:
			if o.offset, ok = c.intArg(i + 1); !ok {
				return false
			}
			if o.count, ok = c.intArg(i + 2); !ok {
				return false
			}
			i += 2
		case stores && isWord(arg, "store") && left >= 1:
			i++
			o.target = i
		case isWord(arg, "by") && left >= 1:
			i++
			by := parseSortPattern(c.Args[i])
			if by.fixed() {
				o.asIs = true
			} else if c.clustered() {
				c.W.Error(errSortBy)
				return false
			} else if !c.mayReadAllKeys() {
				c.W.Error(errSortByDenied)
				return false
			}
			o.by = &by
		case isWord(arg, "get") && left >= 1:
			i++
			if c.clustered() {
				c.W.Error(errSortGet)
				return false
			}
			if !c.mayReadAllKeys() {
				c.W.Error(errSortGetDenied)
				return false
			}
			o.get = append(o.get, parseSortPattern(c.Args[i]))
		default:
			c.W.Error(errSyntax)
			return false
		}
	}
	return true
}

// readsOtherKeys says whether a command that may read keys it does not name has
// arguments of SORT that make it do so. It then runs under all locks.
func (c *Ctx) readsOtherKeys() bool {
	if !c.Cmd.Has(command.TouchesArbitraryKeys) || c.clustered() {
		return false
	}
	for i := 2; i+1 < len(c.Args); i++ {
		if (isWord(c.Args[i], "by") || isWord(c.Args[i], "get")) && bytes.IndexByte(c.Args[i+1], '*') >= 0 {
			return true
		}
	}
	return false
}

// sortElement is an element with what it is sorted by.
type sortElement struct {
	value  []byte
	weight []byte // ALPHA: as text; nil: there is none
	score  float64
	at     int // in the order of the key
}

// sortKey is SORT and SORT_RO.
func sortKey(c *Ctx, stores bool) {
	var o sortOptions
	if !o.parse(c, stores) {
		return
	}
	k := c.Key(1)
	t := c.Tx.Type(k)
	c.Looked(k, t != store.TypeNone)
	switch t {
	case store.TypeNone, store.TypeList, store.TypeSet, store.TypeZSet:
	default:
		c.W.Error(errWrongType)
		return
	}
	if o.asIs && t == store.TypeSet && (o.target > 0 || c.inScript) {
		// A set has no order of its own: what is stored must not depend on the
		// order in which this copy holds it.
		o.asIs, o.alpha, o.by = false, true, nil
	}
	st := c.pauses()
	elements, err := c.sortElements(k, t, o.asIs && o.desc, &st)
	if err != nil {
		c.StoreError(err)
		return
	}
	var texts chunks.Texts // found by patterns
	numbers := o.asIs || o.weigh(c, elements, &texts, &st)
	switch {
	case st.stopped:
		c.StoreError(store.ErrChanged)
		return
	case !numbers:
		c.W.Error(errSortScore)
		return
	}
	n, ordered := o.cut(elements.Len(), o.sorted(elements, &st))
	if o.target > 0 {
		o.store(c, ordered, &texts, &st)
	} else {
		o.reply(c, n, ordered, &st)
	}
}

// looksUp says whether values of other keys are looked up.
func (o *sortOptions) looksUp() bool {
	return o.by != nil && !o.by.fixed() || slices.ContainsFunc(o.get, func(p sortPattern) bool { return !p.fixed() })
}

// sortElements copies the elements of a list, set or sorted set, in its own
// order, in steps.
func (c *Ctx) sortElements(k store.Key, t store.Type, reverse bool, st *pauses) (*chunks.List[sortElement], error) {
	var (
		elements chunks.List[sortElement]
		texts    chunks.Texts
	)
	add := func(value []byte) bool {
		elements.Add(sortElement{value: texts.Keep(value), at: elements.Len()})
		return st.next()
	}
	switch t {
	case store.TypeList:
		l, err := c.Tx.OpenList(k)
		if err != nil {
			return nil, err
		}
		l.Walk(at(reverse, l.Len()), reverse, add)
	case store.TypeSet:
		s, err := c.Tx.OpenSet(k)
		if err != nil {
			return nil, err
		}
		s.Each(add)
	case store.TypeZSet:
		z, err := c.Tx.OpenZSet(k)
		if err != nil {
			return nil, err
		}
		z.Walk(at(reverse, z.Len()), reverse, func(member []byte, _ float64) bool { return add(member) })
	}
	return &elements, nil
}

// weigh gives the elements what they are sorted by, in steps. Not ok: one of them is to be
// taken for a number and is none.
func (o *sortOptions) weigh(c *Ctx, elements *chunks.List[sortElement], texts *chunks.Texts, st *pauses) (ok bool) {
	ok = true
	for e := range elements.All() {
		if !st.next() {
			return true
		}
		weight := e.value
		if o.by != nil {
			var found bool
			if weight, found = o.by.lookup(c, e.value); !found {
				continue
			}
			if o.alpha {
				weight = texts.Keep(weight)
			}
		}
		if o.alpha {
			e.weight = weight
			continue
		}
		var number bool
		if e.score, number = parseSortScore(weight); !number {
			ok = false
		}
	}
	return ok
}

// sorted are the elements in the order asked for, in steps.
func (o *sortOptions) sorted(elements *chunks.List[sortElement], st *pauses) iter.Seq[*sortElement] {
	if o.asIs {
		return elements.All()
	}
	return elements.Sorted(func(a, b sortElement) int { return cmp.Or(o.compare(a, b), cmp.Compare(a.at, b.at)) }, st.next)
}

// parseSortScore reads a weight: what C's strtod reads whole, up to a zero byte.
func parseSortScore(b []byte) (score float64, ok bool) {
	const smallestNormal = 0x1p-1022
	b, _, _ = bytes.Cut(b, []byte{0})
	if len(b) == 0 {
		return 0, true
	}
	score, inRange, ok := strtod(bytes.TrimLeft(b, " \t\n\v\f\r"))
	// strtod calls a number out of range that it had to round to a denormal.
	inRange = inRange && (score == 0 || math.Abs(score) >= smallestNormal)
	return score, ok && inRange && !math.IsNaN(score)
}

// compare orders two elements. Those with equal numbers go by themselves, so
// that there is one order only.
func (o *sortOptions) compare(a, b sortElement) int {
	order := 0
	switch {
	case !o.alpha:
		if order = cmp.Compare(a.score, b.score); order == 0 {
			order = bytes.Compare(a.value, b.value)
		}
	case a.weight == nil || b.weight == nil: // nothing comes before anything
		order = cmp.Compare(presence(a.weight), presence(b.weight))
	case o.target > 0:
		order = bytes.Compare(a.weight, b.weight)
	default:
		order = bytes.Compare(cString(a.weight), cString(b.weight))
	}
	if o.desc {
		return -order
	}
	return order
}

func presence(b []byte) int {
	if b == nil {
		return 0
	}
	return 1
}

// cString is b up to a zero byte: as much as Redis compares where it sorts for a
// reply, with strcoll.
func cString(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}

// cut applies LIMIT to n elements.
func (o *sortOptions) cut(n int, elements iter.Seq[*sortElement]) (left int, _ iter.Seq[*sortElement]) {
	first := int(min(max(o.offset, 0), int64(n)))
	n -= first
	if o.count >= 0 {
		n = int(min(o.count, int64(n)))
	}
	return n, func(yield func(*sortElement) bool) {
		if n == 0 {
			return
		}
		i := 0
		for e := range elements {
			if i++; i > first && (!yield(e) || i == first+n) {
				return
			}
		}
	}
}

// reply replies with the n elements, in steps.
func (o *sortOptions) reply(c *Ctx, n int, elements iter.Seq[*sortElement], st *pauses) {
	c.W.Array(n * max(1, len(o.get)))
	for e := range elements {
		if len(o.get) == 0 {
			c.W.Bulk(e.value)
		}
		for j := range o.get {
			if value, found := o.get[j].lookup(c, e.value); found {
				c.W.Bulk(value)
			} else {
				c.W.Null()
			}
		}
		if !st.replied() {
			return
		}
	}
}

// sortBatch bounds the elements of one effect.
const sortBatch = 1024

// store makes a list of the elements, in steps. What is replicated is the command, or,
// when it has looked up values of other keys, which may be on other nodes, the list.
func (o *sortOptions) store(c *Ctx, elements iter.Seq[*sortElement], texts *chunks.Texts, st *pauses) {
	var list chunks.List[[]byte]
	for e := range elements {
		if len(o.get) == 0 {
			list.Add(e.value)
		}
		for j := range o.get {
			value, _ := o.get[j].lookup(c, e.value) // what is missing is empty
			list.Add(texts.Keep(value))
		}
		if !st.next() {
			break
		}
	}
	if st.stopped {
		c.StoreError(store.ErrChanged)
		return
	}
	k := c.Key(o.target)
	values := func(yield func([]byte) bool) {
		for v := range list.All() {
			if !yield(*v) {
				return
			}
		}
	}
	existed, err := c.Tx.StoreList(k, list.Len(), values)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.W.Int(int64(list.Len()))
	if list.Len() == 0 && !existed {
		return
	}
	c.Dirty(max(1, list.Len()))
	c.NotifyStored(NotifyList, "sortstore", k, list.Len(), c.d.notify.has(NotifyNew) && !existed)
	if !o.looksUp() || !c.replicated() {
		return
	}
	c.Effect(wordDel, k.Name)
	words := make([][]byte, 0, sortBatch)
	for v := range values {
		if words = append(words, v); len(words) == sortBatch {
			c.Effect(append([][]byte{wordRPush, k.Name}, words...)...)
			words = words[:0]
		}
	}
	if len(words) > 0 {
		c.Effect(append([][]byte{wordRPush, k.Name}, words...)...)
	}
}
