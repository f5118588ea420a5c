package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// notWired are settings that no code reads yet: none, since a setting that does
// nothing is a lie in config.yaml.
var notWired []string

// TestEverySettingIsRead looks for a use of every field of Config in the
// packages that import this one.
func TestEverySettingIsRead(t *testing.T) {
	packages := make(map[string][]*ast.File) // by directory
	err := filepath.WalkDir(root(t, ""), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || path == root(t, "internal/config")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, files := range packages {
		if slices.ContainsFunc(files, importsConfig) {
			for _, file := range files {
				collectUses(file, used)
			}
		}
	}
	c := new(Config)
	fields := make(map[uintptr]string)
	top := reflect.ValueOf(c).Elem()
	for i := range top.NumField() {
		section := top.Field(i)
		if section.Kind() != reflect.Struct {
			fields[section.Addr().Pointer()] = top.Type().Field(i).Name
			continue
		}
		for j := range section.NumField() {
			fields[section.Field(j).Addr().Pointer()] = top.Type().Field(i).Name + "." + section.Type().Field(j).Name
		}
	}
	for _, k := range Keys() {
		field := fields[reflect.ValueOf(k.value(c)).FieldByName("p").Pointer()]
		switch listed := slices.Contains(notWired, k.Name); {
		case used[field] && listed:
			t.Errorf("%s is read now: take it off the list notWired", k.Name)
		case !used[field] && !listed:
			t.Errorf("%s: no code outside this package reads Config.%s", k.Name, field)
		}
	}
}

func importsConfig(file *ast.File) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"respkv/internal/config"` })
}

// read are the methods that read a field.
var read = map[string]string{"ClusterPort": "Cluster.ClusterPort", "MaxMemoryClients": "Server.MaxMemoryClients", "PrimaryAddress": "Replication.Primary", "Versions": "TLS.Protocols", "CipherSuites": "TLS.Ciphers"}

// collectUses finds c.Section.Field, s.Field after s := &c.Section, and the
// fields and methods of Config itself. It goes by names; types would cost a
// build of everything.
func collectUses(file *ast.File, used map[string]bool) {
	section := func(e ast.Expr) string {
		if address, ok := e.(*ast.UnaryExpr); ok {
			e = address.X
		}
		if s, ok := e.(*ast.SelectorExpr); ok {
			return s.Sel.Name
		}
		return ""
	}
	aliases := make(map[string]string) // variable: section
	ast.Inspect(file, func(n ast.Node) bool {
		if assign, ok := n.(*ast.AssignStmt); ok && len(assign.Lhs) == len(assign.Rhs) {
			for i, left := range assign.Lhs {
				if name, ok := left.(*ast.Ident); ok && section(assign.Rhs[i]) != "" {
					aliases[name.Name] = section(assign.Rhs[i])
				}
			}
		}
		return true
	})
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch x := s.X.(type) {
		case *ast.SelectorExpr:
			used[x.Sel.Name+"."+s.Sel.Name] = true
		case *ast.Ident:
			if alias := aliases[x.Name]; alias != "" {
				used[alias+"."+s.Sel.Name] = true
			}
		}
		used[s.Sel.Name] = true
		if field := read[s.Sel.Name]; field != "" {
			used[field] = true
		}
		return true
	})
}
