package lua

import (
	"slices"

	"github.com/yuin/gopher-lua/ast"

	"respkv/internal/lua/syntax"
)

// Call is a call of redis.call or redis.pcall as the text of a script shows it.
type Call struct {
	Args []Argument
	More bool // others may follow, as many as the script happens to give
}

// Argument is one argument of a Call.
type Argument struct {
	Text  string // of a string constant
	Known bool   // Text is set
	Key   bool   // it is one of KEYS, or nil, which is refused
}

// declared says whether all that a chunk can call is what stays accepts. It does not
// run the chunk: it knows locals that are one of KEYS or redis.call and nothing else in all
// of their scope, and gives up where a script could get hold of KEYS, redis.call or
// the globals in any other way. So most scripts that it refuses would do no wrong.
func declared(chunk []ast.Stmt, stays func(Call) bool) bool {
	r := &keyReader{stays: stays, ok: true, assigned: make(map[string]bool)}
	r.scope(func() { r.block(chunk) })
	if !r.ok {
		return false
	}
	if len(r.assigned) > 0 { // they were known at the end only
		again := &keyReader{stays: stays, ok: true, assigned: r.assigned}
		again.scope(func() { again.block(chunk) })
		return again.ok
	}
	return true
}

// What a local is.
type localKind uint8

const (
	localOther  localKind = iota
	localKey              // one of KEYS
	localCall             // redis.call or redis.pcall
	localKeys             // all keys of a function of a library
	localBarred           // a function of a library, or the keys of one around: nothing may be done with it
)

// harmless are the globals that a script may use in any way: none of them leads to a
// command or to other globals.
var harmless = []string{
	"ARGV", "assert", "bit", "cjson", "cmsgpack", "error", "ipairs", "math", "next", "pairs", "pcall", "select",
	"string", "struct", "table", "tonumber", "tostring", "type", "unpack",
}

type keyReader struct {
	stays    func(Call) bool
	scopes   []map[string]localKind
	assigned map[string]bool // names that are assigned to, whatever they mean there
	library  *libraryReader  // nil: it is a script
	ok       bool
}

func (r *keyReader) scope(inside func()) {
	r.scopes = append(r.scopes, make(map[string]localKind))
	inside()
	r.scopes = r.scopes[:len(r.scopes)-1]
}

func (r *keyReader) declare(name string, kind localKind) {
	if r.assigned[name] {
		kind = localOther
	}
	r.scopes[len(r.scopes)-1][name] = kind
}

// local says what a name means; not found: it is a global.
func (r *keyReader) local(name string) (kind localKind, found bool) {
	for i, s := range slices.Backward(r.scopes) {
		if kind, found = s[name]; !found {
			continue
		}
		if r.library != nil && i < r.library.barrier {
			switch kind {
			case localKey:
				kind = localOther
			case localKeys:
				kind = localBarred
			}
		}
		return kind, true
	}
	return localOther, false
}

// isKeys recognizes KEYS, or what a function of a library has for it.
func (r *keyReader) isKeys(e ast.Expr) bool {
	id, ok := e.(*ast.IdentExpr)
	if !ok {
		return false
	}
	kind, found := r.local(id.Value)
	return kind == localKeys || !found && r.library == nil && id.Value == "KEYS"
}

func (r *keyReader) isGlobal(e ast.Expr, name string) bool {
	id, ok := e.(*ast.IdentExpr)
	if !ok || id.Value != name {
		return false
	}
	_, found := r.local(name)
	return !found
}

// kindOf recognizes one of KEYS and redis.call.
func (r *keyReader) kindOf(e ast.Expr) localKind {
	switch e := e.(type) {
	case *ast.IdentExpr:
		kind, _ := r.local(e.Value)
		return kind
	case *ast.AttrGetExpr:
		if r.isKeys(e.Object) {
			return localKey
		}
		if name, ok := e.Key.(*ast.StringExpr); ok && r.isGlobal(e.Object, "redis") && (name.Value == "call" || name.Value == "pcall") {
			return localCall
		}
	}
	return localOther
}

func (r *keyReader) block(stmts []ast.Stmt) {
	for _, s := range stmts {
		r.statement(s)
	}
}

func (r *keyReader) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.LocalAssignStmt:
		r.localAssign(s)
	case *ast.AssignStmt:
		r.expressions(s.Rhs)
		for _, target := range s.Lhs {
			switch t := target.(type) {
			case *ast.IdentExpr: // a global can't be assigned to
				r.assigned[t.Value] = true
			case *ast.AttrGetExpr:
				r.expression(t.Object)
				r.expression(t.Key)
			default:
				r.ok = false
			}
		}
	case *ast.FuncCallStmt:
		r.expression(s.Expr)
	case *ast.DoBlockStmt:
		r.scope(func() { r.block(s.Stmts) })
	case *ast.WhileStmt:
		r.expression(s.Condition)
		r.scope(func() { r.block(s.Stmts) })
	case *ast.RepeatStmt:
		r.scope(func() {
			r.block(s.Stmts)
			r.expression(s.Condition)
		})
	case *ast.IfStmt:
		r.expression(s.Condition)
		r.scope(func() { r.block(s.Then) })
		r.scope(func() { r.block(s.Else) })
	case *ast.NumberForStmt:
		r.expressions([]ast.Expr{s.Init, s.Limit})
		if s.Step != nil {
			r.expression(s.Step)
		}
		r.scope(func() {
			r.declare(s.Name, localOther)
			r.block(s.Stmts)
		})
	case *ast.GenericForStmt:
		r.genericFor(s)
	case *ast.ReturnStmt:
		r.expressions(s.Exprs)
	case *ast.BreakStmt:
	default: // global functions, which are refused, and what the language gets in future
		r.ok = false
	}
}

func (r *keyReader) localAssign(s *ast.LocalAssignStmt) {
	kinds := make([]localKind, len(s.Names))
	for i, e := range s.Exprs {
		if i < len(s.Names) && r.named(s.Names[i], e) {
			kinds[i] = localBarred
			continue
		}
		kind := r.kindOf(e)
		if kind == localOther || i >= len(s.Names) {
			r.expression(e)
			continue
		}
		r.inner(e)
		kinds[i] = kind
	}
	for i, name := range s.Names {
		r.declare(name, kinds[i])
	}
}

// genericFor knows "for i, key in ipairs(KEYS)".
func (r *keyReader) genericFor(s *ast.GenericForStmt) {
	overKeys := false
	if call, ok := s.Exprs[0].(*ast.FuncCallExpr); ok && len(s.Exprs) == 1 && call.Receiver == nil && len(call.Args) == 1 {
		overKeys = r.isGlobal(call.Func, "ipairs") && r.isKeys(call.Args[0])
	}
	if !overKeys {
		r.expressions(s.Exprs)
	}
	r.scope(func() {
		for i, name := range s.Names {
			kind := localOther
			if overKeys && i == 1 {
				kind = localKey
			}
			r.declare(name, kind)
		}
		r.block(s.Stmts)
	})
}

func (r *keyReader) expressions(list []ast.Expr) {
	for _, e := range list {
		r.expression(e)
	}
}

// inner looks into an expression that is one of KEYS, or redis.call.
func (r *keyReader) inner(e ast.Expr) {
	if e, ok := e.(*ast.AttrGetExpr); ok {
		r.expression(e.Key)
	}
}

func (r *keyReader) expression(e ast.Expr) {
	switch e := e.(type) {
	case *ast.TrueExpr, *ast.FalseExpr, *ast.NilExpr, *ast.NumberExpr, *ast.StringExpr, *ast.Comma3Expr:
	case *ast.IdentExpr:
		kind, found := r.local(e.Value)
		if kind >= localCall || !found && !slices.Contains(harmless, e.Value) && !slices.Contains(syntax.Intrinsics, e.Value) {
			r.ok = false
		}
	case *ast.AttrGetExpr:
		switch r.kindOf(e) {
		case localCall:
			r.ok = false // it may be called with anything
		case localKey:
			r.inner(e)
		default:
			if _, constant := e.Key.(*ast.StringExpr); constant && r.isGlobal(e.Object, "redis") {
				return
			}
			r.expression(e.Object)
			r.expression(e.Key)
		}
	case *ast.TableExpr:
		for _, f := range e.Fields {
			if f.Key != nil {
				r.expression(f.Key)
			}
			r.expression(f.Value)
		}
	case *ast.FuncCallExpr:
		r.call(e)
	case *ast.LogicalOpExpr:
		r.expressions([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.RelationalOpExpr:
		r.expressions([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.ArithmeticOpExpr:
		r.expressions([]ast.Expr{e.Lhs, e.Rhs})
	case *ast.UnaryMinusOpExpr:
		r.expression(e.Expr)
	case *ast.UnaryNotOpExpr:
		r.expression(e.Expr)
	case *ast.FunctionExpr:
		r.function(e, localOther)
	default:
		r.ok = false
	}
}

func (r *keyReader) call(e *ast.FuncCallExpr) {
	if e.Receiver != nil {
		r.expression(e.Receiver)
		r.expressions(e.Args)
		return
	}
	if r.kindOf(e.Func) == localCall {
		r.command(e.Args)
		return
	}
	if r.isRegistration(e.Func) && len(e.Args) > 0 {
		r.registration(e.Args)
		return
	}
	if syntax.IsLength(e) && r.isKeys(e.Args[0]) {
		return
	}
	r.expression(e.Func)
	r.expressions(e.Args)
}

// command looks at the arguments of redis.call.
func (r *keyReader) command(args []ast.Expr) {
	var c Call
	for i, arg := range args {
		var a Argument
		switch e := arg.(type) {
		case *ast.StringExpr:
			a.Text, a.Known = e.Value, true
		case *ast.FuncCallExpr:
			c.More = c.More || i == len(args)-1 && !e.AdjustRet
		case *ast.Comma3Expr:
			c.More = c.More || i == len(args)-1 && !e.AdjustRet
		}
		if r.kindOf(arg) == localKey {
			a.Key = true
			r.inner(arg)
		} else {
			r.expression(arg)
		}
		if i < len(args)-1 || !c.More {
			c.Args = append(c.Args, a)
		}
	}
	r.ok = r.ok && r.stays(c)
}
