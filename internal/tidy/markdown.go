package tidy

import (
	"path"
	"regexp"
	"strings"
	"unicode"
)

// A piece is a part of a document that names things: an inline code span, a line of a fenced block, or a link.
type piece struct {
	kind pieceKind
	line int
	text string
}

type pieceKind int

const (
	codeSpan pieceKind = iota
	fencedLine
	link
	heading
)

var (
	spanPattern = regexp.MustCompile("`([^`]+)`")
	linkPattern = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)[^)]*\)`)
	fence       = regexp.MustCompile("^\\s*(```|~~~)")
)

// documents lists the pages that speak of the present: the changelog and the decisions may name what is gone.
func documents(t *Tree) []*File {
	var files []*File
	for _, f := range t.Files {
		if path.Ext(f.Path) == ".md" && f.Path != "CHANGELOG.md" && !strings.HasPrefix(f.Path, "docs/decisions/") {
			files = append(files, f)
		}
	}
	return files
}

// pieces takes a page apart, line by line. It knows fences, spans, links and # headings, which is all we use.
func pieces(f *File) []piece {
	var found []piece
	fenced := false
	n := 0
	for line := range strings.Lines(f.Text) {
		n++
		line = strings.TrimRight(line, "\n")
		switch {
		case fence.MatchString(line):
			fenced = !fenced
		case fenced:
			found = append(found, piece{fencedLine, n, line})
		default:
			found = append(found, proseLine(n, line)...)
		}
	}
	return found
}

func proseLine(n int, line string) []piece {
	var found []piece
	if strings.HasPrefix(line, "#") {
		found = append(found, piece{heading, n, strings.TrimSpace(strings.TrimLeft(line, "#"))})
	}
	for _, m := range spanPattern.FindAllStringSubmatch(line, -1) {
		found = append(found, piece{codeSpan, n, strings.TrimSpace(m[1])})
	}
	for _, m := range linkPattern.FindAllStringSubmatch(spanPattern.ReplaceAllString(line, "x"), -1) {
		found = append(found, piece{link, n, m[1]})
	}
	return found
}

// anchor is the fragment under which a heading is reached.
func anchor(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r == ' ':
			b.WriteRune('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}
