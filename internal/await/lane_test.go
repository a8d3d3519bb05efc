package await

import (
	"fmt"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
)

// keys is the remembered keys in their order.
func (s *story) keys() string {
	var all []string
	for _, k := range s.state.keyPage("", 1000).Keys {
		all = append(all, k.Key)
	}
	return strings.Join(all, " ")
}

// Of keys that nobody needs the server remembers as many as it says, the latest, and of the others not even a fact.
// Keys that are needed do not count.
func TestIdleKeysAreBounded(t *testing.T) {
	s := newStory(t)
	s.limits.KeysIdleMax = 2
	s.begin()
	for n := range 5 {
		s.run(strings.Fields(fmt.Sprintf("submit busy%d key=busy%d concurrency=1", n, n)))
		s.run(strings.Fields(fmt.Sprintf("submit done%d key=done%d concurrency=1", n, n)))
	}
	for n := range 5 {
		s.run(strings.Fields(fmt.Sprintf("ok done%d", n)))
	}
	if got, want := s.keys(), "busy0 busy1 busy2 busy3 busy4 done3 done4"; got != want {
		t.Errorf("remembered: %s, want %s", got, want)
	}
	if got, want := strings.Join(sorted(s.bounds), " "), s.keys(); got != want {
		t.Errorf("facts of %s, want of %s", got, want)
	}
	if n := s.state.queue.circuits[record.CircuitClosed]; n != 7 {
		t.Errorf("%d closed circuits", n)
	}
}

// Pages of keys meet without gap or overlap.
func TestKeysComeInPages(t *testing.T) {
	inHouse(t, DefaultLimits(), func(h *house) {
		for n := range 7 {
			h.submit(fmt.Sprintf("f%d", n))
		}
		after, got := "", ""
		for more := true; more; {
			page, err := h.kernel.Keys(h.Context(), after, 3)
			if err != nil || len(page.Keys) == 0 {
				h.Fatal(page, err)
			}
			for _, k := range page.Keys {
				got += k.Key + " "
				after = k.Key
			}
			more = page.More
		}
		if want := "f0.example f1.example f2.example f3.example f4.example f5.example f6.example "; got != want {
			h.Errorf("keys %s, want %s", got, want)
		}
	})
}

// A page of futures says of each that waits how its key stands, as reading it alone does.
func TestAPageTellsWhyFuturesWait(t *testing.T) {
	inHouse(t, small(), func(h *house) {
		for _, id := range []string{"a", "b", "c"} {
			f := newFetch(id)
			f.LimitKey, f.Limit = "k", &record.LimitSettings{Rate: 1, Period: 1000_000_000_000}
			if _, err := h.kernel.Submit(h.Context(), f); err != nil {
				h.Fatal(err)
			}
		}
		page, _, err := h.kernel.Futures(h.Context(), record.FutureQuery{Limit: 10})
		if err != nil || len(page) != 3 {
			h.Fatal(page, err)
		}
		for _, v := range page {
			if one := h.future(v.ID); one.Reason != v.Reason || one.Queue != v.Queue || one.NextAttemptAt != v.NextAttemptAt {
				h.Errorf("%s: %+v on a page, %+v alone", v.ID, v, one)
			}
			if v.State == record.StatePending && (v.Reason != record.ReasonRateLimited || v.NextAttemptAt == 0) {
				h.Errorf("%s: %+v", v.ID, v.Future)
			}
		}
	})
}

// A host is one however it is written, so that no spelling is a way around what its key or the server allows it.
func TestAHostHasOneName(t *testing.T) {
	s := &State{}
	for url, want := range map[string]string{
		"http://a.example/":                  "a.example",
		"http://a.example:80/?x":             "a.example",
		"https://a.example:443/":             "a.example",
		"https://a.example?x=http://b/":      "a.example",
		"https://a.example#/@b.example":      "a.example",
		"https://a.example:80/":              "a.example:80",
		"http://a.example:443/":              "a.example:443",
		"http://192.0.2.1:8080/":             "192.0.2.1:8080",
		"http://[::ffff:192.0.2.1]:80/":      "192.0.2.1",
		"http://[::ffff:c000:201]:81/":       "192.0.2.1:81",
		"http://[2001:db8:0:0::1]/":          "[2001:db8::1]",
		"http://[2001:db8::0001]:8080/x:80/": "[2001:db8::1]:8080",
	} {
		first, again := s.hostOf(url), s.hostOf(url)
		if got := hostOf(url); got != want || first != want || again != want {
			t.Errorf("%s: %s, %s, %s, want %s", url, got, first, again, want)
		}
	}
}
