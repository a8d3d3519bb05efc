package tidy

import (
	"go/ast"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// programs are those with a command line, and the rooms that declare it as struct tags, which kong reads.
var programs = []struct {
	name  string
	rooms []string
	call  *regexp.Regexp
}{
	{"awaitd", []string{"cmd/server", "internal/app"}, callOf("awaitd", "cmd/server")},
	{"await", []string{"cmd/await"}, callOf("await", "cmd/await")},
}

func callOf(name, folder string) *regexp.Regexp {
	return regexp.MustCompile(`(?:^|[\s/(])(?:` + name + `|go run \./` + folder + `)(?:\s|$)`)
}

// ownVariables are read by tests and scripts, not by a program.
var ownVariables = []string{"AWAITD_CI"}

// Settings is what a command line declares.
type Settings struct {
	Flags     map[string]bool // without the dashes
	Variables map[string]bool
}

var (
	flagWord     = regexp.MustCompile(`(?:^|[\s\[])--([a-z][a-z0-9-]*)`)
	variableWord = regexp.MustCompile(`\bAWAITD_[A-Z0-9_]*[A-Z0-9]\b`)
	envPrefix    = regexp.MustCompile(`DefaultEnvars\("([A-Z]+)"\)`)
	callEnd      = regexp.MustCompile(`[|;&)#]|\s--\s`) // what follows is no argument of the program
)

// missingFlags holds the flags and variables that are named against those that are declared. A span that begins with
// dashes is a flag of one of our programs; a flag of another program is written with its program.
func missingFlags(t *Tree) []Offence {
	var found []Offence
	variables := map[string]bool{}
	anyFlag := map[string]bool{}
	for _, program := range programs {
		if !t.Dirs[program.rooms[0]] { // no command line yet
			continue
		}
		known := settings(t, program.rooms)
		if len(known.Flags) == 1 { // only kong's own
			found = append(found, Offence{program.rooms[0], 0, "declares no flags that this rule can see"})
			continue
		}
		maps.Copy(variables, known.Variables)
		maps.Copy(anyFlag, known.Flags)
		for _, f := range documents(t) {
			for _, p := range pieces(f) {
				found = append(found, unknownFlags(f, p, arguments(p, program.call), program.name, known.Flags)...)
			}
		}
	}
	if len(variables) == 0 { // no program that has settings
		return found
	}
	for _, f := range documents(t) {
		for _, p := range pieces(f) {
			if p.kind == codeSpan && strings.HasPrefix(p.text, "--") {
				found = append(found, unknownFlags(f, p, p.text, "awaitd", anyFlag)...)
			}
		}
	}
	return append(found, missingVariables(t, variables)...)
}

func unknownFlags(f *File, p piece, text, program string, known map[string]bool) []Offence {
	var found []Offence
	for _, m := range flagWord.FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			found = append(found, Offence{f.Path, p.line, program + " has no flag --" + m[1]})
		}
	}
	return found
}

// arguments is the parts of a piece that follow a call of a program.
func arguments(p piece, call *regexp.Regexp) string {
	if p.kind != codeSpan && p.kind != fencedLine {
		return ""
	}
	var all strings.Builder
	for _, at := range call.FindAllStringIndex(p.text, -1) {
		rest := " " + p.text[at[1]:]
		if end := callEnd.FindStringIndex(rest); end != nil {
			rest = rest[:end[0]]
		}
		all.WriteString(rest)
	}
	return all.String()
}

// missingVariables reads more than documents: a misspelt variable in a deployment is silently no setting at all.
func missingVariables(t *Tree, known map[string]bool) []Offence {
	var found []Offence
	for _, f := range t.Files {
		deployed := strings.HasPrefix(f.Path, "deploy/") || f.Path == "Dockerfile" || f.Path == ".ci/run"
		if !deployed && path.Ext(f.Path) != ".md" || f.Path == "CHANGELOG.md" {
			continue
		}
		n := 0
		for line := range strings.Lines(f.Text) {
			n++
			for _, name := range variableWord.FindAllString(line, -1) {
				if !known[name] {
					found = append(found, Offence{f.Path, n, "awaitd reads no variable " + name})
				}
			}
		}
	}
	return found
}

// settings reads the struct tags of rooms as kong does.
func settings(t *Tree, rooms []string) Settings {
	known := Settings{Flags: map[string]bool{"help": true}, Variables: map[string]bool{}}
	for _, name := range ownVariables {
		known.Variables[name] = true
	}
	prefix := ""
	for _, f := range t.goFiles() {
		if f.Test || !slices.Contains(rooms, f.Dir()) {
			continue
		}
		if m := envPrefix.FindStringSubmatch(f.Text); m != nil {
			prefix = m[1] + "_"
		}
		ast.Inspect(f.Go, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				known.declare(field)
			}
			return true
		})
	}
	if prefix != "" {
		for name := range known.Flags {
			known.Variables[prefix+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = true
		}
	}
	return known
}

// declare adds the flag of one field: its name tag, else the words of the field's name.
func (s Settings) declare(field *ast.Field) {
	tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`"))
	if _, help := tag.Lookup("help"); !help { // kong needs no help text, our house does
		return
	}
	for _, not := range []string{"cmd", "arg"} {
		if _, is := tag.Lookup(not); is {
			return
		}
	}
	name := tag.Get("name")
	if name == "" && len(field.Names) == 1 {
		name = strings.Join(words(field.Names[0].Name), "-")
	}
	s.Flags[name] = true
	if _, negatable := tag.Lookup("negatable"); negatable {
		s.Flags["no-"+name] = true
	}
	for variable := range strings.SplitSeq(tag.Get("env"), ",") {
		s.Variables[variable] = true
	}
}
