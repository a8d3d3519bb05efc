package fetch

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"pgregory.net/rapid"
)

// now is the clock of tables.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// undecided is an attempt that has not run, with a clock that stands and the given random bits for ever.
func undecided(r *record.Request, bits uint64) *attempt {
	o := Options{Guard: &Guard{}, Now: func() time.Time { return now }, Rand: func() uint64 { return bits }}
	f := &Fetcher{options: o, exit: &exit{}}
	return newAttempt(f, &flight{job: Job{ID: "fut_A", N: 1, Request: r.Pack()}, ctx: bare, cancel: func(error) {}})
}

// The goal: the whole table of what is worth another attempt, and what must not have one.
func TestWhatIsTriedAgain(t *testing.T) {
	unknown := errors.New("net/http: something")
	for _, c := range []struct {
		name     string
		status   int   // of an answer, 0 for none
		err      error // of an exchange
		get      bool
		post     bool // not sent
		sent     bool // a POST that may have been sent
		sentWith bool // the same with retry.non_idempotent
	}{
		{"200", 200, nil, false, false, false, false},
		{"204", 204, nil, false, false, false, false},
		{"301", 301, nil, false, false, false, false},
		{"400", 400, nil, false, false, false, false},
		{"404", 404, nil, false, false, false, false},
		{"429", 429, nil, true, true, false, true},
		{"500", 500, nil, true, true, false, true},
		{"503", 503, nil, true, true, false, true},
		{"999", 999, nil, false, false, false, false},
		{"0", 0, nil, false, false, false, false},
		{"egress", 0, failDenied, false, false, false, false},
		{"egress in an error", 0, &url.Error{Err: &net.OpError{Err: &Refusal{"x"}}}, false, false, false, false},
		{"aborted", 0, failAborted, false, false, false, false},
		{"closing", 0, failClosing, true, true, false, true},
		{"deadline", 0, failDeadline, false, false, false, false},
		{"slow", 0, failSlow, true, true, false, true},
		{"header time", 0, failHeader, true, true, false, true},
		{"timeout", 0, failTimeout(time.Second), true, true, false, true},
		{"101", 0, failSwitch, false, false, false, false},
		{"broken off", 0, failClosed, true, true, false, true},
		{"EOF", 0, io.ErrUnexpectedEOF, true, true, false, true},
		{"garbage", 0, unknown, true, true, false, true},
		{"too large", 0, failTooLarge(1), false, false, false, false},
		{"redirect", 0, failRedirect("x"), false, false, false, false},
		{"store", 0, failStore, true, true, false, true},
		{"rules", 0, failRequest, false, false, false, false},
		{"dns", 0, dnsFailure(unknown), true, true, false, true},
		{"connect", 0, connectFailure(unknown), true, true, false, true},
		{"handshake", 0, tlsFailure(unknown), true, true, false, true},
	} {
		var resp *http.Response
		if c.err == nil {
			resp = &http.Response{StatusCode: c.status}
		}
		for _, m := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
			a := undecided(request("http://x.example/", method(m)), 0)
			a.sent.Store(true)
			if got, _ := a.decide(resp, c.err); got != c.get {
				t.Errorf("%s %s: retry %v, want %v", m, c.name, got, c.get)
			}
		}
		for _, m := range []string{"POST", "PATCH"} {
			a := undecided(request("http://x.example/", method(m)), 0)
			if got, _ := a.decide(resp, c.err); got != c.post {
				t.Errorf("%s not sent, %s: retry %v, want %v", m, c.name, got, c.post)
			}
			a.sent.Store(true)
			if got, _ := a.decide(resp, c.err); got != c.sent {
				t.Errorf("%s sent, %s: retry %v, want %v", m, c.name, got, c.sent)
			}
			a.asked.Retry.NonIdempotent = true
			if got, _ := a.decide(resp, c.err); got != c.sentWith {
				t.Errorf("%s sent and asked for, %s: retry %v, want %v", m, c.name, got, c.sentWith)
			}
		}
	}
}

func TestAnAcceptedStatusIsNotTriedAgainThoughListed(t *testing.T) {
	a := undecided(request("http://x.example/", accept(503, 503)), 0)
	if again, _ := a.decide(&http.Response{StatusCode: 503}, nil); again {
		t.Error("503 is accepted and tried again")
	}
}

func TestTheLastAttemptIsTheLast(t *testing.T) {
	a := undecided(request("http://x.example/"), 0)
	for n, want := range map[int]bool{1: true, 3: true, 4: false, 5: false} {
		a.job.N = n
		if again, wait := a.decide(nil, failClosed); again != want || !again && wait != 0 {
			t.Errorf("attempt %d of 4: retry %v after %v", n, again, wait)
		}
	}
}

// The goal: an attempt that could start only at the deadline or after it is not announced.
func TestNoAttemptIsAnnouncedPastTheDeadline(t *testing.T) {
	a := undecided(request("http://x.example/"), 0) // waits exactly 500ms
	for left, want := range map[time.Duration]bool{
		time.Hour: true, 501 * time.Millisecond: true, 500 * time.Millisecond: false, 0: false, -time.Hour: false,
	} {
		a.job.DeadlineAt = now.Add(left)
		if again, _ := a.decide(nil, failClosed); again != want {
			t.Errorf("%v left: retry %v, want %v", left, again, want)
		}
	}
	far := &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"1800"}}}
	a.job.DeadlineAt = now.Add(20 * time.Minute)
	if again, _ := a.decide(far, nil); again {
		t.Error("waits half an hour with 20 minutes left")
	}
	a.job.DeadlineAt = now.Add(40 * time.Minute)
	if again, wait := a.decide(far, nil); !again || wait != 30*time.Minute {
		t.Errorf("with 40 minutes left: retry %v after %v", again, wait)
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"0", 0, true},
		{"1", time.Second, true},
		{"120", 2 * time.Minute, true},
		{" 120 ", 2 * time.Minute, true},
		{"0000120", 2 * time.Minute, true},
		{"3600", time.Hour, true},
		{"3601", 0, false},
		{"999999999999", 0, false}, // 31 000 years
		{"3876300000", 0, false},   // 122 years
		{"9223372037", 0, false},   // overflows to a negative wait
		{"99999999999999999999999", 0, false},
		{"-1", 0, false},
		{"-9223372036854775808", 0, false},
		{"+5", 0, false},
		{"1.5", 0, false},
		{"1e3", 0, false},
		{"0x10", 0, false},
		{"5s", 0, false},
		{"", 0, false},
		{"soon", 0, false},
		{"٥", 0, false},
		{date(90 * time.Second), 90 * time.Second, true},
		{date(time.Hour), time.Hour, true},
		{date(time.Hour + time.Second), 0, false},
		{date(-time.Second), 0, true},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 0, false},
		{"Fri, 31 Dec 1999 23:59:59 GMT", 0, true},
		{"Sunday, 22-Nov-26 12:00:10 GMT", 10 * time.Second, true}, // RFC 850
		{"Sun Nov 22 12:00:10 2026", 10 * time.Second, true},       // asctime
		{"Sun, 22 Nov 2026 12:00:10 CET", 0, false},
		{"Sun, 32 Nov 2026 12:00:10 GMT", 0, false},
	} {
		got, ok := retryAfter([]string{c.text, "7"}, now)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %v %v, want %v %v", c.text, got, ok, c.want, c.ok)
		}
	}
	if _, ok := retryAfter(nil, now); ok {
		t.Error("no header gives a wait")
	}
}

// The goal: the ceiling doubles from twice the least wait to the longest, and never overflows.
func TestBackoffDoublesUpToItsBound(t *testing.T) {
	const least, most = 500 * time.Millisecond, 30 * time.Second
	low := undecided(request("http://x.example/"), 0)
	for n, ceiling := range []time.Duration{
		time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, most, most,
	} {
		if got := low.backoff(least, most, n, nil); got != least {
			t.Errorf("attempt %d draws %v at the low end, want %v", n, got, least)
		}
		high := undecided(request("http://x.example/"), uint64(ceiling-least))
		if got := high.backoff(least, most, n, nil); got != ceiling {
			t.Errorf("attempt %d draws %v at the high end, want %v", n, got, ceiling)
		}
	}
	for _, n := range []int{30, 62, 63, 64, 1000} {
		if got := low.backoff(time.Millisecond, BackoffMost, n, nil); got != time.Millisecond {
			t.Errorf("attempt %d: %v", n, got)
		}
		high := undecided(request("http://x.example/"), uint64(BackoffMost-time.Millisecond))
		if got := high.backoff(time.Millisecond, BackoffMost, n, nil); got != BackoffMost {
			t.Errorf("attempt %d: %v, want the longest", n, got)
		}
	}
	if got := low.backoff(time.Second, time.Second, 5, nil); got != time.Second {
		t.Errorf("least and longest the same: %v", got)
	}
}

// The goal: what failed together does not come back together, not even after a Retry-After they all were given.
func TestRetryAfterIsSpreadButNeverShortened(t *testing.T) {
	resp := &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"60"}}}
	for bits, want := range map[uint64]time.Duration{
		0: time.Minute, uint64(500 * time.Millisecond): time.Minute + 500*time.Millisecond,
		uint64(100 * time.Millisecond): time.Minute + 100*time.Millisecond,
	} {
		a := undecided(request("http://x.example/"), bits)
		if got := a.backoff(500*time.Millisecond, 30*time.Second, 0, resp); got != want {
			t.Errorf("%d: %v, want %v", bits, got, want)
		}
	}
}

func TestEveryWaitHasABound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := time.Duration(rapid.Int64Range(int64(BackoffLeast), int64(BackoffMost)).Draw(t, "least"))
		most := time.Duration(rapid.Int64Range(int64(least), int64(BackoffMost)).Draw(t, "most"))
		n := rapid.IntRange(0, 1000).Draw(t, "n")
		bits := rapid.Uint64().Draw(t, "bits")
		var resp *http.Response
		low, high := least, most
		if seconds := rapid.Int64().Draw(t, "retry-after"); rapid.Bool().Draw(t, "answered") {
			resp = &http.Response{Header: http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}}
			if asked := time.Duration(seconds) * time.Second; seconds >= 0 && seconds <= 3600 {
				low, high = asked, asked+least
			}
		}
		if got := undecided(request("http://x.example/"), bits).backoff(least, most, n, resp); got < low || got > high {
			t.Fatalf("waits %v, want %v to %v", got, low, high)
		}
	})
}

// The goal: no text of a header makes a wait that is negative or longer than an hour.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{
		"120", "-1", "9223372037", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun Nov 22 12:00:10 2026", "1e9", " 3600 ",
	} {
		f.Add(s, uint64(7))
	}
	f.Fuzz(func(t *testing.T, text string, bits uint64) {
		if wait, ok := retryAfter([]string{text}, now); ok && (wait < 0 || wait > RetryAfterMax) {
			t.Fatalf("%q gives %v", text, wait)
		}
		resp := &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {text}}}
		wait := undecided(request("http://x.example/"), bits).backoff(time.Second, time.Minute, 3, resp)
		if wait < 0 || wait > RetryAfterMax+time.Second {
			t.Fatalf("%q makes us wait %v", text, wait)
		}
	})
}
