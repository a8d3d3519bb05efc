package tidy

import (
	"fmt"
	"go/ast"
	"strings"
	"unicode/utf8"
)

// overlong measures what a human wrote: functions and files in lines, lines in characters. A test's story may be
// longer.
func overlong(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		if f.Generated {
			continue
		}
		functionMax, fileMax := functionLinesMax, fileLinesMax
		if f.forTests() {
			functionMax, fileMax = testFunctionLinesMax, testFileLinesMax
		}
		if n := strings.Count(f.Text, "\n"); n > fileMax {
			found = append(found, Offence{f.Path, 0, fmt.Sprintf("%d lines; a file has at most %d", n, fileMax)})
		}
		found = append(found, longFunctions(f, functionMax)...)
		found = append(found, wideLines(f)...)
	}
	return found
}

// longFunctions counts from the line of func to that of the closing brace, literals included in what holds them.
func longFunctions(f *File, linesMax int) []Offence {
	var found []Offence
	for _, decl := range f.Go.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := f.Line(fn.End()) - f.Line(fn.Pos()) + 1; n > linesMax {
			says := fmt.Sprintf("%s has %d lines; a function has at most %d", fn.Name.Name, n, linesMax)
			found = append(found, Offence{f.Path, f.Line(fn.Pos()), says})
		}
	}
	return found
}

// wideLines lets pass what cannot be broken: a line that is one address, and one with a struct tag.
func wideLines(f *File) []Offence {
	var found []Offence
	tagged := map[int]bool{}
	ast.Inspect(f.Go, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Tag != nil {
			tagged[f.Line(field.Tag.Pos())] = true
		}
		return true
	})
	n := 0
	for line := range strings.Lines(f.Text) {
		n++
		line = strings.TrimRight(line, "\n")
		characters := utf8.RuneCountInString(line)
		if characters > lineCharactersMax && !tagged[n] && !isAddress(line) {
			says := fmt.Sprintf("%d characters; a line has at most %d", characters, lineCharactersMax)
			found = append(found, Offence{f.Path, n, says})
		}
	}
	return found
}

func isAddress(line string) bool {
	words := strings.Fields(strings.TrimLeft(line, "\t /"))
	return len(words) == 1 && strings.Contains(words[0], "://")
}
