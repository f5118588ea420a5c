package resp

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"respkv/cluster/hashslot"
	"respkv/internal/glob"
	"respkv/internal/threads"
	"respkv/resp/proto"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"scan": scan,
		"keys": keys,
	})
}

// scanStep is the number of keys that are read under a shard's lock at a time,
// some 50 µs.
const scanStep = 256

// scanner reads the keyspace in steps and selects keys. Names are copied under
// the lock and matched outside: a pattern may be made to take long.
type scanner struct {
	c       *Ctx
	view    slotView
	w       *proto.Writer // takes the names selected
	pattern []byte        // nil: every key
	byType  bool
	typ     string // with byType: of this type only

	names []byte // of the last step, one after the other
	found []scanned

	began time.Time // of the keys read since the last rest
	rests int

	slot  uint16 // last slot looked up in view
	shown bool   // what it said
	begun bool

	own proto.Writer // where SCAN, which replies with the cursor first, lets w point
}

type scanned struct {
	end int // of the name in names
	typ store.Type
}

// scanners keeps the buffers of scanners: SCAN is called for few keys at a time.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// scannerKept is the size up to which a buffer is kept.
const scannerKept = 64 << 10

func newScanner(c *Ctx) *scanner {
	s := scanners.Get().(*scanner)
	s.c, s.view, s.w, s.began = c, c.slotView(), c.W, c.began
	if !s.view.all() {
		c.Tx.KeepExpired = true // only the primary of a slot removes keys
	}
	return s
}

// rest lets others go on, once reading has taken long: no lock is held between two steps.
func (s *scanner) rest() {
	if s.c.inScript || s.c.inExec || time.Since(s.began) < s.c.d.stepping.step {
		return
	}
	if s.rests == 0 {
		threads.Begin()
	}
	s.c.d.stepping.rest(s.rests)
	s.rests++
	s.began = time.Now()
}

func (s *scanner) release() {
	if s.rests > 0 {
		threads.End()
	}
	if cap(s.names) > scannerKept || s.own.Cap() > scannerKept {
		return
	}
	s.own.Reset(s.own.Bytes())
	*s = scanner{names: s.names, found: s.found, own: s.own}
	scanners.Put(s)
}

// match selects keys by pattern.
func (s *scanner) match(pattern []byte) {
	s.pattern = pattern
	if len(pattern) == 1 && pattern[0] == '*' {
		s.pattern = nil
	}
}

// step reads about count keys from cursor on, writes the names of those
// selected and returns their number.
func (s *scanner) step(cursor uint64, count int) (next uint64, selected int) {
	s.names, s.found = s.names[:0], s.found[:0]
	next = s.c.Tx.Scan(cursor, count, s.collect)
	begin := 0
	for _, key := range s.found {
		name := s.names[begin:key.end]
		begin = key.end
		if s.pattern != nil && !glob.Match(s.pattern, name) || !s.typed(key.typ) {
			continue
		}
		s.w.Bulk(name)
		selected++
	}
	return next, selected
}

func (s *scanner) collect(k store.Key, t store.Type) {
	if !s.view.all() {
		// Keys of a slot come together.
		if slot := hashslot.Slot(k.Name); !s.begun || slot != s.slot {
			s.slot, s.shown, s.begun = slot, s.view.shows(slot), true
		}
		if !s.shown {
			return
		}
	}
	s.names = append(s.names, k.Name...)
	s.found = append(s.found, scanned{len(s.names), t})
}

// typed says whether keys of type t are selected. Redis looks the key up to
// know, which counts.
func (s *scanner) typed(t store.Type) bool {
	if !s.byType {
		return true
	}
	s.c.Hit(true)
	return strings.EqualFold(s.typ, t.String())
}

func keys(c *Ctx) {
	s := newScanner(c)
	defer s.release()
	s.match(c.Args[1])
	mark, n := c.W.Len(), 0
	header := c.W.DeferRoom()
	for cursor := uint64(0); ; {
		next, selected := s.step(cursor, scanStep)
		n += selected
		s.rest()
		c.W.Reserve(min(c.W.Len()-mark, mostReserved))
		if next == 0 {
			break
		}
		cursor = next
	}
	c.W.SetArray(header, n)
}

func scan(c *Ctx) {
	cursor, ok := parseCursor(c.Args[1])
	if !ok {
		c.W.Error(errInvalidCursor)
		return
	}
	s := newScanner(c)
	defer s.release()
	s.w = &s.own
	count := int64(10)
	for i := 2; i < len(c.Args); i += 2 {
		switch arg := c.Args[i]; {
		case i+1 == len(c.Args):
			c.W.Error(errSyntax)
			return
		case isWord(arg, "count"):
			if count, ok = c.intArg(i + 1); !ok {
				return
			}
			if count < 1 {
				c.W.Error(errSyntax)
				return
			}
		case isWord(arg, "match"):
			s.match(c.Args[i+1])
		case isWord(arg, "type"):
			s.byType, s.typ = true, string(c.Args[i+1])
		default:
			c.W.Error(errSyntax)
			return
		}
	}
	total := 0
	for {
		step := min(count, scanStep)
		next, n := s.step(cursor, int(step))
		cursor, count, total = next, count-step, total+n
		if cursor == 0 || count == 0 {
			break
		}
		s.rest()
		s.own.Reserve(min(s.own.Len(), mostReserved))
	}
	c.W.Array(2)
	c.W.BulkString(strconv.FormatUint(cursor, 10))
	c.W.Array(total)
	c.W.Raw(s.own.Bytes())
}
