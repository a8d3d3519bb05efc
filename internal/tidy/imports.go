package tidy

import (
	"fmt"
	"slices"
	"strings"
)

// roomOf finds the row of a folder: its own, or that of a /... row above it. Nil is a folder without a row.
func roomOf(dir string) *Room {
	for i := range rooms {
		above, all := strings.CutSuffix(rooms[i].Path, "/...")
		if dir == above || all && strings.HasPrefix(dir, above+"/") {
			return &rooms[i]
		}
	}
	return nil
}

// may tells whether a file is trusted with what, by its room or by an exception of its own.
func (f *File) may(what May) bool {
	room := roomOf(f.Dir())
	return room != nil && room.May&what != 0 || exceptions[f.Path]&what != 0
}

// forTests tells whether a file is a test, or lies in a room that only tests import.
func (f *File) forTests() bool { return f.Test || f.may(InTest) }

// badImports holds every import of ours, tests included, against the table of rooms.
func badImports(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.goFiles() {
		room := roomOf(f.Dir())
		if room == nil {
			found = append(found, Offence{f.Dir(), 0, "this package has no row in the table of rooms"})
			continue
		}
		for _, spec := range f.Go.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			target, ours := strings.CutPrefix(imported, module+"/")
			if !ours || target == f.Dir() { // an external test imports its own room
				continue
			}
			if why := refuses(room, target, f.Test); why != "" {
				found = append(found, Offence{f.Path, f.Line(spec.Pos()), why})
			}
		}
	}
	return found
}

// refuses says why a room may not import a target, or nothing.
func refuses(room *Room, target string, test bool) string {
	seen := roomOf(target)
	switch {
	case seen == nil:
		return fmt.Sprintf("imports %s, which has no row in the table of rooms", target)
	case seen.May&InTest != 0:
		if test || room.May&InTest != 0 {
			return ""
		}
		return fmt.Sprintf("imports %s, which is for tests", target)
	case room.Sees != nil && !slices.Contains(room.Sees, target):
		return fmt.Sprintf("%s does not see %s", room.Path, target)
	case room.Sees == nil && seen.Floor == room.Floor:
		return fmt.Sprintf("%s and %s are siblings on floor %d", room.Path, target, seen.Floor)
	case room.Sees == nil && seen.Floor > room.Floor:
		return fmt.Sprintf("%s is on floor %d, below %s", room.Path, room.Floor, target)
	}
	return ""
}
