package resp

import (
	"sync/atomic"
	"time"

	"respkv/internal/threads"
	"respkv/resp/command"
	"respkv/store"
)

// Commands that make a value of large ones (COPY, SUNIONSTORE, ZRANGESTORE, ...), or
// make a large one anew without some elements (LREM, ZREMRANGEBYRANK, ...), or read many
// (LPOP with a count, DUMP), take long,
// and nobody else gets at the shards of their keys as long as they hold their locks. So
// they give them up every now and then:
//
//	          +-------- pause: unlock, rest, lock <-------+
//	          v                                           | not done
//	begin -> step (reads the keys, adds to a result  -----+
//	  ^       |    that is outside of the keyspace)
//	  |       | done, locks held
//	  |       v
//	  |     publish: the result replaces the destination, effect, events
//	  |
//	  +---- changed: a key that it reads was written, removed, flushed or
//	        replaced in a pause (a watch tells, as for WATCH)
//
// All keys that it read are as they were when it publishes, so it is as if it had
// run then, at once. After some changes it runs without a pause, so that writers
// cannot keep it from ending. Within EXEC it never takes a pause.
type stepper struct {
	d       *Dispatcher
	c       *Ctx
	pos     []int    // of the keys in the arguments
	shards  shardSet // locked, but for the pauses
	watches []*watch
	more    *watchedSet // keys that it reads besides; nil: none so far
	expires int64       // when the first of the keys that it reads does; 0: none will
	began   time.Time   // of the step
	steps   int         // done so far
	changed atomic.Bool // set by who changes a key, under the lock of its shard
	stopped bool        // a pause ended the try
	refused bool        // for good
	refusal []byte      // the reply that says so
	mark    int         // where the reply of the command begins
}

// stepping says when and how commands run in steps.
type stepping struct {
	from  int            // elements (store.Tx.Elements) of all keys read, for taking pauses
	tries int            // with pauses
	step  time.Duration  // how long locks are held; some elements longer
	rest  func(step int) // what is done without them; steps are counted
}

var defaultStepping = stepping{from: 10_000, tries: 4, step: 300 * time.Microsecond, rest: threads.Breathe}

// pausePoll is how often a command that CLIENT PAUSE, or a script, holds back in the
// middle looks whether that is over.
const pausePoll = 5 * time.Millisecond

// mostReserved is how much room for more of a reply is made in a pause: about what one
// step writes.
const mostReserved = 1 << 20

// stepwise are the commands that call store operations that take pauses, and do
// nothing before the last pause that could not be done again.
var stepwise = []string{
	"copy", "sunionstore", "sinterstore", "sdiffstore",
	"zunionstore", "zinterstore", "zdiffstore", "zrangestore",
	"lrem", "zremrangebyrank", "zremrangebyscore", "zremrangebylex", "sort",
	"geosearchstore", "georadius", "georadiusbymember",
}

// inSteps runs the command of c, whose keys are at pos, if it is to take pauses.
// False: it is not, or has tried too often. The locks of shards are held, and are
// again when it returns.
func (d *Dispatcher) inSteps(c *Ctx, pos []int, shards shardSet) (done bool) {
	if !c.entry.steps {
		return false
	}
	return d.tryInSteps(c, pos, shards, d.stepping.from)
}

// reads says that a key was just looked up that the command table does not say to be, or
// of a command that has called postponeKeys. What looking removed, past its deadline, was
// gone before. A deadline that passes later is nothing to begin again for: who meets it
// removes the key, and that tells.
func (c *Ctx) reads(k store.Key) {
	if s := c.step; s != nil {
		if s.more == nil {
			s.more = &watchedSet{told: &s.changed, db: c.Tx.DB, keys: make(map[uint64]struct{})}
			s.d.watches.addSet(s.more, &s.shards)
		}
		s.more.add(k)
	}
}

// changed says that a pause has ended with what the command reads being changed: it is to
// change nothing, and will be called again.
func (c *Ctx) changed() bool { return c.step != nil && c.step.stopped }

// postpone is asked by a handler that has found how many elements it has to deal with, and
// has done nothing yet but reply. True: it is to return at once, and will be called again,
// with pauses. This costs commands on small values no more than a comparison. Those that
// do not know before count what they look at (Ctx.pauses), or are stepwise.
func (c *Ctx) postpone(elements int) bool {
	if elements < c.d.stepping.from || !c.mayPause {
		return false
	}
	c.mayPause, c.putOff = false, true
	return true
}

// postponeKeys is postpone for a command that reads many keys, each of which it is going
// to tell to reads: to watch all of them at once would take as long as to read them.
func (c *Ctx) postponeKeys(n int) bool {
	c.manyKeys = c.postpone(n)
	return c.manyKeys
}

// runPutOff runs a command whose handler has put its work off, with the shards of its
// keys locked. False: it has been tried too often.
func (d *Dispatcher) runPutOff(c *Ctx) (done bool) {
	c.putOff = false
	var pos []int
	if !c.manyKeys {
		var err error
		if pos, err = c.Cmd.AppendKeys(nil, c.Args); err != nil {
			return false
		}
	}
	done = d.tryInSteps(c, pos, c.held, 0)
	c.manyKeys = false
	if done {
		c.absent = c.absent[:0] // see runMulti
	}
	return done
}

// tryInSteps runs a command in steps, if it reads as many elements.
func (d *Dispatcher) tryInSteps(c *Ctx, pos []int, shards shardSet, from int) (done bool) {
	for try := 0; try < d.stepping.tries; try++ {
		s := &stepper{d: d, c: c, pos: pos, shards: shards}
		if !s.begin(from) {
			return false
		}
		if s.run() {
			return true
		}
	}
	return false
}

// begin watches what the command reads. False: that is less than from elements.
func (s *stepper) begin(from int) bool {
	c, d := s.c, s.d
	if c.manyKeys {
		s.shards.each(d.store.Pin)
		return true
	}
	var buf [16]command.KeyRef
	refs, err := c.Cmd.AppendKeyRefs(buf[:0], c.Args)
	if err != nil {
		return false
	}
	// What looking removes, past its deadline, is gone before it is watched.
	sources, total := make([]store.Key, 0, len(refs)), 0
	for _, r := range refs {
		if r.Flags&(command.RO|command.RW) != 0 {
			k := store.MakeKey(c.Args[r.Pos])
			sources = append(sources, k)
			total += c.Tx.Elements(k)
		}
	}
	if total < from {
		return false
	}
	for _, k := range sources {
		w := &watch{told: &s.changed, db: c.Tx.DB, name: string(k.Name), slot: k.Slot}
		_, w.expired = d.stored(w.db, k, c.Now())
		d.watches.add(w)
		s.watches = append(s.watches, w)
		if at := c.Tx.Deadline(k); at > 0 && !c.Replaying() && (s.expires == 0 || at < s.expires) {
			s.expires = at
		}
	}
	s.shards.each(d.store.Pin)
	return true
}

// end is the opposite of begin. The locks are held.
func (s *stepper) end() {
	for _, w := range s.watches {
		s.d.watches.remove(w)
	}
	if s.more != nil {
		s.d.watches.removeSet(s.more, &s.shards)
	}
	s.shards.each(s.d.store.Unpin)
}

// run runs the command once. False: what it read has changed, and nothing was
// done.
func (s *stepper) run() (done bool) {
	threads.Begin()
	defer threads.End()
	defer s.end()
	c := s.c
	mark, hits, misses := c.W.Len(), c.hits, c.misses
	s.mark = mark
	s.began = time.Now()
	c.Tx.Pause, c.Tx.Aside, c.step = s.pause, s.aside, s
	defer func() { c.Tx.Pause, c.Tx.Aside, c.step = nil, nil, nil }()
	c.ran = true
	c.entry.handler(c)
	if !s.stopped {
		if !c.applied {
			s.d.invoked(c, mark)
		}
		return true
	}
	c.hits, c.misses, c.ran, c.ahead = hits, misses, false, 0
	c.dirty, c.keep, c.touched, c.silent = 0, false, false, false
	c.argv, c.effects = c.argv[:0], c.effects[:0]
	c.W.Truncate(mark)
	c.W.Raw(s.refusal)
	if !c.applied {
		c.Tx.Now, _ = clock()
	}
	return s.refused
}

// pause lets others in, once this step has been long enough. False: the command
// must not go on.
func (s *stepper) pause() (goOn bool) {
	if time.Since(s.began) < s.d.stepping.step {
		return true
	}
	return s.aside(nil)
}

// aside lets others in, and does work meanwhile, if there is any. False: as of pause.
func (s *stepper) aside(work func()) (goOn bool) {
	c := s.c
	s.unlock()
	if work != nil {
		work()
	}
	mark := c.W.Len()
	// A long reply is made longer here: it may have to be copied for that.
	c.W.Reserve(max(c.ahead, min(mark-s.mark, mostReserved)))
	c.ahead = 0
	s.d.stepping.rest(s.steps)
	s.steps++
	s.refused = !s.retake()
	s.refusal = append(s.refusal, c.W.Bytes()[mark:]...)
	s.began = time.Now()
	// Also if that was the last try: then the command runs without another pause.
	c.absent = c.absent[:0]
	s.d.noteAbsent(c, s.pos)
	expired := s.expires > 0 && s.began.UnixMilli() > s.expires
	s.stopped = s.refused || expired || s.changed.Load()
	return !s.stopped
}

// retake takes the locks again, when the command could begin now. False: it
// could not, and has been refused; or its client is gone.
func (s *stepper) retake() (ok bool) {
	d, c := s.d, s.c
	if c.applied {
		s.lock()
		return true
	}
	for again := false; ; again = true {
		alive := c.Client.state.Load() != stateKilled
		for alive && d.frozen() && !c.Client.Has(FlagReplica|FlagMonitor) {
			time.Sleep(pausePoll)
			alive = c.Client.state.Load() != stateKilled
		}
		ok := alive && (!again || d.route(c, true)) && d.roomFor(c)
		s.lock()
		if !ok {
			return false
		}
		wait, reroute := d.admit(c)
		if !reroute {
			if wait, reroute = d.mayChange(c, s.pos...); !reroute {
				return true
			}
		}
		s.unlock()
		if wait != nil {
			<-wait
		}
	}
}

func (s *stepper) lock() {
	if s.c.applied { // one shard, taken as Apply does
		s.shards.lock(s.d.store)
		return
	}
	for s.d.lockShards(&s.shards) != nil { // a script is busy: it may end, or be killed
		time.Sleep(pausePoll)
	}
}

func (s *stepper) unlock() {
	if s.c.applied {
		s.shards.unlock(s.d.store)
	} else {
		s.d.unlockShards(&s.shards)
	}
}
