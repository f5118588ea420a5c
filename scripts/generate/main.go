// Command generate writes the files that are derived from the declarations of
// internal/config, config.yaml and docs/configuration.md, and of
// internal/observe, docs/metrics.md. Run it with the root
// of the repository as argument ("make generate" does).
package main

import (
	"log"
	"os"
	"path/filepath"

	"respkv/internal/config"
	"respkv/internal/observe"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	for name, data := range map[string][]byte{
		"config.yaml":           config.YAML(config.Default(), nil),
		"docs/configuration.md": config.Markdown(),
		"docs/metrics.md":       observe.Markdown(),
	} {
		if err := os.WriteFile(filepath.Join(root, name), data, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
