package lua

import (
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

// declaredFunctions says which functions of a library touch declared keys only: those
// that are registered by constant names, with a function that is written there or is a
// local of which nothing else is made, if all that its body can call is what stays accepts
// with its first parameter for KEYS, and so is all that the rest of the library can
// call. A function within one may be kept in a local of the library and be called for other
// keys: it has none.
func declaredFunctions(chunk []ast.Stmt, stays func(Call) bool) map[string]bool {
	assigned, callbacks := make(map[string]bool), make(map[string]bool)
	for { // these are known at the end only
		before := len(assigned) + len(callbacks)
		l := &libraryReader{callbacks: callbacks, bodies: make(map[string]bool), functions: make(map[string]bool)}
		r := &keyReader{stays: stays, ok: true, assigned: assigned, library: l}
		r.scope(func() { r.block(chunk) })
		switch {
		case len(assigned)+len(callbacks) > before:
		case !r.ok:
			return nil
		default:
			return l.functions
		}
	}
}

// libraryReader is what a keyReader knows of the library that it reads.
type libraryReader struct {
	callbacks map[string]bool // names of locals that are registered as functions
	bodies    map[string]bool // of those, whether all that are called so are known to stay
	functions map[string]bool // what is registered, and whether it stays
	barrier   int             // scopes below are of functions around the one that is read
}

// callback reads a function that is called with KEYS and ARGV of FCALL.
func (r *keyReader) callback(e *ast.FunctionExpr) (stays bool) {
	outside := r.ok
	r.ok = true
	r.function(e, localKeys)
	stays = r.ok
	r.ok = outside
	return stays
}

// function reads a function; first is what its first parameter is.
func (r *keyReader) function(e *ast.FunctionExpr, first localKind) {
	r.scope(func() {
		if l := r.library; l != nil {
			barrier := l.barrier
			l.barrier = len(r.scopes) - 1
			defer func() { l.barrier = barrier }()
		}
		for i, name := range e.ParList.Names {
			if i > 0 {
				first = localOther
			}
			r.declare(name, first)
		}
		r.block(e.Stmts)
	})
}

// named notes a local that is a function, if that is registered. False: it is none of those.
func (r *keyReader) named(name string, e ast.Expr) bool {
	l := r.library
	fn, ok := e.(*ast.FunctionExpr)
	if l == nil || !ok || !l.callbacks[name] || r.assigned[name] {
		return false
	}
	r.declare(name, localBarred)
	stays := r.callback(fn)
	if others, known := l.bodies[name]; known {
		stays = stays && others
	}
	l.bodies[name] = stays
	return true
}

// isRegistration recognizes redis.register_function.
func (r *keyReader) isRegistration(e ast.Expr) bool {
	member, ok := e.(*ast.AttrGetExpr)
	if !ok || r.library == nil || !r.isGlobal(member.Object, "redis") {
		return false
	}
	name, ok := member.Key.(*ast.StringExpr)
	return ok && name.Value == "register_function"
}

// registration reads the arguments of redis.register_function.
func (r *keyReader) registration(args []ast.Expr) {
	var names, callbacks []ast.Expr
	switch table, named := args[0].(*ast.TableExpr); {
	case len(args) == 2:
		names, callbacks = args[:1], args[1:]
	case len(args) == 1 && named:
		for _, f := range table.Fields {
			key, ok := f.Key.(*ast.StringExpr)
			switch {
			case ok && strings.EqualFold(key.Value, "function_name"):
				names = append(names, f.Value)
			case ok && strings.EqualFold(key.Value, "callback"):
				callbacks = append(callbacks, f.Value)
			default:
				if f.Key != nil {
					r.expression(f.Key)
				}
				r.expression(f.Value)
			}
		}
	}
	if len(names) != 1 || len(callbacks) != 1 {
		r.expressions(args)
		return
	}
	stays := false
	switch fn := callbacks[0].(type) {
	case *ast.FunctionExpr:
		stays = r.callback(fn)
	case *ast.IdentExpr:
		if kind, _ := r.local(fn.Value); kind == localBarred {
			stays = r.library.bodies[fn.Value]
			break
		}
		r.library.callbacks[fn.Value] = true
		r.expression(fn)
	default:
		r.expression(fn)
	}
	name, constant := names[0].(*ast.StringExpr)
	if !constant {
		r.expression(names[0])
		return
	}
	others, known := r.library.functions[name.Value]
	r.library.functions[name.Value] = stays && (others || !known)
}

// declareStays notes what is known of functions.
func declareStays(functions []*Function, chunk []ast.Stmt, stays func(Call) bool) {
	if stays == nil {
		return
	}
	declared := declaredFunctions(chunk, stays)
	for _, f := range functions {
		f.Declared = declared[f.Name]
	}
}
