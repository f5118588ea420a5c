package resp

import (
	"fmt"
	"strconv"

	"respkv/internal/geo"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"geoadd":  geoadd,
		"geodist": geodist,
		"geohash": geohash,
		"geopos":  geopos,
	})
}

// point is two arguments from i on as a place. Not ok: it replied with the error.
func (c *Ctx) point(i int) (p geo.Point, ok bool) {
	if p.Longitude, ok = c.doubleArg(i, errNotFloat); !ok {
		return p, false
	}
	if p.Latitude, ok = c.doubleArg(i+1, errNotFloat); !ok {
		return p, false
	}
	if !p.Valid() {
		c.W.Error(errInvalidPoint(p))
		return p, false
	}
	return p, true
}

func errInvalidPoint(p geo.Point) string {
	return "ERR invalid longitude,latitude pair " + cFloat(p.Longitude) + "," + cFloat(p.Latitude)
}

// cFloat is C's "%f".
func cFloat(f float64) string {
	switch s := fmt.Sprintf("%f", f); s {
	case "+Inf":
		return "inf"
	case "-Inf":
		return "-inf"
	default:
		return s
	}
}

// unit is an argument as a unit of length, in metres. Not ok: it replied with
// the error.
func (c *Ctx) unit(i int) (metres float64, ok bool) {
	switch arg := c.Args[i]; {
	case isWord(arg, "m"):
		return 1, true
	case isWord(arg, "km"):
		return 1000, true
	case isWord(arg, "ft"):
		return 0.3048, true
	case isWord(arg, "mi"):
		return 1609.34, true
	}
	c.W.Error(errUnit)
	return 0, false
}

func geoadd(c *Ctx) {
	var (
		flags   store.ZAddFlags
		changed bool
		first   int
	)
options:
	for first = 2; first < len(c.Args); first++ {
		switch arg := c.Args[first]; {
		case isWord(arg, "nx"):
			flags |= store.ZAddNX
		case isWord(arg, "xx"):
			flags |= store.ZAddXX
		case isWord(arg, "ch"):
			changed = true
		default:
			break options
		}
	}
	n := (len(c.Args) - first) / 3
	if n == 0 || (len(c.Args)-first)%3 != 0 || flags == store.ZAddNX|store.ZAddXX {
		c.W.Error(errSyntax)
		return
	}
	members := make([]store.Scored, 0, n)
	for i := first; i < len(c.Args); i += 3 {
		p, ok := c.point(i)
		if !ok {
			return
		}
		members = append(members, store.Scored{Score: float64(geo.Score(p)), Member: c.Args[i+2]})
	}
	z, ok := c.zset(c.Key(1))
	if !ok {
		return
	}
	fresh := c.Fresh(c.Key(1))
	r, err := z.Add(flags, members...)
	c.Dirty(r.Added + r.Updated)
	if r.Added+r.Updated > 0 {
		c.NotifyNew(fresh, c.Key(1))
		c.Notify(NotifyZSet, "zadd", c.Args[1])
	}
	if r.Added+r.Updated > 0 && c.logged() {
		effect := [][]byte{wordZAdd, c.Args[1]}
		add := func(m store.Scored) { effect = append(effect, store.AppendScore(nil, m.Score), m.Member) }
		if flags == 0 {
			for _, m := range members[:r.Done] {
				add(m)
			}
		}
		for _, i := range r.Changed {
			add(members[i])
		}
		c.Effect(effect...)
	}
	switch {
	case err != nil:
		c.StoreError(err)
	case changed:
		c.W.Int(int64(r.Added + r.Updated))
	default:
		c.W.Int(int64(r.Added))
	}
}

// replyDistance writes a distance with four decimals.
func (c *Ctx) replyDistance(distance float64) {
	var text [64]byte
	c.W.Bulk(strconv.AppendFloat(text[:0], distance, 'f', 4, 64))
}

// replyPoint writes a place: all its decimals, in RESP3 as numbers.
func (c *Ctx) replyPoint(p geo.Point) {
	c.W.Array(2)
	c.replyCoordinate(p.Longitude)
	c.replyCoordinate(p.Latitude)
}

func (c *Ctx) replyCoordinate(f float64) {
	var buf [64]byte
	text := strconv.AppendFloat(buf[:0], f, 'f', 17, 64)
	for text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	if text[len(text)-1] == '.' {
		text = text[:len(text)-1]
	}
	if !c.W.RESP3() {
		c.W.Bulk(text)
		return
	}
	c.W.RawString(",")
	c.W.Raw(text)
	c.W.RawString("\r\n")
}

func geodist(c *Ctx) {
	metres := 1.0
	switch {
	case len(c.Args) > 5:
		c.W.Error(errSyntax)
		return
	case len(c.Args) == 5:
		var ok bool
		if metres, ok = c.unit(4); !ok {
			return
		}
	}
	z, ok := c.readZSet(1)
	if !ok {
		return
	}
	a, okA := z.Score(c.Args[2])
	b, okB := z.Score(c.Args[3])
	if !okA || !okB {
		c.W.Null()
		return
	}
	c.replyDistance(geo.Distance(geo.Place(a), geo.Place(b)) / metres)
}

func geohash(c *Ctx) {
	z, ok := c.readZSet(1)
	if !ok {
		return
	}
	c.W.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		if score, ok := z.Score(member); ok {
			c.W.BulkString(geo.Hash(geo.Place(score)))
		} else {
			c.W.Null()
		}
	}
}

func geopos(c *Ctx) {
	z, ok := c.readZSet(1)
	if !ok {
		return
	}
	c.W.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		if score, ok := z.Score(member); ok {
			c.replyPoint(geo.Place(score))
		} else {
			c.W.NullArray()
		}
	}
}
