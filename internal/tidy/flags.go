package tidy

import (
	"go/ast"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// settingRooms are where the command line is declared, as struct tags that kong reads.
var settingRooms = []string{"cmd/server", "internal/app"}

// ownVariables are read by tests and scripts, not by the server.
var ownVariables = []string{"AWAITD_CI"}

// Settings is what the command line declares.
type Settings struct {
	Flags     map[string]bool // without the dashes
	Variables map[string]bool
}

var (
	flagWord     = regexp.MustCompile(`(?:^|[\s\[])--([a-z][a-z0-9-]*)`)
	variableWord = regexp.MustCompile(`\bAWAITD_[A-Z0-9_]*[A-Z0-9]\b`)
	ourCommand   = regexp.MustCompile(`(?:^|[\s/])(?:awaitd|go run \./cmd/server)(?:\s|$)`)
	envPrefix    = regexp.MustCompile(`DefaultEnvars\("([A-Z]+)"\)`)
)

// missingFlags holds the flags and variables that are named against those that are declared. A span that begins with
// dashes is a flag of ours; a flag of another program is written with its program.
func missingFlags(t *Tree) []Offence {
	if !t.Dirs["cmd/server"] { // no command line yet
		return nil
	}
	known := settings(t)
	if len(known.Flags) == 1 { // only kong's own
		return []Offence{{"cmd/server", 0, "declares no flags that this rule can see"}}
	}
	var found []Offence
	for _, f := range documents(t) {
		for _, p := range pieces(f) {
			for _, m := range flagWord.FindAllStringSubmatch(ourArguments(p), -1) {
				if !known.Flags[m[1]] {
					found = append(found, Offence{f.Path, p.line, "awaitd has no flag --" + m[1]})
				}
			}
		}
	}
	return append(found, missingVariables(t, known)...)
}

// ourArguments is the part of a piece in which flags are ours: a span of nothing but flags, or what follows our
// command.
func ourArguments(p piece) string {
	if p.kind != codeSpan && p.kind != fencedLine {
		return ""
	}
	if p.kind == codeSpan && strings.HasPrefix(p.text, "--") {
		return p.text
	}
	if at := ourCommand.FindStringIndex(p.text); at != nil {
		return " " + p.text[at[1]:]
	}
	return ""
}

// missingVariables reads more than documents: a misspelt variable in a deployment is silently no setting at all.
func missingVariables(t *Tree, known Settings) []Offence {
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
				if !known.Variables[name] {
					found = append(found, Offence{f.Path, n, "awaitd reads no variable " + name})
				}
			}
		}
	}
	return found
}

// settings reads the struct tags of settingRooms as kong does.
func settings(t *Tree) Settings {
	known := Settings{Flags: map[string]bool{"help": true}, Variables: map[string]bool{}}
	for _, name := range ownVariables {
		known.Variables[name] = true
	}
	prefix := ""
	for _, f := range t.goFiles() {
		if f.Test || !slices.Contains(settingRooms, f.Dir()) {
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
