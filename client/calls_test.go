package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

// script is a server that gives one answer after the other, and remembers how it was asked. It needs no network, so
// that it can live in the bubble of a test, where pauses cost nothing.
type script struct {
	t       *testing.T
	answers []func(w http.ResponseWriter, r *http.Request) error // an error is a broken connection
	asked   []*http.Request
	bodies  []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		read, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(read)
	}
	s.asked, s.bodies = append(s.asked, r), append(s.bodies, body)
	if len(s.asked) > len(s.answers) {
		s.t.Errorf("call %d: %s %s %s: nothing more was expected", len(s.asked), r.Method, r.URL, body)
		return nil, errors.New("the script is at its end")
	}
	w := httptest.NewRecorder()
	if err := s.answers[len(s.asked)-1](w, r); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// client is a client of this server.
func (s *script) client(options ...client.Option) *client.Client {
	return newClient(s.t, "http://awaitd.test/prefix", append(options, client.HTTPClient(&http.Client{Transport: s}))...)
}

// play runs a story against scripted answers in virtual time; all answers must have been asked for.
func play(t *testing.T, answers []answer, story func(t *testing.T, s *script)) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: answers}
		story(t, s)
		if len(s.asked) != len(answers) {
			t.Errorf("%d calls, want %d", len(s.asked), len(answers))
		}
	})
}

type answer = func(w http.ResponseWriter, r *http.Request) error

// says answers with a status, headers ("Name: value") and a JSON text.
func says(status int, text string, headers ...string) answer {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, err := io.WriteString(w, text)
		return err
	}
}

func refuses(code api.Code, headers ...string) answer {
	p := api.NewProblem(code, "")
	text := fmt.Sprintf(`{"type":%q,"title":%q,"status":%d,"detail":"so it is","code":%q}`,
		p.Type, p.Title, p.Status, code)
	return says(p.Status, text, append(headers, "Content-Type: application/problem+json")...)
}

func breaks(op string) answer {
	return func(http.ResponseWriter, *http.Request) error { return &net.OpError{Op: op, Err: errors.New("broken")} }
}

// future is a future of kind promise as the wire shows it.
func future(state api.State) string {
	return `{"id":"p","kind":"promise","state":"` + string(state) + `","version":1,` +
		`"created_at":"2026-11-22T18:00:00.000Z","labels":{},"attempts":[],"result":{"json":1},"links":{}}`
}

var event = `{"name":"e","set":%v,"generation":%d,"links":{}}`

// What creates is repeated under one key until it is answered: when the server is busy, when it is about to stop, when
// a proxy cannot reach it, when the connection breaks at any point.
func TestWhatCreatesIsRepeatedUnderOneKey(t *testing.T) {
	play(t, []answer{
		refuses(api.CodeBusy, "Retry-After: 1"), breaks("dial"), breaks("read"), refuses(api.CodeDraining, "Retry-After: 5"),
		says(502, "<html>", "Content-Type: text/html"), says(201, future(api.StatePending)),
	}, func(t *testing.T, s *script) {
		told := 0
		c := s.client(client.OnRetry(func(error, time.Duration) { told++ }))
		f, err := c.Promise(t.Context(), "p", client.Traceparent("00-1-1-01"))
		if err != nil || f.ID() != "p" {
			t.Fatalf("%v, %v", f, err)
		}
		if told != 5 {
			t.Errorf("told of %d failures, want 5", told)
		}
		for i, r := range s.asked {
			if r.Header.Get("Idempotency-Key") != s.asked[0].Header.Get("Idempotency-Key") || s.bodies[i] != s.bodies[0] {
				t.Errorf("call %d differs", i)
			}
		}
		if s.asked[0].URL.Path != "/prefix/futures" || s.asked[0].Header.Get("Traceparent") == "" ||
			len(s.asked[0].Header.Get("Idempotency-Key")) < 20 || s.bodies[0] != `{"kind":"promise","id":"p"}` {
			t.Errorf("asked %s %v %s", s.asked[0].URL, s.asked[0].Header, s.bodies[0])
		}
	})
}

// A set counts, so it is repeated only when the server did nothing or was not reached.
func TestASetIsNotRepeatedWhenItMayHaveCounted(t *testing.T) {
	for name, how := range map[string]struct {
		first  answer
		repeat bool
	}{
		"busy":         {refuses(api.CodeBusy), true},
		"too many":     {refuses(api.CodeTooManyEvents), true},
		"not reached":  {breaks("dial"), true},
		"broken":       {breaks("read"), false},
		"bad gateway":  {says(502, ""), false},
		"server fault": {refuses(api.CodeInternal), false},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []answer{how.first}
			if how.repeat {
				answers = append(answers, says(200, fmt.Sprintf(event, true, 1)))
			}
			play(t, answers, func(t *testing.T, s *script) {
				_, err := s.client().Event("e").Set(t.Context(), nil)
				if (err == nil) != how.repeat {
					t.Errorf("err = %v", err)
				}
			})
		})
	}
}

// What is no use to repeat is not: the caller's mistakes, a fault of the server, an answer of somebody else.
func TestWhatWillNotChangeIsNotRepeated(t *testing.T) {
	for name, first := range map[string]answer{
		"mistake":   refuses(api.CodeInvalidRequest),
		"fault":     refuses(api.CodeInternal),
		"full":      refuses(api.CodeStorageFull),
		"stranger":  says(200, "<html>", "Content-Type: text/html"),
		"redirect":  says(301, "", "Location: http://elsewhere.test/"),
		"not JSON":  says(200, "{"),
		"not found": says(404, "nothing here", "Content-Type: text/plain"),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, []answer{first}, func(t *testing.T, s *script) {
				if _, err := s.client().Future("p").Get(t.Context()); err == nil {
					t.Error("no error")
				}
			})
		})
	}
}

// A refusal that is no problem of the API is told by what it is.
func TestAStrangersRefusalIsToldApart(t *testing.T) {
	play(t, []answer{says(404, "nothing here\nat all", "Content-Type: text/plain")}, func(t *testing.T, s *script) {
		_, err := s.client().Loop(t.Context())
		p, ok := errors.AsType[*client.Problem](err)
		if !ok || p.Code != "" || p.Status != 404 || !strings.Contains(p.Error(), `"nothing here"`) {
			t.Errorf("err = %v", err)
		}
	})
}

// Patience ends a call that gets nowhere, with the last reason; without patience it is tried once. A server that asks
// for more patience than there is ends it at once.
func TestPatienceEnds(t *testing.T) {
	always := func(a answer, n int) (all []answer) {
		for range n {
			all = append(all, a)
		}
		return all
	}
	for _, c := range []struct {
		patience time.Duration
		answers  []answer
	}{
		{0, always(refuses(api.CodeBusy, "Retry-After: 1"), 1)},
		{10 * time.Second, always(refuses(api.CodeBusy, "Retry-After: 3"), 4)},
		{10 * time.Second, always(refuses(api.CodeBusy, "Retry-After: 60"), 1)},
	} {
		play(t, c.answers, func(t *testing.T, s *script) {
			if _, err := s.client(client.Patience(c.patience)).Loop(t.Context()); client.CodeOf(err) != api.CodeBusy {
				t.Errorf("err = %v", err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: always(breaks("dial"), 1000)}
		if _, err := s.client().Loop(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("err = %v", err)
		}
		if n := len(s.asked); n < 8 || n > 30 { // pauses double up to 5 s, for 30 s
			t.Errorf("%d tries", n)
		}
	})
}

// A context that ends during a pause ends the call.
func TestAContextEndsAPause(t *testing.T) {
	play(t, []answer{refuses(api.CodeBusy, "Retry-After: 20")}, func(t *testing.T, s *script) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.client().Loop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
	})
}

// Await polls until the future is settled, survives a restart in between, and never in a hurry.
func TestAwaitPollsUntilSettled(t *testing.T) {
	play(t, []answer{
		says(202, future(api.StatePending)), breaks("read"), refuses(api.CodeDraining, "Retry-After: 5"), breaks("dial"),
		refuses(api.CodeNotReady, "Retry-After: 5"), says(202, future(api.StatePending)),
		says(200, future(api.StateCancelled)),
	}, func(t *testing.T, s *script) {
		f := s.client(client.Hold(7 * time.Second)).Future("p")
		began := time.Now()
		settled, err := f.Await(t.Context())
		if failed, ok := errors.AsType[*client.FailedError](err); !ok || failed.Future != settled {
			t.Errorf("err = %v", err)
		}
		if took := time.Since(began); took < 11*time.Second {
			t.Errorf("it took %v, less than it was asked to", took)
		}
		if got := s.asked[0].URL.String(); got != "http://awaitd.test/prefix/futures/p?wait=7s" {
			t.Errorf("asked %s", got)
		}
		if again, _ := f.Await(t.Context()); again != settled { // no call
			t.Error("a settled future was asked for again")
		}
	})
}

// An event that is set and cleared between two polls is not missed.
func TestWaitingForAnEventMissesNothing(t *testing.T) {
	play(t, []answer{
		says(202, fmt.Sprintf(event, false, 4)), says(200, fmt.Sprintf(event, false, 6)),
	}, func(t *testing.T, s *script) {
		now, err := s.client().Event("e").Wait(t.Context())
		if err != nil || now.Generation != 6 {
			t.Errorf("%+v, %v", now, err)
		}
		if got := s.asked[1].URL.RawQuery; got != "after=4&wait=25s" {
			t.Errorf("asked %s", got)
		}
	})
}

// A result that is not there yet is waited for.
func TestAResultIsWaitedFor(t *testing.T) {
	play(t, []answer{
		says(202, future(api.StatePending)),
		says(200, "body", "Content-Type: text/x", "Content-Encoding: zz", "Awaitd-Upstream-Status: 203"),
	}, func(t *testing.T, s *script) {
		r, err := s.client().Future("p").Result(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body = nil
		want := &client.Result{Status: 203, ContentType: "text/x", ContentEncoding: "zz", Bytes: -1}
		if diff := cmp.Diff(want, r); diff != "" || err != nil || string(body) != "body" {
			t.Errorf("%v, body %q (-want +got):\n%s", err, body, diff)
		}
	})
}
