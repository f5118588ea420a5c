package differential

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestTranscripts runs every file in testdata under RESP2 and RESP3.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	pair := StartPair(t)
	for _, file := range files {
		tr, err := ParseTranscript(file)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, version := range tr.Protocols {
			name := fmt.Sprintf("%s/resp%d", strings.TrimSuffix(filepath.Base(file), ".txt"), version)
			t.Run(name, func(t *testing.T) { RunTranscript(t, pair, tr, version) })
		}
	}
}
