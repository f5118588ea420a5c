package process

import (
	"strconv"
	"sync"

	"respkv/cluster/hashslot"
)

// tags holds a hash tag for every slot.
var tags = sync.OnceValue(func() (tags [16384]string) {
	for i, missing := 0, len(tags); missing > 0; i++ {
		tag := strconv.Itoa(i)
		if slot := hashslot.Slot([]byte(tag)); tags[slot] == "" {
			tags[slot] = tag
			missing--
		}
	}
	return tags
})

// keyIn is a key of that slot.
func keyIn(slot int) string { return "probe:{" + tags()[slot] + "}" }
