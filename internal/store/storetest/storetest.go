// Package storetest is the conformance suite of a store: what the kernel relies on, whatever the back end.
package storetest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// Run demands of each store that open gives what the kernel relies on. Each test gets a store of its own.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for name, test := range map[string]func(*testing.T, *store.Store){
		"AFactIsReadAsItWasCommitted":          factIsReadAsCommitted,
		"WhatWasNeverCommittedIsAbsent":        neverCommittedIsAbsent,
		"FuturesAreListedNewestFirst":          listedNewestFirst,
		"FiltersKeepWhatMatches":               filtersKeepWhatMatches,
		"PagesMeetWithoutGapOrOverlap":         pagesMeet,
		"AFutureMovesWithItsState":             movesWithItsState,
		"ARetryIsPendingUntilItRuns":           retryMovesThereAndBack,
		"ARunningFutureMayBeForgotten":         runningForgotten,
		"EventsAreListedByName":                eventsByName,
		"LimitsAreKeptByKey":                   limitsByKey,
		"PendingCallbacksAreLoaded":            pendingCallbacks,
		"ExpiredFuturesAreSwept":               expiredAreSwept,
		"DroppedFuturesLeaveNoTrace":           droppedLeaveNoTrace,
		"LongBodiesLieBesideTheFactAndGoToo":   longBodies,
		"ShortBodiesLieInTheFact":              shortBodies,
		"AForeignCursorIsRefused":              foreignCursor,
		"AnEmptyCommitStillMovesThePosition":   emptyCommit,
		"WhatWasCountedStaysSo":                countedStays,
		"AReaderSeesAScanWhileCommitsGoOn":     scanWhileCommitting,
		"AFutureIsFoundWhileItSettles":         foundWhileItSettles,
		"ASweepTakesNoMoreThanItsShareAtATime": sweepIsBounded,
		"GroupsAreKeptUntilForgotten":          groupsAreKept,
		"DecidedLeavesAreKeptUntilForgotten":   leavesAreKept,
		"AStateIsListedForItself":              listedForItself,
		"StatesAreMergedByTime":                mergedByTime,
		"AFactMayBeForgottenByAChange":         forgottenByChange,
		"AnIDMayComeBack":                      idComesBack,
		"ACallbackIsOwedUnderAnIDThatCameBack": idComesBackOwing,
		"AKeyIsReadUntilItIsSwept":             keyUntilSwept,
		"AKeyUsedAnewOutlivesItsFirstExpiry":   keyUsedAnew,
		"LoadVisitsWhatIsOpenOldestFirst":      loadVisits,
		"LoadEndsWithTheFirstError":            loadEnds,
		"ABodyIsReadFromAnywhere":              bodyFromAnywhere,
		"ABodyThatNobodyOwnsIsRemoved":         looseBody,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			test(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

var start = record.TimeOf(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))

// commit commits b and waits for it.
func commit(t *testing.T, s *store.Store, b *record.Batch) {
	t.Helper()
	done := make(chan error, 2)
	s.Commit(b, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatalf("commit: %v", err)
	}
	if len(done) != 0 {
		t.Fatal("commit was done twice")
	}
}

// future is the n-th future by time. Every other one has an id that the server made, the rest one that a caller chose.
func future(n int, state record.State) *record.Future {
	f := &record.Future{
		ID: fmt.Sprintf("job-%d", n), Kind: record.KindFetch, State: state, Version: 1,
		CreatedAt: start + record.Time(n),
		Terms:     &record.Terms{Labels: []record.Label{{Key: "parity", Value: fmt.Sprint(n % 2)}}},
	}
	if n%2 == 1 {
		var u ulid.ULID
		_ = u.SetTime(uint64(f.CreatedAt)) // it fits
		f.ID = "fut_" + u.String()
	}
	if state.Settled() {
		f.SettledAt = start + 1000
		f.ExpiresAt = start + 100_000 + record.Time(n)
	}
	return f
}

func create(futures ...*record.Future) *record.Batch {
	b := &record.Batch{At: start}
	for _, f := range futures {
		b.Futures = append(b.Futures, record.FutureChange{Is: f})
	}
	return b
}

func ids(page []*record.Future) string {
	var out []string
	for _, f := range page {
		out = append(out, fmt.Sprintf("%04d", f.CreatedAt-start))
	}
	return strings.Join(out, " ")
}

func list(t *testing.T, s *store.Store, q record.FutureQuery) string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	page, next, err := s.Futures(q)
	if err != nil || next != "" {
		t.Fatalf("list %+v: next %q, err %v", q, next, err)
	}
	return ids(page)
}

func factIsReadAsCommitted(t *testing.T, s *store.Store) {
	f := future(1, record.StatePending)
	e := &record.Event{Name: "a/b:c", Set: true, Generation: 3, Payload: &record.Payload{Data: []byte("x")}}
	b := create(f)
	b.Events = []record.EventFact{{Name: e.Name, Is: e}}
	commit(t, s, b)
	got, err := s.Future(f.ID)
	if diff := cmp.Diff(f, got); err != nil || diff != "" {
		t.Errorf("future: %v\n%s", err, diff)
	}
	event, err := s.Event(e.Name)
	if diff := cmp.Diff(e, event); err != nil || diff != "" {
		t.Errorf("event: %v\n%s", err, diff)
	}
}

func neverCommittedIsAbsent(t *testing.T, s *store.Store) {
	if f, err := s.Future("fut_none"); f != nil || err != nil {
		t.Errorf("future = %v, %v", f, err)
	}
	if e, err := s.Event("none"); e != nil || err != nil {
		t.Errorf("event = %v, %v", e, err)
	}
	if got := list(t, s, record.FutureQuery{}); got != "" {
		t.Errorf("list = %q", got)
	}
	if p, err := s.Position(); p != 0 || err != nil {
		t.Errorf("position = %d, %v", p, err)
	}
}

func limitsByKey(t *testing.T, s *store.Store) {
	limit := func(key string, rate int) record.LimitFact {
		return record.LimitFact{Key: key, Is: &record.Limit{Key: key, LimitSettings: record.LimitSettings{Rate: rate}}}
	}
	commit(t, s, &record.Batch{Limits: []record.LimitFact{limit("b", 1), limit("a:1/x", 2), limit("c", 3)}})
	commit(t, s, &record.Batch{Limits: []record.LimitFact{{Key: "b"}, limit("c", 4), {Key: "never"}}})
	got := ""
	err := s.Limits(func(l *record.Limit) error {
		got += fmt.Sprint(l.Key, "=", l.Rate, " ")
		return nil
	})
	if err != nil || got != "a:1/x=2 c=4 " {
		t.Errorf("limits = %q, %v", got, err)
	}
	if err := s.Limits(func(*record.Limit) error { return io.ErrNoProgress }); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("the error of a visit: %v", err)
	}
}

// Of the settled futures a restart reads those whose callback is pending, and nothing sweeps them.
func pendingCallbacks(t *testing.T, s *store.Store) {
	with := func(n int, state record.CallbackState) *record.Future {
		f := future(n, record.StateSucceeded)
		f.Callback = &record.Callback{URL: "http://a.example/", State: state}
		if state == record.CallbackPending {
			f.ExpiresAt = 0
		}
		return f
	}
	loaded := func() string {
		var all []*record.Future
		err := s.Load(func(f *record.Future) error {
			all = append(all, f)
			return nil
		}, func(*record.Event) error { return nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ids(all)
	}
	a, b, c := with(1, record.CallbackPending), with(2, record.CallbackPending), with(3, record.CallbackPending)
	commit(t, s, create(future(4, record.StatePending), a, b, c, with(5, record.CallbackDelivered)))
	commit(t, s, &record.Batch{At: start + 200_000})
	if got := loaded(); got != "0004 0001 0002 0003" {
		t.Errorf("loaded %q", got)
	}
	later := record.FutureQuery{State: record.StateSucceeded, Exists: start + 200_000}
	if got := list(t, s, later); got != "0003 0002 0001" {
		t.Errorf("listed %q", got)
	}
	done := with(1, record.CallbackDelivered)
	commit(t, s, &record.Batch{At: start, Futures: []record.FutureChange{
		{Was: a, Is: done}, {Was: b, Is: with(2, record.CallbackPending)},
	}, Dropped: []string{c.ID}})
	if got := loaded(); got != "0004 0002" {
		t.Errorf("then loaded %q", got)
	}
	commit(t, s, &record.Batch{Futures: []record.FutureChange{{Was: b}}})
	if got := loaded(); got != "0004" {
		t.Errorf("at last loaded %q", got)
	}
	if n := s.Count(record.KindFetch, record.StateSucceeded); n != 1 {
		t.Errorf("%d are left", n)
	}
}

func listedNewestFirst(t *testing.T, s *store.Store) {
	commit(t, s, create(future(2, record.StatePending), future(1, record.StatePending)))
	commit(t, s, create(future(3, record.StateRunning)))
	if got := list(t, s, record.FutureQuery{}); got != "0003 0002 0001" {
		t.Errorf("list = %q", got)
	}
}

func filtersKeepWhatMatches(t *testing.T, s *store.Store) {
	timer := future(5, record.StatePending)
	timer.Kind = record.KindTimer
	commit(
		t,
		s,
		create(future(1, record.StatePending), future(2, record.StateRunning), future(3, record.StateSucceeded),
			future(4, record.StateFailed), timer),
	)
	for want, q := range map[string]record.FutureQuery{
		"0005 0001":      {State: record.StatePending},
		"0002":           {State: record.StateRunning},
		"0003":           {State: record.StateSucceeded},
		"":               {State: record.StateCancelled},
		"0005":           {Kind: record.KindTimer},
		"0004 0002":      {Label: &record.Label{Key: "parity", Value: "0"}},
		"0005 0003 0001": {Label: &record.Label{Key: "parity", Value: "1"}},
		"0001": {
			Label: &record.Label{Key: "parity", Value: "1"}, Kind: record.KindFetch, State: record.StatePending,
		},
		"0005 0002 0001": {Exists: start + 200_000}, // the settled ones have expired by then
	} {
		if got := list(t, s, q); got != want {
			t.Errorf("%+v: %q, want %q", q, got, want)
		}
	}
	if got := list(t, s, record.FutureQuery{Label: &record.Label{Key: "parity", Value: ""}}); got != "" {
		t.Errorf("a label that nobody has: %q", got)
	}
}

func pagesMeet(t *testing.T, s *store.Store) {
	var all []*record.Future
	for n := range 25 {
		all = append(all, future(n, []record.State{record.StatePending, record.StateRunning}[n/2%2]))
	}
	commit(t, s, create(all...))
	odd := &record.Label{Key: "parity", Value: "1"}
	for _, q := range []record.FutureQuery{
		{Limit: 7},
		{Limit: 5},
		{Limit: 3, Label: odd},
		{Limit: 4, State: record.StatePending},
		{Limit: 5, State: record.StateRunning},
	} {
		want := list(t, s, record.FutureQuery{Label: q.Label, State: q.State})
		var got []string
		for pages := 0; ; pages++ {
			page, next, err := s.Futures(q)
			if err != nil || pages > 20 {
				t.Fatalf("page %d: %v", pages, err)
			}
			if len(page) > 0 {
				got = append(got, ids(page))
			}
			if q.After = next; next == "" {
				break
			}
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("limit %d: pages gave %q, want %q", q.Limit, joined, want)
		}
	}
}

func movesWithItsState(t *testing.T, s *store.Store) {
	pending, settled := future(1, record.StatePending), future(1, record.StateSucceeded)
	commit(t, s, create(pending))
	if n := s.Count(record.KindFetch, record.StatePending); n != 1 {
		t.Errorf("pending before: %d", n)
	}
	commit(t, s, &record.Batch{At: start, Futures: []record.FutureChange{{Was: pending, Is: settled}}})
	if got := list(t, s, record.FutureQuery{State: record.StatePending}); got != "" {
		t.Errorf("still listed as pending: %q", got)
	}
	if got := list(t, s, record.FutureQuery{State: record.StateSucceeded}); got != "0001" {
		t.Errorf("succeeded: %q", got)
	}
	if p, n := s.Count(record.KindFetch, record.StatePending), s.Count(record.KindFetch, record.StateSucceeded); p != 0 ||
		n != 1 {
		t.Errorf("counts: pending %d, succeeded %d", p, n)
	}
}

func eventsByName(t *testing.T, s *store.Store) {
	b := &record.Batch{At: start}
	for _, name := range []string{"b", "a", "ab", "aa", "c"} {
		b.Events = append(b.Events, record.EventFact{Name: name, Is: &record.Event{Name: name, Generation: 1}})
	}
	commit(t, s, b)
	commit(t, s, &record.Batch{At: start, Events: []record.EventFact{{Name: "aa"}}})
	var got []string
	after := ""
	for range 5 {
		page, next, err := s.Events("a", after, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			got = append(got, e.Name)
		}
		if after = next; next == "" {
			break
		}
	}
	if strings.Join(got, " ") != "a ab" {
		t.Errorf("events with prefix a: %q", got)
	}
}

func expiredAreSwept(t *testing.T, s *store.Store) {
	early, late := future(1, record.StateSucceeded), future(2, record.StateSucceeded)
	late.ExpiresAt = start + 500_000
	commit(t, s, create(early, late))
	if found, err := s.Sweepable(early.ExpiresAt - 1); found || err != nil {
		t.Errorf("sweepable before its time: %v, %v", found, err)
	}
	if found, err := s.Sweepable(early.ExpiresAt); !found || err != nil {
		t.Errorf("not sweepable at its time: %v, %v", found, err)
	}
	commit(t, s, &record.Batch{At: early.ExpiresAt})
	if got := list(t, s, record.FutureQuery{}); got != "0002" {
		t.Errorf("left after the sweep: %q", got)
	}
	if n := s.Count(record.KindFetch, record.StateSucceeded); n != 1 {
		t.Errorf("count after the sweep: %d", n)
	}
}

func droppedLeaveNoTrace(t *testing.T, s *store.Store) {
	f := future(1, record.StateFailed)
	commit(t, s, create(f))
	commit(t, s, &record.Batch{At: start, Dropped: []string{f.ID, f.ID, "fut_unknown"}})
	if got, err := s.Future(f.ID); got != nil || err != nil {
		t.Errorf("still there: %v, %v", got, err)
	}
	for _, q := range []record.FutureQuery{{}, {State: record.StateFailed}, {Label: &f.Labels()[0]}} {
		if got := list(t, s, q); got != "" {
			t.Errorf("%+v still lists %q", q, got)
		}
	}
	commit(t, s, &record.Batch{At: f.ExpiresAt})
	if found, err := s.Sweepable(f.ExpiresAt); found || err != nil {
		t.Errorf("its expiry is still there: %v, %v", found, err)
	}
	if n := s.Count(record.KindFetch, record.StateFailed); n != 0 {
		t.Errorf("count: %d", n)
	}
}

func writeBody(t *testing.T, s *store.Store, text string) record.Body {
	t.Helper()
	w, err := s.NewBody()
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range strings.SplitSeq(text, "|") {
		if _, err := io.WriteString(w, chunk); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readBody(s *store.Store, b record.Body) (string, error) {
	r, err := s.OpenBody(b)
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return string(text), err
}

func longBodies(t *testing.T, s *store.Store) {
	text := strings.Repeat("x", store.InlineBytesMax+1)
	body := writeBody(t, s, text)
	if body.Inline != nil || body.Ref == "" || body.Bytes != int64(len(text)) {
		t.Fatalf("body = %d bytes inline, ref %q, %d bytes", len(body.Inline), body.Ref, body.Bytes)
	}
	f := future(1, record.StateSucceeded)
	f.Result = &record.Result{Status: 200, Body: body}
	commit(t, s, create(f))
	if got, err := readBody(s, body); got != text || err != nil {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	expectGone(t, s, body, f.ExpiresAt)
}

// expectGone commits until a body is gone: it goes when the commit that takes it is durable, or soon after.
func expectGone(t *testing.T, s *store.Store, body record.Body, at record.Time) {
	t.Helper()
	for range 100_000 {
		commit(t, s, &record.Batch{At: at})
		if _, err := readBody(s, body); err != nil {
			return
		}
	}
	t.Error("the body is still there")
}

func shortBodies(t *testing.T, s *store.Store) {
	for _, text := range []string{"", "a|b|c"} {
		body := writeBody(t, s, text)
		want := strings.ReplaceAll(text, "|", "")
		if body.Inline == nil || string(body.Inline) != want || body.Ref != "" {
			t.Errorf("body = %+v", body)
		}
		if got, err := readBody(s, body); got != want || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	}
	w, err := s.NewBody()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "unwanted")
	w.Discard()
}

func foreignCursor(t *testing.T, s *store.Store) {
	commit(t, s, create(future(1, record.StatePending), future(2, record.StatePending)))
	_, next, err := s.Futures(record.FutureQuery{Limit: 1})
	if err != nil || next == "" {
		t.Fatalf("next %q, err %v", next, err)
	}
	for _, q := range []record.FutureQuery{
		{Limit: 1, After: "?"}, {Limit: 1, After: "AAAA"}, {Limit: 1, After: next, State: record.StatePending},
	} {
		if _, _, err := s.Futures(q); !errors.Is(err, store.ErrCursor) {
			t.Errorf("%+v: err = %v, want ErrCursor", q, err)
		}
	}
	if _, _, err := s.Events("b", "YQ", 1); !errors.Is(err, store.ErrCursor) { // "a"
		t.Errorf("events: err = %v, want ErrCursor", err)
	}
	if _, _, err := s.Events("", "?", 1); !errors.Is(err, store.ErrCursor) {
		t.Errorf("events: err = %v, want ErrCursor", err)
	}
}

func emptyCommit(t *testing.T, s *store.Store) {
	commit(t, s, &record.Batch{Position: 7, At: start})
	if p, err := s.Position(); p != 7 || err != nil {
		t.Errorf("position = %d, %v", p, err)
	}
}

// countedStays: what was counted stays so, whatever later commits say of it.
func countedStays(t *testing.T, s *store.Store) {
	for i, one := range []struct{ counted, want uint64 }{{0, 0}, {5, 5}, {0, 5}, {9, 9}} {
		commit(t, s, &record.Batch{Position: uint64(i + 1), At: start, Counted: one.counted})
		if n, err := s.Counted(); n != one.want || err != nil {
			t.Errorf("commit %d: counted %d, %v, want %d", i, n, err, one.want)
		}
	}
}

func scanWhileCommitting(t *testing.T, s *store.Store) {
	var all []*record.Future
	for n := range 500 {
		all = append(all, future(n, record.StatePending))
	}
	commit(t, s, create(all...))
	read := make(chan error)
	go func() {
		for range 20 {
			page, _, err := s.Futures(record.FutureQuery{Limit: 500, State: record.StatePending})
			if err == nil && len(page) != 500 {
				err = fmt.Errorf("a page of %d", len(page))
			}
			if err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	for n := range 200 {
		f := future(1000+n, record.StateSucceeded)
		commit(t, s, create(f))
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}

func sweepIsBounded(t *testing.T, s *store.Store) {
	var all []*record.Future
	for n := range store.SweepMax + 10 {
		f := future(n, record.StateSucceeded)
		f.ExpiresAt = start + 1
		all = append(all, f)
	}
	commit(t, s, create(all...))
	for want := int64(10); want >= 0; want -= 10 {
		commit(t, s, &record.Batch{At: start + 1})
		if n := s.Count(record.KindFetch, record.StateSucceeded); n != want {
			t.Errorf("%d left, want %d", n, want)
		}
	}
}
