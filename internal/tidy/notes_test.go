package tidy

import (
	"testing"
	"testing/fstest"
)

// TestFoldersOfMachinesAreSeen: the folders are put together here, so that none of them stands in the tree.
func TestFoldersOfMachinesAreSeen(t *testing.T) {
	home, checkout := "/"+"root", "/"+"work"
	for text, want := range map[string]string{
		"ExecStart=" + home + "/awaitd\n":    home + "/awaitd",
		"cd " + checkout + "/main\n":         checkout + "/main",
		"(" + checkout + "space/x)\n":        checkout + "space/x",
		`"C:\` + `Users\ada"` + "\n":         `C:\` + `Users\ada`,
		"See /data" + checkout + "/x.\n":     "",
		"https://example.com" + home + "/\n": "",
	} {
		tree, err := Load(fstest.MapFS{"docs/a.md": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		found := machinePaths(tree)
		switch {
		case want == "" && len(found) > 0:
			t.Errorf("%q: %v", text, found)
		case want != "" && (len(found) != 1 || found[0].String() != "docs/a.md:1: "+want+" is a path of one machine"):
			t.Errorf("%q: %v, want %s", text, found, want)
		}
	}
}
