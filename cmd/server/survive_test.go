package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// step is one call of a conversation. $NAME in path, body and header stands for what an earlier step has kept.
type step struct {
	call   string            // "METHOD PATH BODY"
	header string            // "Name: value"
	shows  string            // places of the answer that must be the same, such as "state result.done"
	keeps  map[string]string // by name, places to keep
}

const three = `{"all":["event:a","event:b","future:p"]}`

// conversations are those that must go the same however often the server is killed.
var conversations = map[string][]step{
	"a wait in calls with a cursor": {
		{call: `POST /futures {"kind":"promise","id":"p"}`, shows: "state"},
		{call: `POST /events/a/set`, shows: "generation"},
		{
			call:  `POST /wait {"for":` + three + `,"timeout":"0s","results":"none"}`,
			shows: "outcome done", keeps: map[string]string{"cursor": "cursor"},
		},
		{call: `POST /events/b/pulse`, shows: "generation"},
		{call: `POST /futures/p/reject {"message":"No."}`, shows: "state"},
		{
			call:  `POST /wait {"for":` + three + `,"timeout":"0s","results":"none","cursor":"$cursor"}`,
			shows: "outcome done pending", keeps: map[string]string{"cursor": "cursor"},
		},
		{
			call:  `POST /wait {"for":` + three + `,"timeout":"0s","results":"none","cursor":"$cursor"}`,
			shows: "outcome done pending",
		},
	},
	"a wait that is a future": {
		{call: `POST /futures {"kind":"promise","id":"p"}`, shows: "state"},
		{
			call:  `POST /futures {"kind":"wait","for":{"all":["event:a",{"settled":"future:p"},{"event":"b","times":2}]}}`,
			shows: "state", keeps: map[string]string{"wait": "id"},
		},
		{
			call: `POST /futures {"kind":"wait","for":{"any":["$wait","event:never"]}}`, shows: "state",
			keeps: map[string]string{"outer": "id"},
		},
		{call: `POST /events/b/pulse`, shows: "generation"},
		{call: `POST /events/a/set`, shows: "generation"},
		{call: `POST /events/a/clear`, shows: "set"},
		{call: `POST /futures/p/reject {"message":"No."}`, shows: "state"},
		{call: `GET /futures/$wait`, shows: "state result"},
		{call: `POST /events/b/set`, shows: "generation"},
		{call: `GET /futures/$outer?wait=30s`, shows: "state result"},
		{call: `GET /futures/$wait/result`, shows: "outcome done pending"},
	},
	"a chain of fetches": {
		{
			call: `POST /fetch {"url":"$target","after":{"all":["event:a","event:b"]},"sets":"first"}`, shows: "state reason",
			keeps: map[string]string{"first": "id"},
		},
		{
			call: `POST /fetch {"url":"$target","after":"event:first"}`, shows: "state reason",
			keeps: map[string]string{"second": "id"},
		},
		{
			call: `POST /fetch {"url":"$target","after":{"any":["future:gone","event:never"]}}`, shows: "code",
		},
		{call: `POST /events/b/pulse`, shows: "generation"},
		{call: `GET /futures/$first`, shows: "state reason"},
		{call: `POST /events/a/pulse`, shows: "generation"},
		// The last first: a fetch that two kills meet is quarantined, as it should be, and between the pulse and the
		// answer to this there is only one.
		{call: `GET /futures/$second?wait=30s`, shows: "state error.type result.json"},
		{call: `GET /futures/$first`, shows: "state error.type"},
		{call: `GET /events/first`, shows: "set payload.text"},
	},
	"a group": {
		{call: `POST /groups {"cancel_on_failure":true}`, shows: "outcome members", keeps: map[string]string{"group": "id"}},
		{call: `POST /futures {"kind":"promise","id":"p","group":"$group"}`, shows: "state"},
		{call: `POST /futures {"kind":"promise","id":"q","group":"$group"}`, shows: "state"},
		{
			call: `POST /futures {"kind":"wait","for":"group:$group"}`, shows: "state", keeps: map[string]string{"wait": "id"},
		},
		{call: `POST /futures/p/resolve {"value":1}`, shows: "state"},
		{call: `GET /groups/$group`, shows: "outcome members"},
		{call: `POST /futures {"kind":"promise","id":"r","group":"$group"}`, shows: "state"},
		{call: `POST /futures/r/reject {"message":"No."}`, shows: "state"},
		{call: `GET /groups/$group?wait=30s`, shows: "state outcome members error.type"},
		{call: `GET /futures/q?wait=30s`, shows: "state"},
		{call: `GET /futures/$wait?wait=30s`, shows: "state error.type result.done"},
		{call: `POST /futures {"kind":"promise","group":"$group"}`, shows: "code"},
	},
	"a stream": {
		{call: `POST /futures {"kind":"promise","id":"p"}`, shows: "state"},
		{call: `POST /events/a/set`, shows: "generation"},
		{
			call: `STREAM /wait?all=event:a,event:b,future:p&results=none`, shows: "ref", keeps: map[string]string{"last": "id"},
		},
		{call: `POST /events/b/pulse`, shows: "generation"},
		{call: `POST /futures/p/resolve {"value":1}`, shows: "state"},
		{
			call: `STREAM /wait?all=event:a,event:b,future:p&results=none`, header: "Last-Event-ID: $last", shows: "ref",
			keeps: map[string]string{"last": "id"},
		},
		{
			call: `STREAM /wait?all=event:a,event:b,future:p&results=none`, header: "Last-Event-ID: $last", shows: "ref",
			keeps: map[string]string{"last": "id"},
		},
		{
			call: `STREAM /wait?all=event:a,event:b,future:p&results=none`, header: "Last-Event-ID: $last",
			shows: "outcome done",
		},
	},
}

// A conversation goes the same in memory, on disk, and on disk with a server that is killed after every step.
func TestConversationsSurviveKills(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"a":1}`))
	}))
	defer target.Close()
	for name, steps := range conversations {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			memory := begin(t, t.TempDir(), "--memory")
			want := (&talk{kept: map[string]string{"target": target.URL}, server: memory}).all(steps, nil)
			dir := t.TempDir()
			on := &talk{kept: map[string]string{"target": target.URL}, server: begin(t, dir)}
			kills := 0
			got := on.all(steps, func() {
				on.server.kill()
				on.server = begin(t, dir)
				kills++
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("in memory and on disk after %d kills it went otherwise (-memory +disk):\n%s", kills, diff)
			}
			if kills != len(steps) {
				t.Errorf("%d kills in %d steps", kills, len(steps))
			}
		})
	}
}

// talk is one conversation under way.
type talk struct {
	server *process
	kept   map[string]string
}

// all takes the steps and returns what each showed.
func (c *talk) all(steps []step, between func()) (shown []string) {
	c.server.Helper()
	for _, s := range steps {
		method, rest, _ := strings.Cut(c.filled(s.call), " ")
		path, body, _ := strings.Cut(rest, " ")
		var header []string
		if s.header != "" {
			header = strings.SplitN(c.filled(s.header), ": ", 2)
		}
		status, answer, id := 0, "", ""
		if method == "STREAM" {
			answer, id = c.server.firstMessage(path, header...)
		} else {
			status, answer = c.server.call(method, path, body, header...)
		}
		line := fmt.Sprintf("%s: %d", s.call, status)
		for place := range strings.FieldsSeq(s.shows) {
			line += " " + place + "=" + c.steady(at(answer, place))
		}
		shown = append(shown, line)
		for name, place := range s.keeps {
			if c.kept[name] = id; id == "" {
				c.kept[name], _ = at(answer, place).(string)
			}
		}
		if between != nil {
			between()
		}
	}
	return shown
}

func (c *talk) filled(text string) string {
	for name, value := range c.kept {
		text = strings.ReplaceAll(text, "$"+name, value)
	}
	return text
}

var moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// steady is a value without what differs from run to run.
func (c *talk) steady(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		c.server.Fatal(err)
	}
	out := moment.ReplaceAllString(string(text), "TIME")
	for name, kept := range c.kept {
		if len(kept) > 8 {
			out = strings.ReplaceAll(out, kept, "$"+name)
		}
	}
	return out
}

// at is the value at a path of a JSON text, such as result.done.0.ref; nil when there is none.
func at(text, place string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return nil
	}
	for name := range strings.SplitSeq(place, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// firstMessage begins a stream, reads one message and hangs up.
func (p *process) firstMessage(path string, header ...string) (data, id string) {
	p.Helper()
	req, err := http.NewRequest("GET", p.url+path, nil)
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "id":
			id = value
		case "data":
			return value, id
		}
	}
	p.Fatalf("%s: the stream ended without a message", path)
	return "", ""
}
