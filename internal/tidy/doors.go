package tidy

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

// A sentence ends at a full stop before a space and a capital, so that "e.g. this" and "api.md" stay whole.
var sentenceEnd = regexp.MustCompile(`[.!?][)"]?\s+[A-Z]`)

// badDoors wants each package commented once, and the first paragraph to be one sentence that begins as godoc
// expects it: that is the sign on the door.
func badDoors(t *Tree) []Offence {
	signs := map[string][]*File{}
	var order []string
	names := map[string]string{}
	for _, f := range t.goFiles() {
		name := f.Go.Name.Name
		if f.Generated || strings.HasSuffix(name, "_test") {
			continue
		}
		if _, seen := names[f.Dir()]; !seen {
			order = append(order, f.Dir())
			names[f.Dir()] = name
		}
		if f.Go.Doc != nil {
			signs[f.Dir()] = append(signs[f.Dir()], f)
		}
	}
	var found []Offence
	for _, dir := range order {
		switch files := signs[dir]; len(files) {
		case 0:
			found = append(found, Offence{dir, 0, "no file has a package comment"})
		case 1:
			if why := badSign(files[0].Go.Doc, names[dir]); why != "" {
				found = append(found, Offence{files[0].Path, files[0].Line(files[0].Go.Doc.Pos()), why})
			}
		default:
			says := fmt.Sprintf("a second package comment; the first is in %s", files[0].Path)
			found = append(found, Offence{files[1].Path, files[1].Line(files[1].Go.Doc.Pos()), says})
		}
	}
	return found
}

// badSign says what is wrong with a package comment, or nothing. A command may begin with its own name.
func badSign(doc *ast.CommentGroup, name string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(doc.Text()), "\n\n")
	switch {
	case name == "main" && !regexp.MustCompile(`^(Command |[A-Z][a-z]+ )`).MatchString(first):
		return "a command's comment begins with its name"
	case name != "main" && !strings.HasPrefix(first, "Package "+name+" "):
		return fmt.Sprintf("the package comment begins with %q", "Package "+name)
	case !strings.HasSuffix(first, "."):
		return "the first paragraph of the package comment ends with a full stop"
	case sentenceEnd.MatchString(first):
		return "the first paragraph of the package comment is one sentence; the rest comes after an empty line"
	}
	return ""
}
