package lua

import (
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// gopher-lua notes for each local variable from where in the code it is there, but is wrong
// about up to where, once a block has ended; error messages and the debugger name variables
// by that. So what is compiled has, in the place of line numbers, numbers of places: each
// expression and statement has its own, which says what line and what block it is on. The
// compiler puts them beside the code that it makes, and restore replaces them by the lines.
type scopes struct {
	places    []sourcePlace // by number; 0: none
	blocks    []int         // the block around each block
	functions map[int][]declaration
	function  int // whose declarations are collected: the place of its first line
	seen      map[ast.PositionHolder]struct{}
}

type sourcePlace struct{ line, block int }

// declaration is a local variable, in the order in which the compiler comes to them.
type declaration struct {
	name  string
	block int
}

// numberPlaces gives all of a chunk places for lines.
func numberPlaces(chunk []ast.Stmt) *scopes {
	s := &scopes{
		places: make([]sourcePlace, 1), blocks: make([]int, 1),
		functions: make(map[int][]declaration), seen: make(map[ast.PositionHolder]struct{}),
	}
	s.statements(chunk, 0)
	return s
}

func (s *scopes) within(block int) int {
	s.blocks = append(s.blocks, block)
	return len(s.blocks) - 1
}

func (s *scopes) place(line, block int) int {
	s.places = append(s.places, sourcePlace{line, block})
	return len(s.places) - 1
}

// visit gives a node its places. False: it has them.
func (s *scopes) visit(n ast.PositionHolder, block int) bool {
	if _, done := s.seen[n]; done {
		return false
	}
	s.seen[n] = struct{}{}
	n.SetLine(s.place(n.Line(), block))
	if last := n.LastLine(); last != 0 {
		n.SetLastLine(s.place(last, block))
	}
	return true
}

func (s *scopes) declare(block int, names ...string) {
	for _, name := range names {
		s.functions[s.function] = append(s.functions[s.function], declaration{name, block})
	}
}

func (s *scopes) statements(list []ast.Stmt, block int) {
	for _, st := range list {
		s.statement(st, block)
	}
}

func (s *scopes) statement(st ast.Stmt, block int) {
	if !s.visit(st, block) {
		return
	}
	switch st := st.(type) {
	case *ast.AssignStmt:
		s.expressions(st.Lhs, block)
		s.expressions(st.Rhs, block)
	case *ast.LocalAssignStmt:
		if len(st.Names) == 1 && len(st.Exprs) == 1 {
			if _, function := st.Exprs[0].(*ast.FunctionExpr); function {
				s.declare(block, st.Names...)
				s.expressions(st.Exprs, block)
				return
			}
		}
		s.expressions(st.Exprs, block)
		s.declare(block, st.Names...)
	case *ast.FuncCallStmt:
		s.expression(st.Expr, block)
	case *ast.DoBlockStmt:
		s.statements(st.Stmts, s.within(block))
	case *ast.WhileStmt:
		s.expression(st.Condition, block)
		s.statements(st.Stmts, s.within(block))
	case *ast.RepeatStmt:
		inner := s.within(block)
		s.statements(st.Stmts, inner)
		s.expression(st.Condition, inner)
	case *ast.IfStmt:
		s.expression(st.Condition, block)
		s.statements(st.Then, s.within(block))
		s.statements(st.Else, s.within(block))
	case *ast.NumberForStmt:
		inner := s.within(block)
		s.declare(inner, "(for index)", "(for limit)", "(for step)")
		s.expressions([]ast.Expr{st.Init, st.Limit, st.Step}, inner)
		s.declare(inner, st.Name)
		s.statements(st.Stmts, inner)
	case *ast.GenericForStmt:
		inner := s.within(block)
		s.declare(inner, "(for generator)", "(for state)", "(for control)")
		s.expressions(st.Exprs, inner)
		s.declare(inner, st.Names...)
		s.statements(st.Stmts, inner)
	case *ast.FuncDefStmt:
		if st.Name.Func != nil {
			s.expression(st.Name.Func, block)
		}
		if st.Name.Receiver != nil {
			s.expression(st.Name.Receiver, block)
		}
		s.functionBody(st.Func, block, st.Name.Func == nil)
	case *ast.ReturnStmt:
		s.expressions(st.Exprs, block)
	}
}

func (s *scopes) expressions(list []ast.Expr, block int) {
	for _, e := range list {
		s.expression(e, block)
	}
}

func (s *scopes) expression(e ast.Expr, block int) {
	if f, function := e.(*ast.FunctionExpr); function {
		s.functionBody(f, block, false)
		return
	}
	if e == nil || !s.visit(e, block) {
		return
	}
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		s.expressions([]ast.Expr{e.Object, e.Key}, block)
	case *ast.TableExpr:
		for _, field := range e.Fields {
			s.expressions([]ast.Expr{field.Key, field.Value}, block)
		}
	case *ast.FuncCallExpr:
		s.expressions([]ast.Expr{e.Func, e.Receiver}, block)
		s.expressions(e.Args, block)
	case *ast.LogicalOpExpr:
		s.expressions([]ast.Expr{e.Lhs, e.Rhs}, block)
	case *ast.RelationalOpExpr:
		s.expressions([]ast.Expr{e.Lhs, e.Rhs}, block)
	case *ast.StringConcatOpExpr:
		s.expressions([]ast.Expr{e.Lhs, e.Rhs}, block)
	case *ast.ArithmeticOpExpr:
		s.expressions([]ast.Expr{e.Lhs, e.Rhs}, block)
	case *ast.UnaryMinusOpExpr:
		s.expression(e.Expr, block)
	case *ast.UnaryNotOpExpr:
		s.expression(e.Expr, block)
	case *ast.UnaryLenOpExpr:
		s.expression(e.Expr, block)
	}
}

// functionBody numbers a function. method: it has self.
func (s *scopes) functionBody(f *ast.FunctionExpr, block int, method bool) {
	inner := s.within(block)
	if !s.visit(f, inner) {
		return
	}
	outer := s.function
	s.function = f.Line()
	if method {
		s.declare(inner, "self")
	}
	s.declare(inner, f.ParList.Names...)
	if f.ParList.HasVargs {
		s.declare(inner, "arg")
	}
	s.statements(f.Stmts, inner)
	s.function = outer
}

// line is that of a place.
func (s *scopes) line(place int) int {
	if place < 0 || place >= len(s.places) {
		return 0
	}
	return s.places[place].line
}

// restore gives compiled functions their line numbers, and their local variables the
// ends of their blocks.
func (s *scopes) restore(proto *lua.FunctionProto) {
	for _, inner := range proto.FunctionPrototypes {
		s.restore(inner)
	}
	ends := make(map[int]int) // by block: behind its last instruction
	for pc, place := range proto.DbgSourcePositions {
		if place > 0 && place < len(s.places) {
			for block := s.places[place].block; ends[block] != pc+1; block = s.blocks[block] {
				ends[block] = pc + 1
				if block == 0 {
					break
				}
			}
		}
		proto.DbgSourcePositions[pc] = s.line(place)
	}
	declared := s.functions[proto.LineDefined]
	known := len(declared) == len(proto.DbgLocals)
	for i := 0; known && i < len(declared); i++ {
		known = declared[i].name == proto.DbgLocals[i].Name
	}
	for i, local := range proto.DbgLocals {
		if known {
			local.EndPc = ends[declared[i].block]
		}
	}
	proto.LineDefined, proto.LastLineDefined = s.line(proto.LineDefined), s.line(proto.LastLineDefined)
}
