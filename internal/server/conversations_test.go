package server

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// Each file of testdata is a conversation with one server: lines that begin with "$ " are what somebody types, what
// follows is what the server answered. -update records the answers anew; review them like code.
//
//	$ curl [-X METHOD] [--json DATA | -d DATA] [-H 'Name: value'] PATH [&]
//	$ fg                       the answer to the oldest curl that was sent with &, once it comes
//	$ release fut_1            lets a hanging target answer
//	$ … | pick state,result    shows only these places of the body
//
// Ids are numbered in the order in which they appear, times are TIME, durations MS, cursors CURSOR. An id may be typed
// back, and CURSOR for the last one that was given.
func TestConversationsGoAsRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) { converse(t, file, *update, plans{}) })
		t.Run(name+" over HTTP2", func(t *testing.T) { converse(t, file, false, plans{http2: true}) })
	}
}

func converse(t *testing.T, file string, update bool, p plans) {
	recorded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &conversation{house: newHouse(t, p), ids: map[string][]string{}}
	got := c.replay(string(recorded))
	if update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(string(recorded), got); d != "" && !update {
		t.Errorf("the conversation went otherwise (-recorded +now); -update records it anew\n%s", d)
	}
}

type conversation struct {
	*house
	ids  map[string][]string // by kind: fut_1 is ids["fut"][0]
	held []<-chan reply      // oldest first

	cursor string // the last
}

// replay runs the commands of a script and returns the script with the answers that came.
func (c *conversation) replay(script string) string {
	var out strings.Builder
	for line := range strings.Lines(script) {
		command, typed := strings.CutPrefix(strings.TrimRight(line, "\n"), "$ ")
		switch {
		case typed:
			answer := c.run(c.real(command))
			fmt.Fprintf(&out, "$ %s\n%s\n", command, answer)
		case strings.HasPrefix(line, "#"):
			out.WriteString(line)
		}
	}
	for len(c.held) > 0 {
		c.t.Error("somebody is still held at the end of the script")
		c.held = c.held[1:]
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func (c *conversation) run(command string) string {
	command, places, _ := strings.Cut(command, " | pick ")
	words := shellWords(command)
	switch words[0] {
	case "curl":
		return c.curl(words[1:], places)
	case "fg":
		r := <-c.held[0]
		c.held = c.held[1:]
		return c.record(r, places)
	case "release":
		c.targets.release(words[1])
		return ""
	}
	c.t.Fatalf("no command %q", words[0])
	return ""
}

func (c *conversation) curl(words []string, places string) string {
	method, path, body := "", "", ""
	var headers []string
	background := false
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "-X":
			i++
			method = words[i]
		case "--json":
			i++
			body = words[i]
			headers = append(headers, "Content-Type: ", "Content-Type: application/json")
		case "-d":
			i++
			body = words[i]
			headers = append(headers, "Content-Type: ", "Content-Type: application/x-www-form-urlencoded")
		case "-H":
			i++
			headers = append(headers, words[i])
		case "&":
			background = true
		default:
			path = words[i]
		}
	}
	if method == "" {
		method = "GET"
		if body != "" {
			method = "POST"
		}
	}
	if background {
		c.held = append(c.held, c.background(len(c.held)+1, method, path, body, headers...))
		return ""
	}
	return c.record(c.do(method, path, body, headers...), places)
}

// shellWords splits at spaces outside single quotes.
func shellWords(command string) []string {
	quoted := false
	words := strings.FieldsFunc(command, func(r rune) bool {
		if r == '\'' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "'", "")
	}
	return words
}

var (
	anyID       = regexp.MustCompile(`(fut|grp)_[0-9A-HJKMNP-TV-Z]{26}`)
	numberedID  = regexp.MustCompile(`(fut|grp)_[0-9]+\b`)
	anyTime     = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	anyDuration = regexp.MustCompile(`("duration_ms": ?)[0-9.]+`)
	anyEventTag = regexp.MustCompile(`^"(\d+)-[0-9a-z]+(-[a-z_]+)?(-[0-9a-z]+)?"$`)
	anyCursor   = regexp.MustCompile(`((?:cursor"?: |cursor=)"?)([A-Za-z0-9_-]{8,})`)
)

// real puts the ids of this run where the script has numbers.
func (c *conversation) real(command string) string {
	command = strings.ReplaceAll(command, "CURSOR", c.cursor)
	return numberedID.ReplaceAllStringFunc(command, func(numbered string) string {
		n, err := strconv.Atoi(numbered[len("fut_"):])
		if ids := c.ids[numbered[:len("fut")]]; err == nil && n >= 1 && n <= len(ids) {
			return ids[n-1]
		}
		return numbered
	})
}

// numbered undoes real, and hides what differs from run to run.
func (c *conversation) numbered(answer string) string {
	answer = anyID.ReplaceAllStringFunc(answer, func(id string) string {
		kind := id[:len("fut")]
		if !slices.Contains(c.ids[kind], id) {
			c.ids[kind] = append(c.ids[kind], id)
		}
		return fmt.Sprintf("%s_%d", kind, slices.Index(c.ids[kind], id)+1)
	})
	answer = anyTime.ReplaceAllString(answer, "TIME")
	answer = anyDuration.ReplaceAllString(answer, "${1}MS")
	if found := anyCursor.FindAllStringSubmatch(answer, -1); found != nil {
		c.cursor = found[len(found)-1][2]
	}
	return anyCursor.ReplaceAllString(answer, "${1}CURSOR")
}

// told are the headers that a script shows.
var told = []string{
	"Location", "ETag", "Retry-After", "Preference-Applied", "Link", "Allow", "Content-Type", "Content-Range",
	"Content-Disposition", "Awaitd-Upstream-Status", "WWW-Authenticate",
}

func (c *conversation) record(r reply, places string) string {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%d\n", r.status)
	for _, name := range told {
		if value := r.header.Get(name); value != "" && !(name == "Content-Type" && value == "application/json") {
			fmt.Fprintf(&out, "%s: %s\n", name, anyEventTag.ReplaceAllString(value, `"$1-TIME$2"`))
		}
	}
	switch {
	case places != "":
		r.body = c.pick(r, places)
	case strings.HasSuffix(r.header.Get("Content-Type"), "json"):
		body := jsontext.Value(r.body)
		if err := body.Indent(jsontext.WithIndent("  ")); err != nil {
			c.t.Error(err)
		}
		r.body = string(body)
	}
	if body := strings.TrimSpace(r.body); body != "" {
		fmt.Fprintf(&out, "%s\n", body)
	}
	return c.numbered(out.String())
}

// pick shows some places of a body, one a line.
func (c *conversation) pick(r reply, places string) string {
	var out strings.Builder
	for place := range strings.SplitSeq(places, ",") {
		value, err := json.Marshal(r.at(place), json.Deterministic(true))
		if err != nil {
			c.t.Error(err)
		}
		fmt.Fprintf(&out, "%s: %s\n", place, value)
	}
	return out.String()
}
