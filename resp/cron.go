package resp

import (
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"respkv/internal/beat"
	"respkv/store"
)

// cron is the dispatcher's background work: active expiry, giving memory back,
// the memory limit, rates for INFO. It runs on one goroutine, hz times a second
// (config server.hz); one beside it has memory ready (store.PopulateAhead). Whatever it does under a shard's lock takes well under a
// millisecond, so that no command waits longer for it.
type cron struct {
	stopOnce sync.Once
	quit     chan struct{}
	work     sync.WaitGroup

	noExpire atomic.Bool // DEBUG SET-ACTIVE-EXPIRE 0
	paused   atomic.Bool // DEBUG PAUSE-CRON 1

	// For INFO.
	defragRunning atomic.Bool   // active_defrag_running
	moved         atomic.Int64  // active_defrag_hits: records and segments
	expireNanos   atomic.Int64  // expire_cycle_cpu_milliseconds
	capReached    atomic.Int64  // expired_time_cap_reached_count
	stale         atomic.Uint64 // expired_stale_perc / 100, as float bits
	memory        memorySampler

	// Of the cron's goroutine alone.
	expireNext  int // shard where expiry goes on
	compactNext int
	compacting  bool
	watched     int64 // limit that the store's count of used memory is made for
	nextRates   time.Time
	nextMemory  time.Time
	collected   time.Time // when garbage was looked for
	nextUpkeep  time.Time
	nextCompact time.Time
}

const (
	ratesPeriod = 100 * time.Millisecond // as Redis
	// memoryPeriod and limitPeriod are how often memory is summed up, without
	// and with a limit: the sum takes every shard's lock once, some 10 µs.
	memoryPeriod = time.Second
	limitPeriod  = 100 * time.Millisecond
	// collectPeriod is how often at most garbage is looked for rather than keys evicted.
	collectPeriod = time.Second
	// upkeepPeriod is how often it is looked whether memory is wasted. While it
	// is, every round goes on with the work.
	upkeepPeriod = time.Second
	// hugePageStep is for how many huge pages upkeep asks at a time.
	hugePageStep = 64
	// compactPause lies between two passes of compaction: what a pass could
	// not free will not be free a moment later.
	compactPause = 10 * time.Second

	// Work at a time: 300 records or elements moved under a shard's lock, 4 MB given
	// back without any, are each less than a millisecond.
	compactStep = 300
	releaseStep = 4 << 20

	// upkeepShare is the part of one core that upkeep may take while there is
	// something to do.
	upkeepShare = 0.10
	// slackBytes is how much unused memory is kept for the next writes in any
	// case, and below which compacting is not worth it.
	slackBytes = 16 << 20
)

func (c *cron) start(d *Dispatcher) {
	c.quit = make(chan struct{})
	c.memory.sample(d, false)
	c.work.Go(func() { c.run(d) })
	c.work.Go(func() { d.store.PopulateAhead(c.quit) })
}

// stop ends the work and waits for it. Without start it does nothing.
func (c *cron) stop() {
	if c.quit == nil {
		return
	}
	c.stopOnce.Do(func() { close(c.quit) })
	c.work.Wait()
}

func (c *cron) run(d *Dispatcher) {
	period := func() time.Duration { return time.Second / time.Duration(d.config.Config().Server.Hz) }
	timer := time.NewTimer(period())
	defer timer.Stop()
	for {
		select {
		case <-c.quit:
			return
		case <-timer.C:
			p := period()
			if !c.paused.Load() {
				c.round(d, time.Now(), p)
			}
			timer.Reset(beat.UntilNext(p))
		}
	}
}

// round is one run of all work that is due.
func (c *cron) round(d *Dispatcher, now time.Time, period time.Duration) {
	if !now.Before(c.nextRates) {
		c.nextRates = now.Add(ratesPeriod)
		d.sampleRates(now)
	}
	limit := d.config.Config().Store.MaxMemory
	if limit != c.watched {
		d.store.Watch(limit)
		c.watched, c.nextMemory = limit, now
	}
	if !now.Before(c.nextMemory) {
		c.nextMemory = now.Add(memoryPeriod)
		if limit > 0 {
			c.nextMemory = now.Add(limitPeriod)
		}
		m := c.memory.sample(d, false)
		if now.Sub(c.collected) >= collectPeriod && d.memory.collect(d.store, limit, m, c.memory.startup.Load()) {
			debug.FreeOSMemory()
			c.collected = now
			m = c.memory.sample(d, false)
		}
		d.memory.update(limit, m, c.memory.startup.Load())
		if limit > 0 {
			d.watchMemory(now, m)
		}
	}
	if !c.noExpire.Load() && d.server.Paused() == PauseOff {
		c.expire(d, period)
	}
	if d.store.Detached() {
		d.reclaimer.start(d.store)
	}
	d.reclaimGarbage() // what expired, or a replica's effects left
	d.redirectBlocked()
	d.trackingUpkeep()
	d.saveIfDue(now)
	d.migration.closeIdle(now)
	d.feedUpkeep(now)
	d.failoverStep(now)
	if d.follow.on.Load() && !c.noExpire.Load() && !d.frozen() && !d.follow.loading.Load() {
		d.follow.expireOwn(d, now)
	}
	c.upkeep(d, now, time.Duration(upkeepShare*float64(period)))
}

// expiryEffort is what active-expire-effort means, in Redis's numbers.
type expiryEffort struct {
	keys  int           // keys looked at in a shard before going on to the next
	limit time.Duration // longest work in one round
}

func effortOf(effort int, period time.Duration) expiryEffort {
	e := float64(effort - 1) // 0..9
	return expiryEffort{
		keys:  20 + 5*(effort-1),
		limit: time.Duration((25 + 2*e) / 100 * float64(period)),
	}
}

// expire removes keys past their deadline. A quiet round looks at few keys, or for a
// hundredth of the time, but in as many shards as make all of them have their turn
// once a second: of keys that are not many, none is there for longer than a round.
// Where much is found to be expired it stays, and then goes through all shards as
// far as the time allows.
func (c *cron) expire(d *Dispatcher, period time.Duration) {
	withDeadline := int64(0)
	for db := range d.store.Databases() {
		withDeadline += d.store.Expires(db)
	}
	hinted := false
	for i := 0; i < store.Shards && !hinted; i++ {
		hinted = d.store.Hinted(i)
	}
	if withDeadline == 0 && !hinted || d.keepsExpired() {
		return
	}
	effort := effortOf(d.config.Config().Store.ActiveExpireEffort, period)
	start := time.Now()
	defer func() {
		took := time.Since(start)
		c.expireNanos.Add(int64(took))
		d.latencyEvent("expire-cycle", took)
	}()

	visits := int(math.Ceil(store.Shards * period.Seconds()))
	sampled, expired, much := 0, 0, false
	quiet := func(visited int) bool {
		return !much && visited >= visits && (sampled >= visits*effort.keys || time.Since(start) > period/100)
	}
	for visited := 0; visited < store.Shards && !quiet(visited); visited++ {
		i := c.expireNext
		c.expireNext = (i + 1) % store.Shards
		if !d.store.MayExpire(i) {
			continue
		}
		for more := true; more; {
			now := time.Now()
			if now.Sub(start) > effort.limit {
				c.capReached.Add(1)
				c.noteStale(sampled, expired)
				return
			}
			r := d.expireShard(i, now.UnixMilli(), effort.keys)
			sampled += r.Sampled
			expired += r.Expired
			more = r.More
			much = much || more
		}
	}
	c.noteStale(sampled, expired)
}

// noteStale keeps the running mean of the share of expired keys, with Redis's
// weights.
func (c *cron) noteStale(sampled, expired int) {
	share := 0.0
	if sampled > 0 {
		share = float64(expired) / float64(sampled)
	}
	old := math.Float64frombits(c.stale.Load())
	c.stale.Store(math.Float64bits(0.05*share + 0.95*old))
}

// expireShard looks at some keys of shard i that have a deadline, and at hash
// fields.
func (d *Dispatcher) expireShard(i int, now int64, keys int) store.ExpireResult {
	d.store.LockShard(i)
	defer d.store.UnlockShard(i)
	owned := d.ownedSlots()
	r := d.store.ExpireCycle(i, now, keys, owned)
	if d.store.Hinted(i) {
		f := d.store.ExpireFields(i, now, keys, owned)
		r.Sampled += f.Sampled
		r.Expired += f.Expired
		r.More = r.More || f.More
	}
	return r
}

// ownedSlots tells for which slots of one shard this node may remove keys by
// itself: those it serves as primary now, no handoff being under way. nil: all.
// Call with the lock of the shard held, use it only as long.
func (d *Dispatcher) ownedSlots() func(slot uint16) bool {
	if d.routing == nil {
		return nil
	}
	var known, owned uint64 // by slot within the shard
	return func(slot uint16) bool {
		bit := uint64(1) << (slot % store.SlotsPerShard)
		if known&bit == 0 {
			known |= bit
			if d.mayRemove(slot) {
				owned |= bit
			}
		}
		return owned&bit != 0
	}
}

// watchMemory brings memory under the limit where no command does, and keeps the
// access times fine enough for what is written.
func (d *Dispatcher) watchMemory(now time.Time, m *memorySample) {
	cfg := &d.config.Config().Store
	policy, evicts := evictPolicy(cfg.MaxMemoryPolicy)
	if evicts && policy.By == store.EvictIdle {
		keys := int64(0)
		for db := range d.store.Databases() {
			keys += d.store.DBSize(db)
		}
		life := d.memory.flow.life(now, m.store.Data, d.store.Stats().Evicted, keys, d.memory.room.Load())
		d.store.Turnover(now.UnixMilli(), life)
	}
	d.evictor.exceeded.note(d.memory.exceeded(d.store), now)
	if evicts && !d.memory.fits(d.store) {
		d.evictInBackground()
	}
}

// limitChanged makes a new maxmemory hold at once, by what was used a moment ago:
// the caller may hold shard locks.
func (d *Dispatcher) limitChanged(limit int64) {
	d.store.Watch(limit)
	m := d.cron.memory.last.Load()
	if m == nil {
		return // the cron is about to take the first sample
	}
	d.memory.update(limit, m, d.cron.memory.startup.Load())
	if limit <= 0 {
		return
	}
	if used := m.used(d.cron.memory.startup.Load()); used > limit {
		d.log.Warn("maxmemory is below what is in use now: keys are evicted or writes refused, as maxmemory-policy says",
			"maxmemory", limit, "used", used)
	}
	if !d.memory.fits(d.store) {
		d.evictInBackground()
	}
}

func (c *cron) resetStats() {
	c.expireNanos.Store(0)
	c.capReached.Store(0)
	c.stale.Store(0)
	c.moved.Store(0)
	c.memory.resetPeak()
}
