package differential

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if binDir != "" {
		_ = os.RemoveAll(binDir) // a leftover in the temporary directory is harmless
	}
	os.Exit(code)
}
