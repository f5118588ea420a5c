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
				Fuzz(t, pair, f, version, uint64(*seedFlag), *durationFlag, *countFlag)
			})
		}
	}
}
