package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"unicode"
)

// hollowNames looks at the names of packages, files, types and functions, word by word. Generated code is named by
// its generator.
func hollowNames(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		if f.Generated {
			continue
		}
		report := func(kind, name string, line int) {
			if word := hollow(name); word != "" {
				found = append(found, Offence{f.Path, line, fmt.Sprintf("%s %s: %q says nothing", kind, name, word)})
			}
		}
		report("file", strings.TrimSuffix(path.Base(f.Path), ".go"), 0)
		report("package", f.Go.Name.Name, f.Line(f.Go.Name.Pos()))
		for _, name := range declared(f.Go) {
			if slices.Contains(givenNames, name.Name) {
				continue
			}
			report(name.kind, name.Name, f.Line(name.Pos()))
		}
	}
	return found
}

type declaration struct {
	kind string
	*ast.Ident
}

// declared lists the functions, methods and types that a file declares at its top level.
func declared(file *ast.File) []declaration {
	var names []declaration
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			names = append(names, declaration{"func", decl.Name})
		case *ast.GenDecl:
			if decl.Tok != token.TYPE {
				continue
			}
			for _, spec := range decl.Specs {
				names = append(names, declaration{"type", spec.(*ast.TypeSpec).Name})
			}
		}
	}
	return names
}

// hollow returns the word of a name that is on the list, in one or many, or nothing.
func hollow(name string) string {
	for _, word := range words(name) {
		for _, one := range []string{word, strings.TrimSuffix(word, "s")} {
			if slices.Contains(hollowWords, one) {
				return word
			}
		}
	}
	return ""
}

// words splits a name where a reader would: HTTPHelper_util2 is http, helper, util.
func words(name string) []string {
	var found []string
	var word []rune
	runes := []rune(name)
	end := func() {
		if len(word) > 0 {
			found = append(found, strings.ToLower(string(word)))
		}
		word = nil
	}
	for i, r := range runes {
		if !unicode.IsLetter(r) {
			end()
			continue
		}
		startsWord := unicode.IsUpper(r) && i > 0 &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if startsWord {
			end()
		}
		word = append(word, r)
	}
	end()
	return found
}
