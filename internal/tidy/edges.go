package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
)

// strayGoroutines finds go statements in rooms that may not spawn. Tests may.
func strayGoroutines(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		if f.forTests() || f.may(Spawn) {
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
		if f.forTests() || f.may(needs) {
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
		if f.forTests() || !counted {
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
