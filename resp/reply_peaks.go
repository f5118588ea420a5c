package resp

import (
	"math"
	"sync/atomic"
	"time"
)

// replyPeaks makes the field rbp of CLIENT LIST the longest reply of the recent
// past: it is forgotten every so often.
type replyPeaks struct {
	period atomic.Int64 // milliseconds; 0: the default, maxInt64: never
	last   time.Time    // of the server's cron
}

// replyPeakPeriod is that of Redis.
const replyPeakPeriod = 5 * time.Second

// resetPeaks is called by the cron once a second.
func (s *Server) resetPeaks(now time.Time) {
	period := s.peaks.period.Load()
	if period == 0 {
		period = replyPeakPeriod.Milliseconds()
	}
	if period == math.MaxInt64 || now.Sub(s.peaks.last).Milliseconds() < period {
		return
	}
	s.peaks.last = now
	for _, c := range s.clients.All() {
		c.info.replyPeak.Store(0)
	}
}

// debugReplyBuffer: DEBUG REPLYBUFFER PEAK-RESET-TIME never|reset|milliseconds,
// and RESIZING 0: reply buffers are lent to clients while they work, and not
// resized.
func debugReplyBuffer(c *Ctx, args [][]byte) {
	period := &c.d.server.peaks.period
	millis, isNumber := parseLong(args[1])
	switch {
	case isWord(args[0], "resizing") && isNumber && millis == 0:
	case isWord(args[0], "resizing"):
		c.W.Error(errReplyBufferFixed)
		return
	case !isWord(args[0], "peak-reset-time"):
		c.W.Error(errSubcommandArgs("DEBUG", c.Args[1]))
		return
	case isWord(args[1], "never"):
		period.Store(math.MaxInt64)
	case isWord(args[1], "reset"):
		period.Store(0)
	case !isNumber || millis <= 0:
		c.W.Error(errNotInteger)
		return
	default:
		period.Store(millis)
	}
	c.W.OK()
}
