package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
)

// strayGoroutines finds go statements in rooms that may not spawn. Tests may.
func strayGoroutines(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		if f.Test || f.may(Spawn) {
			continue
		}
		ast.Inspect(f.Go, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				found = append(found, Offence{f.Path, f.Line(g.Pos()), "starts a goroutine; this room may not"})
			}
			return true
		})
	}
	return found
}

// strayClocks finds clocks and chance in rooms that must be given theirs. Tests may read both, but see strayTestSleeps.
func strayClocks(t *Tree) []Offence {
	return strayCalls(t, Clock, clockCalls, "a clock or chance of its own")
}

// strayDials finds connections that would not pass the egress guard. Tests may dial.
func strayDials(t *Tree) []Offence {
	return strayCalls(t, Dial, dialCalls, "a connection past the egress guard")
}

func strayCalls(t *Tree, needs May, calls map[string][]string, what string) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		if f.Test || f.may(needs) {
			continue
		}
		for _, u := range f.uses() {
			names, watched := calls[u.Pkg]
			if watched && (len(names) == 0 || slices.Contains(names, u.Name)) {
				says := fmt.Sprintf("%s.%s is %s", u.Pkg, u.Name, what)
				found = append(found, Offence{f.Path, f.Line(u.Pos), says})
			}
		}
	}
	return found
}

// strayLocks counts the mutexes of the rooms that have a number of them. A room that is empty yet has none.
func strayLocks(t *Tree) []Offence {
	var found []Offence
	held := map[string][]Offence{}
	for _, f := range t.goFiles() {
		_, counted := locks[f.Dir()]
		if f.Test || !counted {
			continue
		}
		for _, u := range f.uses() {
			if u.Pkg == "sync" && (u.Name == "Mutex" || u.Name == "RWMutex") {
				held[f.Dir()] = append(held[f.Dir()], Offence{f.Path, f.Line(u.Pos), "sync." + u.Name})
			}
		}
	}
	for dir, want := range locks {
		if n := len(held[dir]); n > want || n < want && t.Dirs[dir] {
			says := fmt.Sprintf("holds %d mutexes, the table says %d %v", n, want, held[dir])
			found = append(found, Offence{dir, 0, says})
		}
	}
	return found
}

// bannedMiddleware finds the chi middlewares of bannedRouting, tests included.
func bannedMiddleware(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		for _, u := range f.uses() {
			if path.Base(u.Pkg) == "middleware" && slices.Contains(bannedRouting, u.Name) {
				says := "middleware." + u.Name + " trusts what the caller wrote"
				found = append(found, Offence{f.Path, f.Line(u.Pos), says})
			}
		}
	}
	return found
}

// strayTestSleeps finds time.Sleep in tests outside the function given to synctest.Test, where time is real.
func strayTestSleeps(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		if !f.Test {
			continue
		}
		bubbles := f.bubbles()
		for _, u := range f.uses() {
			inside := func(b span) bool { return b.from <= u.Pos && u.Pos < b.to }
			if u.Pkg == "time" && u.Name == "Sleep" && !slices.ContainsFunc(bubbles, inside) {
				found = append(found, Offence{f.Path, f.Line(u.Pos), "time.Sleep in real time; use a synctest bubble"})
			}
		}
	}
	return found
}

// A span is a stretch of a file.
type span struct{ from, to token.Pos }

// bubbles lists the function literals given to synctest.Test, and the functions that take the name of one as
// the call's argument.
func (f *File) bubbles() []span {
	var found []span
	named := map[string]bool{}
	ast.Inspect(f.Go, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !f.isSynctest(call.Fun) {
			return true
		}
		for _, arg := range call.Args {
			switch arg := arg.(type) {
			case *ast.FuncLit:
				found = append(found, span{arg.Pos(), arg.End()})
			case *ast.Ident:
				named[arg.Name] = true
			}
		}
		return true
	})
	for _, decl := range f.Go.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && named[fn.Name.Name] {
			found = append(found, span{fn.Pos(), fn.End()})
		}
	}
	return found
}

func (f *File) isSynctest(fun ast.Expr) bool {
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && f.imports[x.Name] == "testing/synctest" && sel.Sel.Name == "Test"
}
