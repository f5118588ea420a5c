package threads

import (
	"slices"
	"time"
)

const (
	// busy is the use of all present threads from which more are tried.
	busy = 0.85
	// roomy is the use of all present threads up to which fewer are tried.
	roomy = 0.85
	// idle is the use of half of the threads up to which the other half is
	// given up without a trial.
	idle = 0.5
	// gain is how much more must be served for more threads to be kept, and
	// loss how much less may be served by fewer.
	gain, loss = 1.10, 0.98
	// settle and judge are the periods of a trial: the first are not looked at,
	// the mean of the others decides.
	settle, judge = 1, 3
	// patience is how long a decision stands before the next trial, proven one
	// that a trial has shown to be better; it doubles with every trial that
	// changes nothing.
	patience, proven, mostPatience = time.Second, 4 * time.Second, time.Minute
	// shift is the change of load that ends patience: what was tried was
	// something else.
	shift = 1.5
	// heavy is the CPU time of a command from which there is no need to try:
	// wake-ups are nothing beside it.
	heavy = 100 * time.Microsecond
	// hold is how long two threads stay after a stall.
	hold = 10 * time.Second
)

// A Scaler decides how many threads there are to be, by trial: more when the
// present ones are busy, fewer when these suffice. It keeps what serves more
// commands a second. It is a pure state machine for one goroutine.
type Scaler struct {
	most    int
	threads int

	last     Usage
	lastTime time.Time
	recent   [judge]float64 // commands a second in the last periods

	trial    int       // periods of the trial so far, from 1; 0: there is none
	from     int       // threads before the trial
	before   float64   // rate before the trial
	tried    float64   // sum of the rates judged
	next     time.Time // the next trial
	patience time.Duration
	load     float64 // rate at the last decision
	held     time.Time
}

// NewScaler returns a Scaler for 1 to most threads, beginning with one.
func NewScaler(most int) *Scaler {
	return &Scaler{most: max(most, 1), threads: 1, patience: patience}
}

// Threads is the present decision.
func (s *Scaler) Threads() int { return s.threads }

// Observe is told what the process used up to now, about every Period, and
// returns the number of threads from now on.
func (s *Scaler) Observe(now time.Time, u Usage) int {
	period := now.Sub(s.lastTime)
	first := s.lastTime.IsZero()
	if !first && period < Period/2 {
		return s.threads // a late tick came just before
	}
	commands := max(float64(u.Commands-s.last.Commands), 0) // CONFIG RESETSTAT begins anew
	cpu := u.CPU - s.last.CPU
	stalled := u.Stalls > s.last.Stalls || u.Working
	s.last, s.lastTime = u, now
	if first {
		return s.threads
	}
	rate := commands / period.Seconds()
	use := cpu.Seconds() / period.Seconds()
	if stalled {
		s.held = now.Add(hold)
	}
	least := 1
	if now.Before(s.held) {
		least = min(2, s.most)
	}
	switch {
	case s.threads < least:
		s.decide(now, least, rate, patience)
	case s.trial > 0:
		s.judge(now, rate, least)
	case use > busy*float64(s.threads) && s.threads < s.most:
		switch {
		case commands == 0 || cpu.Seconds()/commands > heavy.Seconds():
			s.decide(now, min(2*s.threads, s.most), rate, patience)
		case s.ready(now):
			s.try(min(2*s.threads, s.most))
		}
	case s.threads > least && use < idle*float64(s.threads)/2:
		s.decide(now, max(s.threads/2, least), rate, patience)
	case s.threads > least && use < roomy*float64(s.threads) && s.ready(now):
		s.try(max(s.threads/2, least))
	}
	copy(s.recent[1:], s.recent[:])
	s.recent[0] = rate
	return s.threads
}

// rate is the mean of the last periods.
func (s *Scaler) rate() float64 {
	sum := 0.0
	for _, r := range s.recent {
		sum += r
	}
	return sum / judge
}

// ready reports whether it is time for a trial, and the load steady enough to
// compare with.
func (s *Scaler) ready(now time.Time) bool {
	if rate := s.rate(); rate > s.load*shift || s.load > rate*shift {
		s.patience = patience
		if early := now.Add(patience); s.next.After(early) {
			s.next = early
		}
		s.load = rate
	}
	low, high := slices.Min(s.recent[:]), slices.Max(s.recent[:])
	return !now.Before(s.next) && low > 0 && high <= shift*low
}

func (s *Scaler) try(threads int) {
	s.from, s.threads = s.threads, threads
	s.before, s.tried, s.trial = s.rate(), 0, 1
}

func (s *Scaler) judge(now time.Time, rate float64, least int) {
	if s.trial > settle {
		s.tried += rate
	}
	if s.trial++; s.trial <= settle+judge {
		return
	}
	needed := s.before * gain
	if s.threads < s.from {
		needed = s.before * loss
	}
	served := s.tried / judge
	if served >= needed {
		s.decide(now, s.threads, served, proven)
		return
	}
	s.decide(now, max(s.from, least), s.before, min(2*s.patience, mostPatience))
}

// decide ends what was going on: threads it is, at least for wait.
func (s *Scaler) decide(now time.Time, threads int, load float64, wait time.Duration) {
	s.threads, s.trial = threads, 0
	s.load, s.patience = load, wait
	s.next = now.Add(wait)
}
