package tidy

import (
	"go/ast"
	"go/token"
	"slices"
)

// strayTestSleeps finds time.Sleep in tests where time is real: outside the functions that run in a synctest bubble.
func strayTestSleeps(t *Tree) []Offence {
	byDir := map[string][]*File{}
	for _, f := range t.goFiles() {
		if f.forTests() {
			byDir[f.Dir()] = append(byDir[f.Dir()], f)
		}
	}
	var found []Offence
	for _, files := range byDir {
		inside := bubbles(files)
		for _, f := range files {
			for _, u := range f.uses() {
				covers := func(b span) bool { return b.from <= u.Pos && u.Pos < b.to }
				if u.Pkg == "time" && u.Name == "Sleep" && !slices.ContainsFunc(inside, covers) {
					found = append(found, Offence{f.Path, f.Line(u.Pos), "time.Sleep in real time; use a synctest bubble"})
				}
			}
		}
	}
	return found
}

// A span is a stretch of a tree's files.
type span struct{ from, to token.Pos }

// bubbles lists what runs in a bubble: the functions given to synctest.Test, those given to a function of the package
// that itself calls synctest.Test, or such a function, and those that nothing mentions but such tests and one another.
func bubbles(files []*File) []span {
	openers := bubbleOpeners(files)
	opens := map[*ast.FuncDecl]bool{}
	var found []span
	eachFunc(files, func(f *File, fn *ast.FuncDecl) {
		for _, call := range opened(f, fn, openers) {
			opens[fn] = true
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.FuncLit); ok {
					found = append(found, span{lit.Pos(), lit.End()})
				}
			}
		}
	})
	inside := map[*ast.FuncDecl]bool{}
	mentioned := mentions(files)
	for grown := true; grown; {
		grown = false
		eachFunc(files, func(_ *File, fn *ast.FuncDecl) {
			outside := func(by *ast.FuncDecl) bool { return by == nil || !opens[by] && !inside[by] }
			by := mentioned[nameOf(fn)]
			if !inside[fn] && len(by) > 0 && !slices.ContainsFunc(by, outside) {
				inside[fn], grown = true, true
				found = append(found, span{fn.Pos(), fn.End()})
			}
		})
	}
	return found
}

// bubbleOpeners names the functions that take a function and run it in a bubble.
func bubbleOpeners(files []*File) map[string]bool {
	openers := map[string]bool{}
	for grown := true; grown; {
		grown = false
		eachFunc(files, func(f *File, fn *ast.FuncDecl) {
			if !openers[fn.Name.Name] && takesFunc(fn) && len(opened(f, fn, openers)) > 0 {
				openers[fn.Name.Name], grown = true, true
			}
		})
	}
	return openers
}

// mentions tells for each function and method which functions write its name; nil stands for what is written outside of
// all functions. A mention of itself does not count.
func mentions(files []*File) map[string][]*ast.FuncDecl {
	by := map[string][]*ast.FuncDecl{}
	for _, f := range files {
		for _, decl := range f.Go.Decls {
			fn, _ := decl.(*ast.FuncDecl)
			own := ""
			if fn != nil {
				own = nameOf(fn)
			}
			add := func(name string) {
				if name != own {
					by[name] = append(by[name], fn)
				}
			}
			var visit func(ast.Node) bool
			visit = func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					add("." + n.Sel.Name)
					ast.Inspect(n.X, visit)
					return false
				case *ast.Ident:
					add(n.Name)
				}
				return true
			}
			ast.Inspect(decl, visit)
		}
	}
	return by
}

// nameOf is how a function is mentioned; that of a method begins with a dot.
func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv != nil {
		return "." + fn.Name.Name
	}
	return fn.Name.Name
}

func eachFunc(files []*File, do func(*File, *ast.FuncDecl)) {
	for _, f := range files {
		for _, decl := range f.Go.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				do(f, fn)
			}
		}
	}
}

// takesFunc tells whether one of the parameters is a function.
func takesFunc(fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(field *ast.Field) bool {
		_, is := field.Type.(*ast.FuncType)
		return is
	})
}

// opened lists the calls in a function that open a bubble.
func opened(f *File, fn *ast.FuncDecl, openers map[string]bool) []*ast.CallExpr {
	var found []*ast.CallExpr
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fun := call.Fun.(type) {
		case *ast.Ident:
			ok = openers[fun.Name]
		case *ast.SelectorExpr:
			x, named := fun.X.(*ast.Ident)
			ok = named && f.imports[x.Name] == "testing/synctest" && fun.Sel.Name == "Test"
		default:
			ok = false
		}
		if ok {
			found = append(found, call)
		}
		return true
	})
	return found
}
