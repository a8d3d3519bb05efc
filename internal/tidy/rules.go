package tidy

import (
	"cmp"
	"fmt"
	"slices"
)

// A Rule is one thing the house wants, and the function that finds who does not keep it.
type Rule struct {
	Name   string // also the name of its plant, testdata/<name>.txtar
	Wants  string
	Broken func(*Tree) []Offence
}

// An Offence is one place that breaks a rule. Line 0 is the file, or the folder, as a whole.
type Offence struct {
	Path string
	Line int
	Says string
}

func (o Offence) String() string {
	if o.Line == 0 {
		return fmt.Sprintf("%s: %s", o.Path, o.Says)
	}
	return fmt.Sprintf("%s:%d: %s", o.Path, o.Line, o.Says)
}

// Rules is the list; rules about code first, then about words.
var Rules = []Rule{
	{"parses", "every Go file parses", unparsable},
	{"imports", "a room sees only the rooms below it", badImports},
	{"goroutines", "go statements only where a room may spawn", strayGoroutines},
	{"clock", "time and chance are given, except at the edges", strayClocks},
	{"locks", "what belongs to the loop is not locked", strayLocks},
	{"network", "everything that leaves goes through one constructor", strayDials},
	{"routing", "no middleware that trusts what the caller wrote", bannedMiddleware},
	{"sleeps", "a test sleeps only inside a synctest bubble", strayTestSleeps},
	{"length", "functions, files and lines have bounds", overlong},
	{"doors", "every package has one sentence on its door", badDoors},
	{"names", "a name says what the thing is", hollowNames},
	{"notes", "what is left to do is an issue, not a comment", leftoverNotes},
	{"machines", "no path of anybody's machine is in the tree", machinePaths},
	{"paths", "every path that the documents name exists", missingPaths},
	{"links", "every relative link resolves", brokenLinks},
	{"pages", "every page of docs is reached from its index", lostPages},
	{"targets", "every make target that the documents name exists", missingTargets},
	{"flags", "every flag and variable that the documents name exists", missingFlags},
	{"metrics", "code, deploy and documents use the metrics of the contract", strangeMetrics},
}

// Check runs one rule and sorts what it found, each offence once.
func (r Rule) Check(t *Tree) []Offence {
	found := r.Broken(t)
	slices.SortFunc(found, func(a, b Offence) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Says, b.Says))
	})
	return slices.Compact(found)
}

// unparsable reports Go files that the other rules had to leave out.
func unparsable(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.Files {
		if f.Fault != nil {
			found = append(found, Offence{f.Path, 0, "does not parse: " + f.Fault.Error()})
		}
	}
	return found
}
