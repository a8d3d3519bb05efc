package examples

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the commands print into the pages, where its shape is another")

// pages are the documents whose commands are run, each from a heading on.
func pages(t *testing.T) map[string]string {
	from := map[string]string{
		"../README.md": "## The tour", "../docs/tutorial.md": "", "../docs/explanation/security.md": "",
		"../docs/reference/egress.md": "", "../docs/reference/errors.md": "",
	}
	howTos, err := filepath.Glob("../docs/how-to/*.md")
	if err != nil || len(howTos) == 0 {
		t.Fatalf("there are no how-tos: %v", err)
	}
	for _, path := range howTos {
		from[path] = ""
	}
	return from
}

// A page, pasted block by block into a shell beside a fresh server and a fresh target, prints what it shows: the same
// documents, but for ids, times and figures. What its blocks mean:
//
//	sh                is run; a block of json or text right after it is what it prints
//	console           is run in a terminal of its own: programs that stay
//	LANGUAGE NAME     is the file NAME in the folder where the commands are run
//
// Blocks of other languages are there to be read.
func TestThePagesPrintWhatTheyShow(t *testing.T) {
	need(t, "bash", "curl", "sed", "jq")
	for path, from := range pages(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) { runPage(t, path, from) })
	}
}

func runPage(t *testing.T, path, from string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"openssl", "php", "node"} { // of single pages
		if strings.Contains(string(text), "\n"+program+" ") || strings.Contains(string(text), "| "+program+" ") {
			need(t, program)
		}
	}
	blocks := blocksOf(string(text), max(0, strings.Index(string(text), from)))
	terminals := openTerminals(t)
	commands := 0
	for i, b := range blocks {
		switch {
		case b.file != "":
			terminals.write(b.file, b.text)
		case b.language == "console":
			terminals.launch(b.text)
		case b.language == "sh":
			commands++
			got := terminals.run(b.text)
			if b.output == nil {
				continue
			}
			diff := cmp.Diff(shape(b.output.text), shape(got))
			if diff != "" && *update {
				b.output.text = got
			} else if diff != "" {
				t.Errorf("after\n%s(-page +printed):\n%s", b.text, diff)
			}
		case (b.language == "json" || b.language == "text") && (i == 0 || blocks[i-1].output != b):
			t.Errorf("a block of %s follows no command:\n%s", b.language, b.text)
		}
	}
	if commands == 0 {
		t.Error("there is no command in it")
	}
	if *update {
		if err := os.WriteFile(path, []byte(withBlocks(string(text), blocks)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A block is one that stands between fences.
type block struct {
	language, file string
	text           string
	output         *block // of a command
	start, end     int    // where its text is in the page
}

var fenced = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// blocksOf lists the blocks of a page from an offset on.
func blocksOf(page string, from int) []*block {
	var found []*block
	for _, at := range fenced.FindAllStringSubmatchIndex(page, -1) {
		if at[0] < from {
			continue
		}
		b := &block{language: page[at[2]:at[3]], text: page[at[6]:at[7]], start: at[6], end: at[7]}
		if at[4] >= 0 {
			b.file = page[at[4]:at[5]]
		}
		if n := len(found); n > 0 && found[n-1].language == "sh" && (b.language == "json" || b.language == "text") &&
			strings.TrimSpace(page[found[n-1].end+len("```"):at[0]]) == "" {
			found[n-1].output = b
		}
		found = append(found, b)
	}
	return found
}

// withBlocks is the page with the texts that its blocks have now.
func withBlocks(page string, blocks []*block) string {
	var text strings.Builder
	done := 0
	for _, b := range blocks {
		text.WriteString(page[done:b.start])
		text.WriteString(strings.TrimSuffix(b.text, "\n") + "\n")
		done = b.end
	}
	return text.String() + page[done:]
}

var (
	anID   = regexp.MustCompile(`fut_[0-9A-Z]{26}`)
	aKey   = regexp.MustCompile(`awk_[\w-]{43}`)
	aTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`)
	figure = regexp.MustCompile(`"duration_ms": ?[\d.]+`)
	cursor = regexp.MustCompile(`"cursor": ?"[^"]+"`)
	took   = regexp.MustCompile(`after [\d.]+(ms|s)\b`)
)

// shape is a document without what differs from run to run.
func shape(text string) any {
	text = anID.ReplaceAllString(text, "fut_ID")
	text = aKey.ReplaceAllString(text, "awk_KEY")
	text = aTime.ReplaceAllString(text, "TIME")
	text = figure.ReplaceAllString(text, `"duration_ms":0`)
	text = cursor.ReplaceAllString(text, `"cursor":"C"`)
	text = took.ReplaceAllString(text, "after a while")
	var document any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return strings.TrimSpace(text) // what people read
	}
	if loop, ok := document.(map[string]any); ok && loop["uptime_seconds"] != nil {
		return withoutFigures(loop)
	}
	return document
}

func withoutFigures(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = withoutFigures(v[key])
		}
		if _, is := v["recent"].([]any); is {
			v["recent"] = []any{} // callbacks that were slow on this machine
		}
	case float64:
		return "figure"
	}
	return v
}
