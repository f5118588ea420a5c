package differential

import (
	"fmt"
	"strconv"
)

// longitude and latitude are mostly near each other, sometimes anywhere.
var (
	longitude = Mostly(coordinate(-180, 180), 4, Texts("181", "-180.1", "x", "", "nan", "inf", "-180", "180"))
	latitude  = Mostly(coordinate(-85, 85), 4, Texts("85.1", "-90", "x", "", "85.05112878", "-85.05112878"))
)

func coordinate(low, high int) Gen {
	return func(s *Source) []string {
		if s.IntN(3) > 0 {
			return []string{strconv.FormatFloat(10+float64(s.IntN(400000))/100000, 'f', 5, 64)}
		}
		return []string{strconv.FormatFloat(float64(low)+s.Float64()*float64(high-low), 'f', 6, 64)}
	}
}

// manyPlaces are enough to go past zset-max-listpack-entries.
func manyPlaces(s *Source) []string {
	var args []string
	first := s.IntN(150)
	for i := range 1 + s.IntN(150) {
		args = append(args, longitude(s)[0], latitude(s)[0], fmt.Sprintf("member:%d", first+i))
	}
	return args
}

func geoFamily() Family {
	unit := Mostly(Words("m km ft mi KM"), 4, Words("x cm"))
	length := Mostly(AnyOf(Range(0, 2000), Texts("0.5", "100000", "3e6", "1e7", "20000", "50")), 5, Texts("-1", "x", ""))
	count := Seq(Lit("COUNT"), Mostly(Range(1, 5), 8, Texts("0", "-1", "x", "100")), Chance(5, Lit("ANY")))
	with := Seq(Chance(40, Lit("WITHDIST")), Chance(30, Lit("WITHHASH")), Chance(30, Lit("WITHCOORD")))
	order := Chance(50, Words("ASC DESC asc"))
	// Without ASC or DESC, COUNT alone sorts; ANY takes the first ones met.
	from := Mostly(AnyOf(Seq(Lit("FROMMEMBER"), member), Seq(Lit("FROMLONLAT"), longitude, latitude)), 4, Texts("FROMMEMBER", "foo"))
	by := Mostly(AnyOf(Seq(Lit("BYRADIUS"), length, unit), Seq(Lit("BYBOX"), length, length, unit)), 4, Texts("BYRADIUS", "BYBOX", "foo"))
	options := Mostly(Seq(order, Chance(30, count)), 4, Words("ANY foo COUNT"))
	// Distances go to a key that is no index of places: taken for places they
	// are all the same one, and which of those COUNT takes is not defined.
	distances := Text("{k}distances")
	store := Chance(20, AnyOf(Seq(Lit("STORE"), Key), Seq(Lit("STOREDIST"), distances)))
	return Family{
		Name: "geo",
		Commands: []Template{
			Cmd("geoadd", Key, Chance(20, Words("NX XX CH")), Mostly(Repeat(1, 4, longitude, latitude, member), 8, manyPlaces)).Times(6),
			Cmd("geoadd", Key, Repeat(1, 3, Words("NX XX CH foo")), Repeat(0, 2, longitude, latitude, member)).Rarely(),
			Cmd("geodist", Key, member, member, Mostly(Opt(unit), 4, Lit("m m"))).Times(2),
			Cmd("geopos", Key, Repeat(0, 3, member)).Times(2),
			Cmd("geohash", Key, Repeat(0, 3, member)).Times(2),
			Cmd("geosearch", Key, from, by, options, with).Times(4),
			Cmd("geosearch", Key, by, with, options, from),
			Cmd("geosearchstore", Key, Key, from, by, options, Chance(4, Lit("WITHDIST"))).Times(2),
			Cmd("geosearchstore", distances, Key, from, by, options, Lit("STOREDIST")),
			Cmd("georadius", Key, longitude, latitude, length, unit, with, options).Times(2),
			Cmd("georadius", Key, longitude, latitude, length, unit, options, store),
			Cmd("georadius_ro", Key, longitude, latitude, length, unit, options, with, Chance(4, Lit("STORE"), Key)),
			Cmd("georadiusbymember", Key, member, length, unit, options, with),
			Cmd("georadiusbymember", Key, member, length, unit, options, store),
			Cmd("georadiusbymember_ro", Key, member, length, unit, options, with),
			Cmd("zrem", Key, member),
			Cmd("zadd", Key, score, member).Rarely(),
			Cmd("del", Key).Rarely(),
			Cmd("set", Key, Value).Rarely(),
		},
		// Not the digest: the distances that STOREDIST keeps may differ in the
		// last bit, since the C library's sine is not Go's.
		Probes: []Template{Cmd("type"), Cmd("object|encoding"), Cmd("pttl").With(nearMillis), Cmd("zunion", Lit("1"))},
	}
}
