package tidy

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	pathShape   = regexp.MustCompile(`^[\w.{},*-]+(/[\w.{},*-]*)*$`)
	sourceKinds = []string{".go", ".md", ".yaml", ".yml", ".json", ".sh", ".txt", ".txtar", ".toml", ".mod", ".service"}
)

// missingPaths holds what the documents write in backticks against the tree. What looks like a path: its first
// part is one of our folders, or it ends as our files end. A bare file name may lie anywhere.
func missingPaths(t *Tree) []Offence {
	var found []Offence
	for _, f := range documents(t) {
		for _, p := range pieces(f) {
			if p.kind != codeSpan || !t.looksLikePath(p.text) {
				continue
			}
			for _, name := range expand(strings.TrimSuffix(strings.TrimPrefix(p.text, "./"), "/")) {
				if !t.exists(f.Dir(), name) {
					found = append(found, Offence{f.Path, p.line, name + " does not exist"})
				}
			}
		}
	}
	return found
}

func (t *Tree) looksLikePath(text string) bool {
	text = strings.TrimPrefix(text, "./")
	if !pathShape.MatchString(text) || strings.Contains(text, "...") {
		return false
	}
	first, _, deep := strings.Cut(text, "/")
	return deep && t.Dirs[first] || slices.Contains(sourceKinds, path.Ext(text))
}

// expand writes out one pair of braces: internal/{a,b} is two paths.
func expand(name string) []string {
	before, rest, open := strings.Cut(name, "{")
	inner, after, closed := strings.Cut(rest, "}")
	if !open || !closed {
		return []string{name}
	}
	var names []string
	for part := range strings.SplitSeq(inner, ",") {
		names = append(names, expand(before+part+after)...)
	}
	return names
}

// exists looks from the root, then from the document's own folder; stars are patterns.
func (t *Tree) exists(dir, name string) bool {
	for _, full := range []string{name, path.Join(dir, name)} {
		if matches, _ := fs.Glob(t.FS, full); len(matches) > 0 {
			return true
		}
	}
	if strings.Contains(name, "/") {
		return false
	}
	return slices.ContainsFunc(t.Files, func(f *File) bool {
		matched, _ := path.Match(name, path.Base(f.Path))
		return matched
	})
}

// brokenLinks follows every relative link of every page, to the heading if it names one.
func brokenLinks(t *Tree) []Offence {
	var found []Offence
	for _, f := range t.Files {
		if path.Ext(f.Path) != ".md" {
			continue
		}
		for _, p := range pieces(f) {
			if p.kind != link || strings.Contains(p.text, "://") || strings.HasPrefix(p.text, "mailto:") {
				continue
			}
			if why := t.follow(f, p.text); why != "" {
				found = append(found, Offence{f.Path, p.line, why})
			}
		}
	}
	return found
}

func (t *Tree) follow(from *File, to string) string {
	name, fragment, _ := strings.Cut(to, "#")
	target := from
	if name != "" {
		full := path.Join(from.Dir(), name)
		if !t.has(full) {
			return fmt.Sprintf("the link to %s leads nowhere", to)
		}
		target = t.file(full)
	}
	if fragment == "" || target == nil || path.Ext(target.Path) != ".md" {
		return ""
	}
	for _, p := range pieces(target) {
		if p.kind == heading && anchor(p.text) == fragment {
			return ""
		}
	}
	return fmt.Sprintf("%s has no heading for #%s", target.Path, fragment)
}

// docsIndex is the page from which a newcomer finds all others.
const docsIndex = "docs/README.md"

// lostPages finds the pages of docs that no chain of links from the index leads to.
func lostPages(t *Tree) []Offence {
	reached := map[string]bool{docsIndex: true}
	for next := []string{docsIndex}; len(next) > 0; next = next[1:] {
		page := t.file(next[0])
		if page == nil || path.Ext(page.Path) != ".md" {
			continue
		}
		for _, p := range pieces(page) {
			name, _, _ := strings.Cut(p.text, "#")
			to := path.Join(page.Dir(), name)
			if p.kind == link && name != "" && strings.HasPrefix(to, "docs/") && !reached[to] {
				reached[to] = true
				next = append(next, to)
			}
		}
	}
	var found []Offence
	for _, f := range t.Files {
		if strings.HasPrefix(f.Path, "docs/") && path.Ext(f.Path) == ".md" && !reached[f.Path] {
			found = append(found, Offence{f.Path, 0, "no link leads here from " + docsIndex})
		}
	}
	return found
}

var (
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	makeCall   = regexp.MustCompile(`^\s*(?:\$ )?make((?: [a-z][a-z0-9-]*)+)\s*(?:#.*)?$`)
)

// missingTargets finds `make x`, in backticks or alone on a line of a block, where the Makefile has no x.
func missingTargets(t *Tree) []Offence {
	targets := map[string]bool{}
	if f := t.file("Makefile"); f != nil {
		for _, m := range makeTarget.FindAllStringSubmatch(f.Text, -1) {
			targets[m[1]] = true
		}
	}
	var found []Offence
	for _, f := range documents(t) {
		for _, p := range pieces(f) {
			m := makeCall.FindStringSubmatch(p.text)
			if m == nil || p.kind != codeSpan && p.kind != fencedLine {
				continue
			}
			for name := range strings.FieldsSeq(m[1]) {
				if !targets[name] {
					found = append(found, Offence{f.Path, p.line, "the Makefile has no target " + name})
				}
			}
		}
	}
	return found
}
