package differential

import (
	"flag"
	"time"
)

var (
	seedFlag     = flag.Int64("seed", time.Now().UnixNano()%1_000_000_000, "seed of the random sequences")
	durationFlag = flag.Duration("duration", 3*time.Second, "how long random sequences run, for each family and protocol")
	countFlag    = flag.Int("count.commands", 0, "stop after that many random commands instead of after -duration")
	familyFlag   = flag.String("family", "", "run random sequences of this family only")
)
