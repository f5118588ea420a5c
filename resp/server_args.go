package resp

import (
	"math"
	"time"
)

// timeoutMillis reads a timeout argument in milliseconds and replies with the
// error when it is none. 0 means without end to most commands; what does not
// fit a Duration is as good as that.
func (c *Ctx) timeoutMillis(arg []byte) (timeout time.Duration, ok bool) {
	n, ok := parseLong(arg)
	switch {
	case !ok:
		c.W.Error(errTimeoutInt)
		return 0, false
	case n < 0:
		c.W.Error(errTimeoutNegative)
		return 0, false
	}
	if n > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * time.Millisecond, true
}
