package resp

import (
	"math"
	"strings"
)

func init() { handle(map[string]Handler{"lolwut": lolwut}) }

// lolwut: LOLWUT [VERSION n [columns [rows]]]. Versions 5 and 6 have art in Redis, others
// tell their version only. The picture here is our own.
func lolwut(c *Ctx) {
	version, args := int64(0), c.Args[1:]
	if len(args) >= 2 && isWord(args[0], "version") {
		var ok bool
		if version, ok = parseLong(args[1]); !ok {
			c.W.Error(errNotInteger)
			return
		}
		args = args[2:]
	}
	if version != 5 && version != 6 {
		c.W.Verbatim("txt", lolwutVersion)
		return
	}
	size := [2]int64{66, 12}
	for i := range min(len(args), len(size)) {
		n, ok := parseLong(args[i])
		if !ok {
			c.W.Error(errNotInteger)
			return
		}
		size[i] = min(max(n, 1), lolwutMost)
	}
	c.W.Verbatim("txt", landscape(int(size[0]), int(size[1]))+"\n"+lolwutVersion)
}

const (
	lolwutVersion = "Redis ver. " + RedisVersion + "\n"
	lolwutMost    = 1000 // columns and rows, as in Redis
)

// landscape draws hills of waves whose lengths have no common measure, so that no
// part of it repeats.
func landscape(columns, rows int) string {
	const shades = " .:-=+*#%@"
	var b strings.Builder
	b.Grow((columns + 1) * rows)
	for y := range rows {
		for x := range columns {
			fx, fy := float64(x), float64(y)
			h := math.Sin(fx/7) + math.Sin(fy/math.E+fx/13) + math.Sin((fx+2*fy)/(5*math.Phi))
			b.WriteByte(shades[int((h+3)/6*float64(len(shades)-1)+0.5)])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
