package resp

import (
	"cmp"
	"iter"

	"respkv/internal/chunks"
	"respkv/internal/geo"
	"respkv/internal/persistence"
	"respkv/store"
)

// geoCommand is a command of the GEOSEARCH family: what its name says.
type geoCommand struct {
	source   int  // argument that is the sorted set
	byPoint  bool // GEORADIUS: longitude and latitude follow
	byMember bool // GEORADIUSBYMEMBER: a member follows
	readOnly bool // the _RO variants
}

func init() {
	run := func(g geoCommand) Handler { return func(c *Ctx) { geoSearch(c, g) } }
	handle(map[string]Handler{
		"geosearch":            run(geoCommand{source: 1}),
		"geosearchstore":       run(geoCommand{source: 2}),
		"georadius":            run(geoCommand{source: 1, byPoint: true}),
		"georadius_ro":         run(geoCommand{source: 1, byPoint: true, readOnly: true}),
		"georadiusbymember":    run(geoCommand{source: 1, byMember: true}),
		"georadiusbymember_ro": run(geoCommand{source: 1, byMember: true, readOnly: true}),
	})
}

// geoOptions are the arguments of the GEOSEARCH family.
type geoOptions struct {
	geoCommand
	z         *store.ZSet
	shape     geo.Shape
	metres    float64 // of the unit
	target    int     // argument that is the key to store at; 0: none
	distances bool    // as scores of what is stored
	withDist  bool
	withHash  bool
	withCoord bool
	order     int // 1 ascending, -1 descending
	count     int64
	any       bool
	found     int  // bytes of the members that are in the shape
	from, by  bool // the middle, the shape were given
	member    bool // FROMMEMBER was given
}

func (o *geoOptions) isSearch() bool { return !o.byPoint && !o.byMember }

// radius is two arguments from i on as a radius. Not ok: it replied with the
// error.
func (o *geoOptions) radius(c *Ctx, i int) (ok bool) {
	if o.shape.Radius, ok = c.length(i, errRadius, errRadiusNegative); !ok {
		return false
	}
	if o.metres, ok = c.unit(i + 1); !ok {
		return false
	}
	o.shape.Radius *= o.metres
	return true
}

// box is three arguments from i on as a box. Not ok: it replied with the error.
func (o *geoOptions) box(c *Ctx, i int) (ok bool) {
	o.shape.Box = true
	if o.shape.Width, ok = c.doubleArg(i, errWidth); !ok {
		return false
	}
	if o.shape.Height, ok = c.doubleArg(i+1, errHeight); !ok {
		return false
	}
	if o.shape.Width < 0 || o.shape.Height < 0 {
		c.W.Error(errBoxNegative)
		return false
	}
	if o.metres, ok = c.unit(i + 2); !ok {
		return false
	}
	o.shape.Width *= o.metres
	o.shape.Height *= o.metres
	return true
}

// length is an argument as a length. Not ok: it replied with the error.
func (c *Ctx) length(i int, text, negative string) (f float64, ok bool) {
	if f, ok = c.doubleArg(i, text); ok && f < 0 {
		c.W.Error(negative)
		return 0, false
	}
	return f, ok
}

// place makes the place of a member the middle. Not ok: it replied with the
// error.
func (o *geoOptions) place(c *Ctx, member []byte) (ok bool) {
	score, ok := o.z.Score(member)
	if !ok {
		c.W.Error(errGeoMember)
		return false
	}
	o.shape.Center = geo.Place(score)
	return true
}

// parse reads the arguments; the set may be missing. Not ok: it replied with the
// error.
func (o *geoOptions) parse(c *Ctx) (ok bool) {
	first := o.source + 1
	switch {
	case o.byPoint:
		first = 6
		if o.shape.Center, ok = c.point(2); !ok || !o.radius(c, 4) {
			return false
		}
	case o.byMember:
		first = 5
		// Without a set Redis does not look at the member and the radius.
		if o.z.Exists() && (!o.place(c, c.Args[2]) || !o.radius(c, 3)) {
			return false
		}
	case o.source == 2:
		o.target = 1
	}
	for i := first; i < len(c.Args); i++ {
		n, ok := o.option(c, i)
		if !ok {
			return false
		}
		i += n
	}
	stores := "STORE option in GEORADIUS"
	if o.source == 2 {
		stores = "GEOSEARCHSTORE"
	}
	switch {
	case o.target > 0 && (o.withDist || o.withHash || o.withCoord):
		c.W.Error(errGeoStore(stores))
	case o.isSearch() && !o.from:
		c.W.Error(errGeoExactly("FROMMEMBER or FROMLONLAT can be specified for", c.Args[0]))
	case o.isSearch() && !o.by:
		c.W.Error(errGeoExactly("BYRADIUS and BYBOX can be specified for", c.Args[0]))
	case o.any && o.count == 0:
		c.W.Error(errGeoAny)
	default:
		return true
	}
	return false
}

// option reads the option at argument i and returns how many arguments follow
// it. Not ok: it replied with the error.
func (o *geoOptions) option(c *Ctx, i int) (n int, ok bool) {
	arg, left := c.Args[i], len(c.Args)-i-1
	search := o.isSearch()
	switch {
	case isWord(arg, "withdist"):
		o.withDist = true
	case isWord(arg, "withhash"):
		o.withHash = true
	case isWord(arg, "withcoord"):
		o.withCoord = true
	case isWord(arg, "any"):
		o.any = true
	case isWord(arg, "asc"):
		o.order = 1
	case isWord(arg, "desc"):
		o.order = -1
	case isWord(arg, "count") && left > 0:
		if o.count, ok = c.intArg(i + 1); ok && o.count <= 0 {
			c.W.Error(errGeoCount)
			ok = false
		}
		return 1, ok
	case !search && !o.readOnly && left > 0 && (isWord(arg, "store") || isWord(arg, "storedist")):
		// Given twice, the last one counts in Redis; but it is the first one
		// that the command table takes for a key, which is locked.
		distances := len(arg) > len("store")
		if o.target > 0 && o.distances == distances {
			c.W.Error(errSyntax)
			return 0, false
		}
		o.target, o.distances = i+1, distances
		return 1, true
	case search && isWord(arg, "frommember") && left > 0 && (!o.from || o.member):
		o.from, o.member = true, true
		return 1, !o.z.Exists() || o.place(c, c.Args[i+1])
	case search && isWord(arg, "fromlonlat") && left > 1 && !o.member:
		o.from = true
		o.shape.Center, ok = c.point(i + 1)
		return 2, ok
	case search && isWord(arg, "byradius") && left > 1 && !o.shape.Box:
		o.by = true
		return 2, o.radius(c, i+1)
	case search && isWord(arg, "bybox") && left > 2 && (!o.by || o.shape.Box):
		o.by = true
		return 3, o.box(c, i+1)
	case o.source == 2 && isWord(arg, "storedist"):
		o.distances = true
	default:
		c.W.Error(errSyntax)
		return 0, false
	}
	return 0, true
}

// found is a place in the shape.
type found struct {
	member   []byte
	score    float64
	place    geo.Point
	distance float64 // in metres
	at       int     // in the order in which they were found
}

func geoSearch(c *Ctx, g geoCommand) {
	z, ok := c.readZSet(g.source)
	if !ok {
		return
	}
	o := geoOptions{geoCommand: g, z: &z}
	if !o.parse(c) {
		return
	}
	var places chunks.List[found]
	st := c.pauses()
	if z.Exists() {
		o.search(&places, &st)
	}
	if st.stopped {
		c.StoreError(store.ErrChanged)
		return
	}
	n := places.Len()
	if o.count > 0 {
		n = int(min(o.count, int64(n)))
	}
	if o.target > 0 {
		o.store(c, n, o.sorted(&places, &st), &st)
		return
	}
	c.W.Array(n)
	for p := range o.sorted(&places, &st) {
		if n--; n < 0 {
			return
		}
		o.reply(c, p)
		if !st.replied() {
			return
		}
	}
}

// search adds the places in the shape, in steps.
func (o *geoOptions) search(places *chunks.List[found], st *pauses) {
	var members chunks.Texts
	for _, area := range o.shape.Areas() {
		r := store.ZRange{Min: float64(area.Low), Max: float64(area.High), MaxOpen: true}
		enough := false
		o.z.Range(&r, false, 0, func(member []byte, score float64) bool {
			p := geo.Place(score)
			if distance, in := o.shape.Distance(p); in {
				o.found += len(member)
				places.Add(found{members.Keep(member), score, p, distance, places.Len()})
				enough = o.any && int64(places.Len()) >= o.count
			}
			return st.next() && !enough
		})
		if enough || st.stopped {
			break
		}
	}
}

// sorted are the places in the order asked for, in steps.
func (o *geoOptions) sorted(places *chunks.List[found], st *pauses) iter.Seq[*found] {
	// The nearest ones, where an order makes a difference.
	order := o.order
	if order == 0 && o.count > 0 && !o.any {
		order = 1
	}
	if order == 0 {
		return places.All()
	}
	return places.Sorted(func(a, b found) int {
		return cmp.Or(order*cmp.Compare(a.distance, b.distance), cmp.Compare(a.at, b.at))
	}, st.next)
}

func (o *geoOptions) reply(c *Ctx, p *found) {
	n := 1
	for _, with := range [...]bool{o.withDist, o.withHash, o.withCoord} {
		if with {
			n++
		}
	}
	if n > 1 {
		c.W.Array(n)
	}
	c.W.Bulk(p.member)
	if o.withDist {
		c.replyDistance(p.distance / o.metres)
	}
	if o.withHash {
		c.W.Int(int64(p.score))
	}
	if o.withCoord {
		c.replyPoint(p.place)
	}
}

// geoBatch is up to how many members are replicated as such.
const geoBatch = 1024

// store makes a sorted set of the first n places, in steps. What is replicated are its members,
// many of them as a payload, which replicas take in steps, too: another machine may
// compute distances that differ in the last bit.
func (o *geoOptions) store(c *Ctx, n int, places iter.Seq[*found], st *pauses) {
	k := c.Key(o.target)
	r := c.Tx.NewZSetResult(k, false)
	add, effect := r.Add, func() error { return nil }
	if c.replicated() {
		add, effect = o.storeLogged(c, k, r, n)
	}
	err, left := r.Expect(n), n
	for p := range places {
		if left--; left < 0 || err != nil {
			break
		}
		score := p.score
		if o.distances {
			score = geo.ExactDistance(o.shape.Center, p.place) / o.metres
		}
		err = add(p.member, score)
	}
	if st.stopped {
		err = store.ErrChanged
	}
	if err == nil {
		err = r.Order()
	}
	if err == nil {
		err = effect()
	}
	if err != nil {
		r.Close()
		c.StoreError(err)
		return
	}
	fresh := c.Fresh(k)
	changed, err := r.Store(&c.Tx, k)
	if err != nil {
		c.StoreError(err)
		return
	}
	c.W.Int(int64(n))
	if !changed {
		return
	}
	c.Dirty(max(1, n))
	event := "georadiusstore"
	if o.isSearch() {
		event = "geosearchstore"
	}
	c.NotifyStored(NotifyZSet, event, k, n, fresh)
}

// storeLogged returns what to call for each of n members that are stored, and then to
// set the effects.
func (o *geoOptions) storeLogged(c *Ctx, k store.Key, r *store.ZSetResult, n int) (add func([]byte, float64) error, effect func() error) {
	if n > geoBatch {
		d := persistence.NewZSetDump(n, o.found)
		add = func(member []byte, score float64) error {
			d.Add(member, score)
			return r.Add(member, score)
		}
		return add, func() error {
			payload, err := d.Payload(c.Tx.Pause)
			if err == nil {
				c.restored(k, 0, payload, true, store.NoAccess)
			}
			return err
		}
	}
	words := append(make([][]byte, 0, 2+2*n), wordZAdd, k.Name)
	add = func(member []byte, score float64) error {
		words = append(words, store.AppendScore(nil, score), member)
		return r.Add(member, score)
	}
	return add, func() error {
		c.Effect(wordDel, k.Name)
		if n > 0 {
			c.Effect(words...)
		}
		return nil
	}
}
