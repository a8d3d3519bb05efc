package tidy

import (
	"regexp"
	"strings"
)

// The words are put together here so that this file keeps its own rule.
var leftover = regexp.MustCompile(`\b(` + "TO" + "DO|FIX" + "ME|X" + "XX" + `)\b`)

// machinePath is a folder that exists on one machine only: somebody's home, or where a checkout happened to lie.
var machinePath = regexp.MustCompile(`(?:^|[\s"'=(:\x60])` +
	`((?:/home|/Users|/root|/wo` + `rk|/workspace|C:\\Users)[/\\][\w.-]+)`)

// leftoverNotes finds the marks of unfinished work, in any text.
func leftoverNotes(t *Tree) []Offence {
	return eachLine(t, func(line string) string {
		if mark := leftover.FindString(line); mark != "" {
			return mark + ": finish it, or open an issue"
		}
		return ""
	})
}

// machinePaths finds paths of a machine, in any text.
func machinePaths(t *Tree) []Offence {
	return eachLine(t, func(line string) string {
		if m := machinePath.FindStringSubmatch(line); m != nil {
			return m[1] + " is a path of one machine"
		}
		return ""
	})
}

// eachLine asks about every line of every text file what is wrong with it.
func eachLine(t *Tree, wrong func(line string) string) []Offence {
	var found []Offence
	for _, f := range t.Files {
		n := 0
		for line := range strings.Lines(f.Text) {
			n++
			if says := wrong(strings.TrimRight(line, "\n")); says != "" {
				found = append(found, Offence{f.Path, n, says})
			}
		}
	}
	return found
}
