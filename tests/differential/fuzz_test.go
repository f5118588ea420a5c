package differential

import (
	"fmt"
	"testing"
)

// TestRandomSequences runs each family under both protocols. A failure prints
// the seed: -seed repeats it, -family and -count.commands narrow it down.
func TestRandomSequences(t *testing.T) {
	pair := StartPair(t)
	for _, f := range Families() {
		if *familyFlag != "" && *familyFlag != f.Name {
			continue
		}
		for _, version := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s/resp%d", f.Name, version), func(t *testing.T) {
				result, err := Fuzz(pair, f, FuzzOptions{Version: version, Seed: uint64(*seedFlag), Duration: *durationFlag, Count: *countFlag})
				t.Logf("seed %d, %d commands", *seedFlag, result.Commands)
				result.report(t, err)
			})
		}
	}
}
