//go:build !race

package cluster

// raceEnabled says whether the race detector is on.
const raceEnabled = false
