package tidy

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
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
// that itself calls synctest.Test, or such a function, and those that take a type which only bubbles are handed.
func bubbles(files []*File) []span {
	openers := map[string]bool{}
	for grown := true; grown; {
		grown = false
		eachFunc(files, func(f *File, fn *ast.FuncDecl) {
			if !openers[fn.Name.Name] && takesFunc(fn) && len(opened(f, fn, openers)) > 0 {
				openers[fn.Name.Name] = true
				grown = true
			}
		})
	}
	var found []span
	named, handed := map[string]bool{}, map[string]bool{}
	eachFunc(files, func(f *File, fn *ast.FuncDecl) {
		for _, call := range opened(f, fn, openers) {
			for _, arg := range call.Args {
				switch arg := arg.(type) {
				case *ast.FuncLit:
					found = append(found, span{arg.Pos(), arg.End()})
					for _, kind := range parameterTypes(arg.Type.Params) {
						handed[kind] = !strings.Contains(kind, "testing.")
					}
				case *ast.Ident:
					named[arg.Name] = true
				}
			}
		}
	})
	eachFunc(files, func(_ *File, fn *ast.FuncDecl) {
		takes := append(parameterTypes(fn.Recv), parameterTypes(fn.Type.Params)...)
		if named[fn.Name.Name] || slices.ContainsFunc(takes, func(kind string) bool { return handed[kind] }) {
			found = append(found, span{fn.Pos(), fn.End()})
		}
	})
	return found
}

// parameterTypes writes out the types of a list of parameters; nil is the empty list.
func parameterTypes(list *ast.FieldList) []string {
	var kinds []string
	if list == nil {
		return nil
	}
	for _, field := range list.List {
		kinds = append(kinds, types.ExprString(field.Type))
	}
	return kinds
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
