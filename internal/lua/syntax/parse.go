// Package syntax reads Lua 5.1 source, with the messages of the reference
// implementation, and gives the syntax tree that gopher-lua compiles.
//
// It replaces gopher-lua's own parser, whose language is a little different
// (goto is a keyword there) and whose messages are its own, and it is where
// operations that gopher-lua does otherwise than Lua 5.1, or without limits, are
// turned into calls of our functions: see Intrinsics.
package syntax

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

const (
	maxDepth  = 200    // nested syntax levels, as in Lua 5.1
	maxLocals = 200    // of a function, as in Lua 5.1
	maxChain  = 20_000 // operators of one left-associative chain: the compiler recurses on it
)

// Intrinsics are the names of the functions that the tree calls. No source can
// spell them. The function that Parse returns takes them as its arguments, in
// this order, and gives the chunk.
var Intrinsics = []string{"(concat)", "(len)", "(forinit)", "(forlimit)", "(forstep)"}

const (
	intrinsicConcat = iota
	intrinsicLen
	intrinsicForInit
	intrinsicForLimit
	intrinsicForStep
)

// Parse reads a chunk. name is what messages call it.
func Parse(src, name string) (chunk []ast.Stmt, err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			chunk, err = nil, e
		default:
			panic(e)
		}
	}()
	p := &parser{lx: lexer{chunk: name, src: src, line: 1}}
	p.advance()
	fn := &function{vararg: true, main: true}
	p.fn = fn
	body := p.block()
	if p.tok.kind != tokEOF {
		p.expected(tokEOF)
	}
	return wrap(body, p.lx.line), nil
}

// wrap makes the chunk the value of a function of the intrinsics.
func wrap(body []ast.Stmt, lastLine int) []ast.Stmt {
	take := &ast.LocalAssignStmt{Names: Intrinsics, Exprs: []ast.Expr{at(&ast.Comma3Expr{}, 0)}}
	main := at(&ast.FunctionExpr{ParList: &ast.ParList{HasVargs: true}, Stmts: body}, 0)
	main.SetLastLine(lastLine)
	give := &ast.ReturnStmt{Exprs: []ast.Expr{main}}
	return []ast.Stmt{take, give}
}

// Chunk is the body of what Parse returned, as it was read.
func Chunk(tree []ast.Stmt) []ast.Stmt {
	return tree[1].(*ast.ReturnStmt).Exprs[0].(*ast.FunctionExpr).Stmts
}

// function is what is known of a function while it is read.
type function struct {
	parent *function
	line   int // where it begins
	main   bool
	vararg bool
	locals int
	loops  int
}

type parser struct {
	lx    lexer
	tok   lexeme
	ahead *lexeme // the one after tok, when it was looked at
	last  int     // line of the lexeme before tok
	fn    *function
	depth int
}

func (p *parser) advance() {
	p.last = p.tok.line
	if p.ahead != nil {
		p.tok, p.ahead = *p.ahead, nil
		return
	}
	p.tok = p.lx.next()
}

func (p *parser) lookAhead() token {
	if p.ahead == nil {
		l := p.lx.next()
		p.ahead = &l
	}
	return p.ahead.kind
}

func (p *parser) accept(kind token) bool {
	if p.tok.kind != kind {
		return false
	}
	p.advance()
	return true
}

func (p *parser) failNear(format string, args ...any) {
	p.lx.fail(p.lx.line, "%s near '%s'", fmt.Sprintf(format, args...), p.tok.source)
}

func (p *parser) expected(kind token) { p.failNear("'%s' expected", kind) }

func (p *parser) expect(kind token) {
	if !p.accept(kind) {
		p.expected(kind)
	}
}

// closes expects what closes a construct that was opened on line.
func (p *parser) closes(what, opened token, line int) {
	if p.accept(what) {
		return
	}
	if line == p.lx.line {
		p.expected(what)
	}
	p.failNear("'%s' expected (to close '%s' at line %d)", what, opened, line)
}

func (p *parser) name() string {
	if p.tok.kind != tokName {
		p.expected(tokName)
	}
	s := p.tok.text
	p.advance()
	return s
}

// enter counts a level of nesting; the caller leaves it again.
func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.lx.fail(p.lx.line, "chunk has too many syntax levels")
	}
}

func (p *parser) leave() { p.depth-- }

// declare counts n local variables of the function.
func (p *parser) declare(n int) {
	if p.fn.locals += n; p.fn.locals > maxLocals {
		what := "main function"
		if !p.fn.main {
			what = fmt.Sprintf("function at line %d", p.fn.line)
		}
		p.lx.fail(p.lx.line, "%s has more than %d local variables", what, maxLocals)
	}
}

// at gives a node its place.
func at[N ast.PositionHolder](n N, line int) N {
	n.SetLine(line)
	n.SetLastLine(line)
	return n
}

func (p *parser) blockEnds() bool {
	switch p.tok.kind {
	case tokEOF, "end", "else", "elseif", "until":
		return true
	}
	return false
}

// block reads statements up to what ends them. Its locals end with it.
func (p *parser) block() []ast.Stmt {
	locals := p.fn.locals
	defer func() { p.fn.locals = locals }()
	return p.statements()
}

func (p *parser) statements() (stmts []ast.Stmt) {
	p.enter()
	defer p.leave()
	for !p.blockEnds() {
		s, last := p.statement()
		stmts = append(stmts, s)
		p.accept(";")
		if last {
			break
		}
	}
	return stmts
}

func (p *parser) statement() (s ast.Stmt, last bool) {
	line := p.tok.line
	switch p.tok.kind {
	case "if":
		return p.ifStatement(line), false
	case "while":
		return p.whileStatement(line), false
	case "do":
		p.advance()
		body := p.block()
		p.closes("end", "do", line)
		return at(&ast.DoBlockStmt{Stmts: body}, line), false
	case "for":
		return p.forStatement(line), false
	case "repeat":
		return p.repeatStatement(line), false
	case "function":
		return p.functionStatement(line), false
	case "local":
		p.advance()
		if p.accept("function") {
			return p.localFunction(line), false
		}
		return p.localStatement(line), false
	case "return":
		return p.returnStatement(line), true
	case "break":
		p.advance()
		if p.fn.loops == 0 {
			p.failNear("no loop to break")
		}
		return at(&ast.BreakStmt{}, line), true
	}
	return p.expressionStatement(line), false
}

func (p *parser) ifStatement(line int) ast.Stmt {
	first := at(&ast.IfStmt{}, line)
	current := first
	for chain := 0; ; chain++ {
		if chain == maxChain {
			p.lx.fail(p.lx.line, "chunk has too many syntax levels")
		}
		p.advance() // if or elseif
		current.Condition = p.expression()
		p.expect("then")
		current.Then = p.block()
		if p.tok.kind != "elseif" {
			break
		}
		next := at(&ast.IfStmt{}, p.tok.line)
		current.Else = []ast.Stmt{next}
		current = next
	}
	if p.accept("else") {
		current.Else = p.block()
	}
	p.closes("end", "if", line)
	return first
}

func (p *parser) loopBody() []ast.Stmt {
	p.fn.loops++
	defer func() { p.fn.loops-- }()
	return p.block()
}

func (p *parser) whileStatement(line int) ast.Stmt {
	p.advance()
	s := at(&ast.WhileStmt{Condition: p.expression()}, line)
	p.expect("do")
	s.Stmts = p.loopBody()
	p.closes("end", "while", line)
	return s
}

func (p *parser) repeatStatement(line int) ast.Stmt {
	p.advance()
	s := at(&ast.RepeatStmt{}, line)
	locals := p.fn.locals // the condition sees those of the body
	p.fn.loops++
	s.Stmts = p.statements()
	p.fn.loops--
	p.closes("until", "repeat", line)
	s.Condition = p.expression()
	p.fn.locals = locals
	return s
}

func (p *parser) forStatement(line int) ast.Stmt {
	p.advance()
	locals := p.fn.locals
	defer func() { p.fn.locals = locals }()
	name := p.name()
	switch p.tok.kind {
	case "=":
		return p.numericFor(name, line)
	case ",", "in":
		return p.genericFor(name, line)
	}
	p.failNear("'=' or 'in' expected")
	return nil
}

func (p *parser) numericFor(name string, line int) ast.Stmt {
	p.advance()
	s := at(&ast.NumberForStmt{Name: name}, line)
	s.Init = forBound(intrinsicForInit, p.expression())
	p.expect(",")
	s.Limit = forBound(intrinsicForLimit, p.expression())
	if p.accept(",") {
		s.Step = forBound(intrinsicForStep, p.expression())
	}
	p.declare(4) // the variable, and three that have no name
	p.expect("do")
	s.Stmts = p.loopBody()
	p.closes("end", "for", line)
	return s
}

func (p *parser) genericFor(name string, line int) ast.Stmt {
	s := at(&ast.GenericForStmt{Names: []string{name}}, line)
	for p.accept(",") {
		s.Names = append(s.Names, p.name())
	}
	p.expect("in")
	s.Exprs = p.expressions()
	p.declare(3 + len(s.Names))
	p.expect("do")
	s.Stmts = p.loopBody()
	p.closes("end", "for", line)
	return s
}

func (p *parser) functionStatement(line int) ast.Stmt {
	p.advance()
	name := &ast.FuncName{}
	var target ast.Expr = p.identifier()
	for p.tok.kind == "." {
		p.advance()
		target = field(target, p.name(), line)
	}
	self := p.accept(":")
	if self {
		name.Receiver, name.Method = target, p.name()
	} else {
		name.Func = target
	}
	body := p.functionBody(line, self)
	return at(&ast.FuncDefStmt{Name: name, Func: body}, line)
}

func (p *parser) localFunction(line int) ast.Stmt {
	name := p.name()
	p.declare(1)
	// Declared first: the body sees it.
	body := p.functionBody(line, false)
	return at(&ast.LocalAssignStmt{Names: []string{name}, Exprs: []ast.Expr{body}}, line)
}

func (p *parser) localStatement(line int) ast.Stmt {
	s := at(&ast.LocalAssignStmt{Names: []string{p.name()}}, line)
	for p.accept(",") {
		s.Names = append(s.Names, p.name())
	}
	if p.accept("=") {
		s.Exprs = p.expressions()
		// gopher-lua takes "local f = function" for "local function f": in
		// parentheses, the function does not see the new variable.
		if fn, ok := s.Exprs[0].(*ast.FunctionExpr); ok && len(s.Names) == 1 && len(s.Exprs) == 1 {
			s.Exprs = []ast.Expr{fn, at(&ast.NilExpr{}, line)}
		}
	}
	p.declare(len(s.Names))
	return s
}

func (p *parser) returnStatement(line int) ast.Stmt {
	p.advance()
	s := at(&ast.ReturnStmt{}, line)
	if !p.blockEnds() && p.tok.kind != ";" {
		s.Exprs = p.expressions()
	}
	return s
}

func (p *parser) expressionStatement(line int) ast.Stmt {
	e, assignable := p.variable()
	if call, ok := e.(*ast.FuncCallExpr); ok && !call.AdjustRet {
		return at(&ast.FuncCallStmt{Expr: call}, line)
	}
	var targets []ast.Expr
	for {
		if !assignable {
			p.failNear("syntax error")
		}
		if targets = append(targets, e); len(targets) > maxDepth {
			p.lx.fail(p.lx.line, "too many variables in assignment")
		}
		if !p.accept(",") {
			break
		}
		e, assignable = p.variable()
	}
	p.expect("=")
	return at(&ast.AssignStmt{Lhs: targets, Rhs: p.expressions()}, line)
}
