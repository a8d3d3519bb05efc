package tidy

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the rules find in the plants into the plants")

// root is the repository; the tests of a package run in its folder.
const root = "../.."

// TestTheHouseIsTidy: the tree as it lies here keeps every rule.
func TestTheHouseIsTidy(t *testing.T) {
	tree, err := Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.goFiles()) < 20 {
		t.Fatalf("read %d Go files: this is not the repository", len(tree.goFiles()))
	}
	for _, rule := range Rules {
		t.Run(rule.Name, func(t *testing.T) {
			for _, offence := range rule.Check(tree) {
				t.Errorf("%s\n\t(%s)", offence, rule.Wants)
			}
		})
	}
}

// TestEveryRuleCatchesItsPlant: a plant is a small tree with offences and with their lawful neighbours, and the list
// of what the rule must find in it: these and no others. A rule without a plant, or with one that it does not
// catch, fails.
func TestEveryRuleCatchesItsPlant(t *testing.T) {
	var plants []string
	for _, rule := range Rules {
		plants = append(plants, filepath.Join("testdata", rule.Name+".txtar"))
		t.Run(rule.Name, func(t *testing.T) { checkPlant(t, rule) })
	}
	slices.Sort(plants)
	found, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plants, found); diff != "" {
		t.Errorf("plants do not match rules (-rules +plants):\n%s", diff)
	}
}

func checkPlant(t *testing.T, rule Rule) {
	name := filepath.Join("testdata", rule.Name+".txtar")
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	planted, want := fstest.MapFS{}, ""
	for _, f := range archive.Files {
		if f.Name == "offences" {
			want = string(f.Data)
			continue
		}
		planted[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	tree, err := Load(planted)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, offence := range rule.Check(tree) {
		fmt.Fprintln(&got, offence)
	}
	if *update {
		rewrite(t, name, archive, got.String())
	}
	if got.Len() == 0 {
		t.Error("the rule finds nothing in its plant")
	}
	if diff := cmp.Diff(want, got.String()); diff != "" && !*update {
		t.Errorf("offences (-want +got):\n%s", diff)
	}
}

func rewrite(t *testing.T, name string, archive *txtar.Archive, offences string) {
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "offences" })
	archive.Files = append(archive.Files, txtar.File{Name: "offences", Data: []byte(offences)})
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsIgnoredIsNotRead: a build folder may hold anything.
func TestWhatIsIgnoredIsNotRead(t *testing.T) {
	tree, err := Load(fstest.MapFS{
		".gitignore":          {Data: []byte("/bin/\n*.out\n")},
		"bin/x.go":            {Data: []byte("no Go")},
		".git/config":         {Data: []byte("x")},
		"cmd/x/x.go":          {Data: []byte("package main")},
		"cmd/x/testdata/y.go": {Data: []byte("no Go either")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range tree.Files {
		got = append(got, f.Path)
	}
	if diff := cmp.Diff([]string{".gitignore", "cmd/x/testdata/y.go", "cmd/x/x.go"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if offences := Rules[0].Check(tree); len(offences) != 0 {
		t.Errorf("Go in testdata was parsed: %v", offences)
	}
	second, err := Load(fstest.MapFS{".git": {Data: []byte("gitdir: elsewhere")}})
	if err != nil || len(second.Files) != 0 {
		t.Errorf("in a second worktree .git was read: %v, %v", second.Files, err)
	}
}

// TestAnUnreadableTreeIsAnError: a rule must not pass because nothing could be read.
func TestAnUnreadableTreeIsAnError(t *testing.T) {
	if _, err := Load(os.DirFS("no/such/folder")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v, want fs.ErrNotExist", err)
	}
}

// TestNamesSplitWhereAReaderWould covers the corners of camel case.
func TestNamesSplitWhereAReaderWould(t *testing.T) {
	for name, want := range map[string]string{
		"HTTPHelper_util2": "http helper util",
		"APIKeysFile":      "api keys file",
		"dataDir":          "data dir",
		"Database":         "database",
		"x":                "x",
		"ID":               "id",
	} {
		if got := strings.Join(words(name), " "); got != want {
			t.Errorf("words(%q) = %q, want %q", name, got, want)
		}
	}
}
