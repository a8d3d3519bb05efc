package client_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

func leaf(ref string, outcome api.Outcome) string {
	at := "null"
	if outcome != api.OutcomePending {
		at = `"2026-11-22T18:00:00.000Z"`
	}
	return fmt.Sprintf(`{"ref":%q,"outcome":%q,"at":%s}`, ref, outcome, at)
}

func waitAnswer(outcome api.Outcome, done, pending []string, cursor string) string {
	return fmt.Sprintf(`{"outcome":%q,"done":[%s],"pending":[%s],"cursor":%q}`,
		outcome, strings.Join(done, ","), strings.Join(pending, ","), cursor)
}

func refsOf(leaves []api.Leaf) (refs []string) {
	for _, l := range leaves {
		refs = append(refs, l.Ref)
	}
	return refs
}

var (
	a, b = leaf("event:a", api.OutcomeSatisfied), leaf("event:b", api.OutcomeSatisfied)
	noB  = leaf("event:b", api.OutcomePending)
)

// A wait goes on from poll to poll by its cursor, and the answer is that of all polls together.
func TestAWaitGoesOnByItsCursor(t *testing.T) {
	play(t, []answer{
		says(202, waitAnswer("pending", []string{a}, []string{noB}, "c1")),
		says(202, waitAnswer("pending", nil, []string{noB}, "c2")),
		says(200, waitAnswer("satisfied", []string{b}, nil, "c3")),
	}, func(t *testing.T, s *script) {
		c := s.client()
		answer, err := c.Wait(t.Context(), client.All(c.Event("a"), c.Event("b")), client.CancelRest())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"event:a", "event:b"}, refsOf(answer.Done)); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
		want := []string{
			`{"for":{"all":["event:a","event:b"]},"timeout":"25s","cancel_rest":true}`,
			`{"for":{"all":["event:a","event:b"]},"timeout":"25s","cancel_rest":true,"cursor":"c1"}`,
			`{"for":{"all":["event:a","event:b"]},"timeout":"25s","cancel_rest":true,"cursor":"c2"}`,
		}
		if diff := cmp.Diff(want, s.bodies); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}

// sse is a stream of the given text; the connection then breaks, or is held for ever.
func sse(text string, hold bool) answer {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, text)
		if hold {
			w.Header().Set("X-Hold", "yes")
		}
		return nil
	}
}

// held makes the bodies of answers with X-Hold never end, until they are closed.
type held struct{ next http.RoundTripper }

func (h held) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := h.next.RoundTrip(r)
	if err != nil || resp.Header.Get("X-Hold") == "" {
		return resp, err
	}
	said, in := resp.Body, make(chan struct{})
	read, write := io.Pipe()
	go func() {
		_, _ = io.Copy(write, said)
		select {
		case <-r.Context().Done():
		case <-in:
		}
		_ = write.CloseWithError(r.Context().Err())
	}()
	resp.Body = closer{read, in}
	return resp, nil
}

type closer struct {
	*io.PipeReader
	closed chan struct{}
}

func (c closer) Close() error {
	close(c.closed)
	return c.PipeReader.Close()
}

// A stream tells each leaf as it completes. When the connection breaks, or has been silent for too long, it goes on
// after the last event that was heard.
func TestAStreamIsResumed(t *testing.T) {
	completed := func(id, leaf string) string {
		return "event: completed\nid: " + id + "\ndata: " + leaf + "\n\n"
	}
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{
			sse("retry: 1000\n\n: still here\n\n"+completed("7", a), false),
			sse(strings.ReplaceAll(":\n\nevent:completed\nid:8\n"+
				`data:{"ref":"event:b",`+"\n"+`data: "outcome":"failed","at":null}`+"\n\n", "\n", "\r\n"), true),
			sse("event: news\ndata: of another kind\n\n"+completed("9", `{"ref":"sleep:1s","outcome":"satisfied","at":null}`)+
				"event: decided\nid: 10\ndata: "+waitAnswer("failed", nil, nil, "")+"\n\n", true),
		}}
		c := newClient(t, "http://awaitd.test", client.HTTPClient(&http.Client{Transport: held{s}}))
		var told []string
		answer, err := c.Wait(t.Context(), client.All(c.Event("a"), c.Event("b"), client.Sleep(1e9)),
			client.Each(func(l api.Leaf) { told = append(told, l.Ref+" "+string(l.Outcome)) }))
		if err == nil || err.Error() != "the wait failed: event:b failed" {
			t.Errorf("err = %v", err)
		}
		want := []string{"event:a satisfied", "event:b failed", "sleep:1s satisfied"}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"event:a", "event:b", "sleep:1s"}, refsOf(answer.Done)); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
		var ids []string
		for _, r := range s.asked {
			ids = append(ids, r.Header.Get("Last-Event-ID")+" "+r.Header.Get("Accept"))
		}
		stream := " text/event-stream"
		if diff := cmp.Diff([]string{stream, "7" + stream, "8" + stream}, ids); diff != "" {
			t.Errorf("resumed (-want +got):\n%s", diff)
		}
	})
}

// A server that does not stream, or answers without a stream, is polled, and from then on without asking for one.
func TestAServerThatDoesNotStreamIsPolled(t *testing.T) {
	for name, first := range map[string]answer{
		"a plain answer": says(202, waitAnswer("pending", []string{a}, []string{noB}, "")),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, []answer{
				first,
				says(202, waitAnswer("pending", []string{a}, []string{noB}, "")),
				says(200, waitAnswer("satisfied", []string{b, a}, nil, "")),
				says(200, waitAnswer("satisfied", []string{a}, nil, "")),
			}, func(t *testing.T, s *script) {
				c := s.client()
				var told []string
				for l, err := range c.AsCompleted(t.Context(), c.Event("a"), c.Event("b")) {
					if err != nil {
						t.Fatal(err)
					}
					told = append(told, l.Ref)
				}
				if diff := cmp.Diff([]string{"event:a", "event:b"}, told); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				for range c.AsCompleted(t.Context(), c.Event("a")) {
				}
				want := `{"for":{"all":[{"settled":"event:a"},{"settled":"event:b"}]},"timeout":"1s"}`
				if s.bodies[2] != want || s.asked[3].Header.Get("Accept") != "" {
					t.Errorf("asked %s, accepting %q", s.bodies[1], s.asked[3].Header.Get("Accept"))
				}
			})
		})
	}
}

// What cannot be decoded ends a stream, and what is refused does.
func TestABadStreamIsAnError(t *testing.T) {
	for name, first := range map[string]answer{
		"leaf":     sse("event: completed\ndata: {\n\n", false),
		"decision": sse("event: decided\ndata: {\n\n", false),
		"refusal":  refuses(api.CodeUnknownFuture),
		"answer":   says(200, "{"),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, []answer{first}, func(t *testing.T, s *script) {
				n := 0
				for _, err := range s.client().AsCompleted(t.Context(), client.Settled(client.Sleep(1))) {
					if n++; err == nil {
						t.Error("no error")
					}
				}
				if n != 1 {
					t.Errorf("%d items, want one error", n)
				}
			})
		})
	}
}
