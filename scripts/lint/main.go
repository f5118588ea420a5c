// Command lint checks what go vet does not: formatting, the direction of
// imports between our packages, that only commands print or exit, and that
// docs/locks.md names every lock. It reports and changes nothing. "make lint" runs it from the root.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "respkv/"

// allowed says what a package may import, of ours and of the libraries that
// are tied to a place. The longest matching prefix counts; "x/..." is x and all
// below it. docs/architecture.md draws the same picture.
var allowed = []struct {
	pkg     string
	imports []string
}{
	{"cluster/hashslot", nil},
	{"cluster/mux", []string{"internal/throttle"}},
	{"cluster/shared", nil},
	{"cluster/slotmap", []string{"cluster/hashslot"}},
	{"internal/beat", nil},
	{"cluster", []string{"cluster/...", "internal/beat"}},
	{"internal/throttle", nil},
	{"internal/certs", nil},
	{"internal/lzf", nil},
	{"internal/chunks", nil},
	{"store", []string{"cluster/hashslot", "internal/chunks", "internal/lzf", "store/..."}},
	{"replication", []string{"cluster/hashslot", "store/...", "replication/...", "internal/beat", "internal/throttle"}},
	{"resp/proto", nil},
	{"resp/command", nil},
	{"resp", []string{"resp/...", "store/...", "replication/...", "cluster/...", "internal/config", "internal/glob",
		"internal/acl", "internal/beat", "internal/chunks", "internal/geo", "internal/lua", "internal/quote", "internal/threads", "internal/throttle", "internal/persistence"}},
	{"internal/config", nil},
	{"internal/glob", nil},
	{"internal/quote", nil},
	{"internal/acl", []string{"internal/glob", "resp/command"}},
	{"internal/lua/syntax", nil},
	{"internal/lua", []string{"internal/lua/...", "internal/quote", "internal/rdb"}},
	{"internal/geo", nil},
	{"internal/freeport", nil},
	{"internal/threads", []string{"internal/beat"}},
	{"internal/observe", []string{"resp/...", "replication/...", "cluster/..."}},
	{"internal/rdb", []string{"internal/lzf"}},
	{"internal/persistence", []string{"store/...", "internal/rdb"}},
	{"internal/node", []string{"resp/...", "store/...", "replication/...", "cluster/...", "internal/..."}},
	{"cmd", []string{"internal/..."}},
	{"scripts", []string{"internal/...", "resp/command"}},
	{"tests", []string{"resp/...", "store/...", "replication/...", "cluster/...", "internal/...", "tests/..."}},
}

// homes ties libraries to the only place that may import them.
var homes = map[string]string{
	"github.com/spf13/viper":          "cmd",
	"github.com/spf13/cobra":          "cmd",
	"github.com/spf13/pflag":          "cmd",
	"github.com/tidwall/redcon":       "resp",
	"github.com/hashicorp/memberlist": "cluster",
	"github.com/hashicorp/raft":       "cluster",
	"github.com/yuin/gopher-lua":      "internal/lua",
}

var problems int

func report(format string, args ...any) {
	problems++
	fmt.Printf(format+"\n", args...)
}

func main() {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		return check(filepath.ToSlash(name))
	})
	if err != nil {
		report("lint: %v", err)
	}
	if err := checkLocks(); err != nil {
		report("lint: %v", err)
	}
	if problems > 0 {
		os.Exit(1)
	}
}

func check(name string) error {
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if formatted, err := format.Source(source); err != nil {
		report("%s: %v", name, err)
		return nil
	} else if !bytes.Equal(formatted, source) {
		report("%s: not gofmt-ed", name)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if strings.HasSuffix(name, "_test.go") {
		return nil // tests may reach further
	}
	pkg := path.Dir(name)
	rule, known := ruleFor(pkg)
	if !known {
		report("%s: package %s has no import rule in scripts/lint", name, pkg)
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if ours, ok := strings.CutPrefix(imported, module); ok && !slices.ContainsFunc(rule, func(p string) bool { return covers(p, ours) }) {
			report("%s: %s must not import %s (docs/architecture.md)", files.Position(spec.Pos()), pkg, ours)
		}
		for library, home := range homes {
			if covers(library+"/...", imported) && !covers(home+"/...", pkg) {
				report("%s: only %s imports %s", files.Position(spec.Pos()), home, library)
			}
		}
	}
	if !covers("cmd/...", pkg) && !covers("scripts/...", pkg) && !covers("tests/...", pkg) {
		checkCalls(files, file)
		findLocks(file, pkg, func(name string, at ast.Node) { locksFound[name] = files.Position(at.Pos()).String() })
	}
	return nil
}

// checkCalls refuses printing and exiting in libraries.
func checkCalls(files *token.FileSet, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch pkg.Name + "." + selector.Sel.Name {
		case "fmt.Print", "fmt.Printf", "fmt.Println", "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "log.Print", "log.Printf", "log.Println":
			report("%s: %s.%s outside cmd: libraries return errors and log with slog", files.Position(call.Pos()), pkg.Name, selector.Sel.Name)
		}
		return true
	})
}

func ruleFor(pkg string) ([]string, bool) {
	best := -1
	for i, r := range allowed {
		if covers(r.pkg+"/...", pkg) && (best < 0 || len(r.pkg) > len(allowed[best].pkg)) {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	return allowed[best].imports, true
}

// covers tells whether pattern, a package or "x/...", includes pkg.
func covers(pattern, pkg string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == prefix || strings.HasPrefix(pkg, prefix+"/")
	}
	return pattern == pkg
}
