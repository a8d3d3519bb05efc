package tidy

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// A Tree is the repository as the rules see it: every text file, and the syntax of the Go files.
type Tree struct {
	FS    fs.FS
	Files []*File
	Dirs  map[string]bool // folders that hold at least one file, and their parents
	set   *token.FileSet
}

// A File is one text file. Go is nil for what is not Go, for Go in testdata, and for Go that does not parse.
type File struct {
	Path      string // from the root, with slashes
	Text      string
	Go        *ast.File
	Fault     error // why Go is nil although the name ends in .go
	Test      bool  // _test.go
	Generated bool  // carries Go's "Code generated … DO NOT EDIT." line
	imports   map[string]string
	set       *token.FileSet
}

var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// Load reads a tree. Folders that .gitignore names, .git itself and the plants of this package stay outside.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{FS: fsys, Dirs: map[string]bool{}, set: token.NewFileSet()}
	outside := ignoredFolders(fsys)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && outside[name]:
			return fs.SkipDir
		case d.Type().IsRegular() && !outside[name]: // .git is a file in a tree that `git worktree add` made
			return t.add(name)
		}
		return nil
	})
	return t, err
}

// ignoredFolders reads the lines /name/ of .gitignore; its other patterns name files that no rule reads.
func ignoredFolders(fsys fs.FS) map[string]bool {
	outside := map[string]bool{".git": true, "internal/tidy/testdata": true}
	text, _ := fs.ReadFile(fsys, ".gitignore") // no such file: nothing more is outside
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "/") && strings.HasSuffix(line, "/") {
			outside[strings.Trim(line, "/")] = true
		}
	}
	return outside
}

func (t *Tree) add(name string) error {
	text, err := fs.ReadFile(t.FS, name)
	if err != nil {
		return err
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		t.Dirs[dir] = true
		if dir == "." {
			break
		}
	}
	if bytes.IndexByte(text, 0) >= 0 { // not text
		text = nil
	}
	f := &File{Path: name, Text: string(text), set: t.set}
	t.Files = append(t.Files, f)
	if path.Ext(name) == ".go" && !strings.Contains("/"+name, "/testdata/") {
		f.parse()
	}
	return nil
}

func (f *File) parse() {
	f.Test = strings.HasSuffix(f.Path, "_test.go")
	f.Generated = generatedLine.MatchString(f.Text)
	f.Go, f.Fault = parser.ParseFile(f.set, f.Path, f.Text, parser.ParseComments|parser.SkipObjectResolution)
	if f.Fault != nil {
		f.Go = nil
		return
	}
	f.imports = map[string]string{}
	for _, spec := range f.Go.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		f.imports[localName(spec, imported)] = imported
	}
}

// localName is the name an import has in its file: a guess from the path where the file gives none, which is
// right for the standard library, the only one whose calls the rules look for.
func localName(spec *ast.ImportSpec, imported string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	name := path.Base(imported)
	if regexp.MustCompile(`^v[0-9]+$`).MatchString(name) {
		name = path.Base(path.Dir(imported))
	}
	return name
}

// Dir is the folder of f, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Line is the line of a position in f.
func (f *File) Line(pos token.Pos) int { return f.set.Position(pos).Line }

// A use is one mention of a package's name: time.Now in a file that imports "time".
type use struct {
	Pkg, Name string
	Pos       token.Pos
}

// uses lists the mentions of imported names in f, in the order of the text.
func (f *File) uses() []use {
	var found []use
	ast.Inspect(f.Go, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && f.imports[x.Name] != "" {
			found = append(found, use{f.imports[x.Name], sel.Sel.Name, sel.Pos()})
		}
		return true
	})
	return found
}

// goFiles lists the Go files that parse; tests are among them.
func (t *Tree) goFiles() []*File {
	var files []*File
	for _, f := range t.Files {
		if f.Go != nil {
			files = append(files, f)
		}
	}
	return files
}

// file is the file at a path, or nil.
func (t *Tree) file(name string) *File {
	for _, f := range t.Files {
		if f.Path == name {
			return f
		}
	}
	return nil
}

// has tells whether a path is a file or a folder of the tree.
func (t *Tree) has(name string) bool { return t.Dirs[name] || t.file(name) != nil }
