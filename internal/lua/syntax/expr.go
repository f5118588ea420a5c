package syntax

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// priority of the binary operators: how tightly each binds to its left and
// right.
var priority = map[token]struct{ left, right int }{
	"or": {1, 1}, "and": {2, 2},
	"<": {3, 3}, ">": {3, 3}, "<=": {3, 3}, ">=": {3, 3}, "~=": {3, 3}, "==": {3, 3},
	"..": {5, 4}, // right associative
	"+":  {6, 6}, "-": {6, 6},
	"*": {7, 7}, "/": {7, 7}, "%": {7, 7},
	"^": {10, 9}, // right associative
}

const unaryPriority = 8

func (p *parser) expressions() []ast.Expr {
	list := []ast.Expr{p.expression()}
	for p.accept(",") {
		list = append(list, p.expression())
	}
	return list
}

func (p *parser) expression() ast.Expr { return p.operation(0) }

// operation reads an expression of operators that bind tighter than limit.
func (p *parser) operation(limit int) ast.Expr {
	p.enter()
	defer p.leave()
	left := p.operand()
	for chain := 0; ; chain++ {
		op := p.tok
		prio, ok := priority[op.kind]
		if !ok || prio.left <= limit {
			return left
		}
		if chain == maxChain {
			p.lx.fail(p.lx.line, "chunk has too many syntax levels")
		}
		p.advance()
		left = binary(op.kind, left, p.operation(prio.right), op.line)
	}
}

func (p *parser) operand() ast.Expr {
	line := p.tok.line
	switch p.tok.kind {
	case "not":
		p.advance()
		return at(&ast.UnaryNotOpExpr{Expr: p.operation(unaryPriority)}, line)
	case "-":
		p.advance()
		e := p.operation(unaryPriority)
		if n, ok := e.(*ast.NumberExpr); ok {
			if v, ok := ParseNumber(n.Value); ok {
				return number(-v, line)
			}
		}
		return at(&ast.UnaryMinusOpExpr{Expr: e}, line)
	case "#":
		p.advance()
		return intrinsic(intrinsicLen, line, p.operation(unaryPriority))
	}
	return p.simple()
}

func binary(op token, left, right ast.Expr, line int) ast.Expr {
	switch op {
	case "and", "or":
		return at(&ast.LogicalOpExpr{Operator: string(op), Lhs: left, Rhs: right}, line)
	case "<", ">", "<=", ">=", "==", "~=":
		return at(&ast.RelationalOpExpr{Operator: string(op), Lhs: left, Rhs: right}, line)
	case "..":
		return concat(left, right, line)
	}
	return at(&ast.ArithmeticOpExpr{Operator: string(op), Lhs: left, Rhs: right}, line)
}

// concat makes a .. b .. c one call, since that makes one string.
func concat(left, right ast.Expr, line int) ast.Expr {
	if call, ok := right.(*ast.FuncCallExpr); ok && isIntrinsic(call, intrinsicConcat) && len(call.Args) < maxDepth/4 {
		return intrinsic(intrinsicConcat, line, append([]ast.Expr{left}, call.Args...)...)
	}
	return intrinsic(intrinsicConcat, line, left, right)
}

func isIntrinsic(call *ast.FuncCallExpr, which int) bool {
	id, ok := call.Func.(*ast.IdentExpr)
	return ok && id.Value == Intrinsics[which]
}

// IsLength says whether a call stands for the operator #.
func IsLength(call *ast.FuncCallExpr) bool { return isIntrinsic(call, intrinsicLen) }

// intrinsic calls one of our functions for its single result.
func intrinsic(which, line int, args ...ast.Expr) ast.Expr {
	args[len(args)-1] = single(args[len(args)-1])
	fn := at(&ast.IdentExpr{Value: Intrinsics[which]}, line)
	return at(&ast.FuncCallExpr{Func: fn, Args: args, AdjustRet: true}, line)
}

// single cuts what may have several values to one.
func single(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return e
}

// forBound lets the bound of a numeric for be a string, as Lua 5.1 does.
func forBound(which int, e ast.Expr) ast.Expr {
	if _, ok := e.(*ast.NumberExpr); ok {
		return e
	}
	return intrinsic(which, e.Line(), e)
}

func number(v float64, line int) ast.Expr {
	return at(&ast.NumberExpr{Value: strconv.FormatFloat(v, 'g', -1, 64)}, line)
}

func field(object ast.Expr, name string, line int) ast.Expr {
	return at(&ast.AttrGetExpr{Object: object, Key: at(&ast.StringExpr{Value: name}, line)}, line)
}

func (p *parser) identifier() *ast.IdentExpr {
	line := p.tok.line
	return at(&ast.IdentExpr{Value: p.name()}, line)
}

func (p *parser) simple() ast.Expr {
	l := p.tok
	switch l.kind {
	case tokNumber:
		p.advance()
		return number(l.number, l.line)
	case tokString:
		p.advance()
		return at(&ast.StringExpr{Value: l.text}, l.line)
	case "nil":
		p.advance()
		return at(&ast.NilExpr{}, l.line)
	case "true":
		p.advance()
		return at(&ast.TrueExpr{}, l.line)
	case "false":
		p.advance()
		return at(&ast.FalseExpr{}, l.line)
	case "...":
		if !p.fn.vararg {
			p.failNear("cannot use '...' outside a vararg function")
		}
		p.advance()
		return at(&ast.Comma3Expr{}, l.line)
	case "{":
		return p.table()
	case "function":
		p.advance()
		return p.functionBody(l.line, false)
	}
	return p.suffixed()
}

// suffixed reads a variable, a field, a call: a primary expression and what
// follows it.
func (p *parser) suffixed() ast.Expr {
	e, _ := p.variable()
	return e
}

// variable is suffixed, and says whether it may be assigned to, which what is in
// parentheses may not.
func (p *parser) variable() (e ast.Expr, assignable bool) {
	line := p.tok.line
	switch p.tok.kind {
	case tokName:
		e, assignable = p.identifier(), true
	case "(":
		p.advance()
		e = single(p.expression())
		p.closes(")", "(", line)
	default:
		p.failNear("unexpected symbol")
	}
	for chain := 0; ; chain++ {
		if chain == maxChain {
			p.lx.fail(p.lx.line, "chunk has too many syntax levels")
		}
		switch p.tok.kind {
		case ".":
			p.advance()
			line := p.tok.line
			e, assignable = field(e, p.name(), line), true
		case "[":
			p.advance()
			key := p.expression()
			p.expect("]")
			e, assignable = at(&ast.AttrGetExpr{Object: e, Key: key}, p.last), true
		case ":":
			p.advance()
			method := p.name()
			e, assignable = p.call(&ast.FuncCallExpr{Receiver: e, Method: method}), false
		case "(", "{", tokString:
			e, assignable = p.call(&ast.FuncCallExpr{Func: e}), false
		default:
			return e, assignable
		}
	}
}

func (p *parser) call(call *ast.FuncCallExpr) ast.Expr {
	line := p.tok.line
	switch p.tok.kind {
	case tokString:
		call.Args = []ast.Expr{at(&ast.StringExpr{Value: p.tok.text}, p.tok.line)}
		p.advance()
	case "{":
		call.Args = []ast.Expr{p.table()}
	case "(":
		if line != p.last {
			p.failNear("ambiguous syntax (function call x new statement)")
		}
		p.advance()
		if p.tok.kind != ")" {
			call.Args = p.expressions()
		}
		p.closes(")", "(", line)
	default:
		p.failNear("function arguments expected")
	}
	return at(call, line)
}

func (p *parser) table() ast.Expr {
	line := p.tok.line
	t := at(&ast.TableExpr{}, line)
	p.expect("{")
	for p.tok.kind != "}" {
		f := &ast.Field{}
		switch {
		case p.tok.kind == tokName && p.lookAhead() == "=":
			f.Key = at(&ast.StringExpr{Value: p.name()}, p.tok.line)
			p.advance()
		case p.tok.kind == "[":
			p.advance()
			f.Key = p.expression()
			p.expect("]")
			p.expect("=")
		}
		f.Value = p.expression()
		t.Fields = append(t.Fields, f)
		if !p.accept(",") && !p.accept(";") {
			break
		}
	}
	p.closes("}", "{", line)
	return t
}

// functionBody reads parameters and statements; "function" and the name have
// been read.
func (p *parser) functionBody(line int, self bool) *ast.FunctionExpr {
	outer := p.fn
	p.fn = &function{parent: outer, line: line}
	defer func() { p.fn = outer }()
	fn := at(&ast.FunctionExpr{ParList: &ast.ParList{}}, line)
	if self {
		p.declare(1) // the compiler adds it to the parameters of a method
	}
	p.expect("(")
	if p.tok.kind != ")" {
		p.parameters(fn.ParList)
	}
	p.declare(len(fn.ParList.Names))
	p.expect(")")
	fn.Stmts = p.block()
	fn.SetLastLine(p.tok.line)
	p.closes("end", "function", line)
	return fn
}

func (p *parser) parameters(list *ast.ParList) {
	for {
		switch p.tok.kind {
		case tokName:
			list.Names = append(list.Names, p.name())
		case "...":
			p.advance()
			list.HasVargs, p.fn.vararg = true, true
			return
		default:
			p.failNear("<name> or '...' expected")
		}
		if !p.accept(",") {
			return
		}
	}
}
