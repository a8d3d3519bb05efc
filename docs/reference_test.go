// Package docs writes the tables of the reference from what the programs themselves say, and fails when a page says
// something else.
//
//	go test ./docs -update      writes them anew; read the difference before you commit it
package docs

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the tables of the reference anew")

// hold compares the part of a page that stands between two marks, <!-- name --> and <!-- end of name -->, with what it
// should be.
func hold(t *testing.T, page, name, want string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), "<!-- "+name+" -->\n")
	got, after, ends := strings.Cut(rest, "<!-- end of "+name+" -->\n")
	if !begins || !ends {
		t.Fatalf("%s has no place for %s", page, name)
	}
	if want = strings.TrimSpace(want); want != "" {
		want = "\n" + want + "\n\n"
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s: %s (-page +as it is):\n%s\ngo test ./docs -update writes it", page, name, cmp.Diff(got, want))
		return
	}
	text = []byte(before + "<!-- " + name + " -->\n" + want + "<!-- end of " + name + " -->\n" + after)
	if err := os.WriteFile(page, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// table is a table in Markdown.
type table strings.Builder

func newTable(heads ...string) *table {
	t := &table{}
	t.row(heads...)
	(*strings.Builder)(t).WriteString(strings.Repeat("|---", len(heads)) + "|\n")
	return t
}

// row adds a row. A bar within a cell is escaped, and so is a line break.
func (t *table) row(cells ...string) {
	b := (*strings.Builder)(t)
	for _, cell := range cells {
		cell = strings.Join(strings.Fields(cell), " ")
		fmt.Fprintf(b, "| %s ", strings.ReplaceAll(cell, "|", `\|`))
	}
	b.WriteString("|\n")
}

func (t *table) String() string { return (*strings.Builder)(t).String() }

// code puts text into backticks, each part of it on its own; nothing stays nothing.
func code(parts ...string) string {
	var spans []string
	for _, part := range parts {
		if part != "" {
			spans = append(spans, "`"+part+"`")
		}
	}
	return strings.Join(spans, ", ")
}
