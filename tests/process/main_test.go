// Package process tests respkv as its users meet it: the binary, started as
// several processes, with Redis's own tools and a client library.
package process

import (
	"testing"

	"respkv/tests/process/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
