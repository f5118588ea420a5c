package main

import (
	"go/ast"
	"maps"
	"os"
	"regexp"
	"slices"
)

// locksFile lists every lock of the program, what it guards and the order.
const locksFile = "docs/locks.md"

// locksFound are the mutexes of the code, as package.Type.field, with where
// they are.
var locksFound = make(map[string]string)

// findLocks notes the mutexes among the fields of a file's types and its
// package variables. pkg is the package's path in the module.
func findLocks(file *ast.File, pkg string, found func(name string, at ast.Node)) {
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				findLocksIn(s.Type, pkg+"."+s.Name.Name, found)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if isMutex(s.Type) {
						found(pkg+"."+name.Name, name)
					}
				}
			}
		}
	}
}

func findLocksIn(t ast.Expr, owner string, found func(name string, at ast.Node)) {
	s, ok := t.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range s.Fields.List {
		if len(field.Names) == 0 && isMutex(field.Type) {
			found(owner, field) // embedded: the type is the lock
		}
		for _, name := range field.Names {
			if isMutex(field.Type) {
				found(owner+"."+name.Name, name)
			}
			findLocksIn(field.Type, owner+"."+name.Name, found)
		}
	}
}

// isMutex tells whether a type is sync.Mutex or sync.RWMutex, behind any
// pointers, arrays and slices.
func isMutex(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return isMutex(t.X)
	case *ast.ArrayType:
		return isMutex(t.Elt)
	case *ast.SelectorExpr:
		pkg, ok := t.X.(*ast.Ident)
		return ok && pkg.Name == "sync" && (t.Sel.Name == "Mutex" || t.Sel.Name == "RWMutex")
	}
	return false
}

// lockName is how locksFile names a lock: in the first column of its table.
var lockName = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// compareLocks reports locks that are in the code or in the document only.
func compareLocks(found map[string]string, document string, report func(format string, args ...any)) {
	listed := make(map[string]bool)
	for _, match := range lockName.FindAllStringSubmatch(document, -1) {
		listed[match[1]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !listed[name] {
			report("%s: the lock `%s` is not in %s", found[name], name, locksFile)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if _, ok := found[name]; !ok {
			report("%s: there is no lock `%s`", locksFile, name)
		}
	}
}

func checkLocks() error {
	document, err := os.ReadFile(locksFile)
	if err != nil {
		return err
	}
	compareLocks(locksFound, string(document), report)
	return nil
}
