package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/api/contract"
	"github.com/awaitd/awaitd/client"
)

// patient ends a test that hangs; nothing here should come near it.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// dial is a client of the server that all tests share; every call and answer is held against the contract.
func dial(t *testing.T, options ...client.Option) *client.Client {
	t.Helper()
	spec, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	checked := client.HTTPClient(&http.Client{Transport: spec.Transport(t, transport)})
	return newClient(t, serverURL, append([]client.Option{checked}, options...)...)
}

func newClient(t *testing.T, url string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// must ends the test when a call fails, and is its value otherwise.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A fetch that fails the first time succeeds the second; the handle knows the attempts without another call.
func TestAFetchIsAwaitedThroughItsRetries(t *testing.T) {
	c, ctx := dial(t), patient(t)
	backoff := api.Duration(time.Millisecond)
	f := must[*client.Future](t)(c.Fetch(ctx, api.FetchRequest{
		URL: targetURL + "/flaky?" + t.Name(), Retry: &api.Retry{MinBackoff: &backoff},
	}))
	settled := must[*api.Future](t)(f.Await(ctx))
	if len(settled.Attempts) != 2 || string(settled.Result.JSON) != `"at last"` {
		t.Errorf("attempts %v, result %s", settled.Attempts, settled.Result.JSON)
	}
	if f.Seen() != settled {
		t.Error("the handle did not keep what it heard")
	}
	var text string
	if err := f.JSON(ctx, &text); err != nil || text != "at last" {
		t.Errorf("JSON: %q, %v", text, err)
	}
}

// What was awaited and failed is an error that says why, and the answer that was not accepted is still there.
func TestAFetchThatFailedIsAnError(t *testing.T) {
	c, ctx := dial(t), patient(t)
	f := must[*client.Future](t)(c.Fetch(ctx, api.FetchRequest{URL: targetURL + "/missing"}))
	settled, err := f.Await(ctx)
	failed, ok := errors.AsType[*client.FailedError](err)
	if !ok || failed.Future != settled || settled.Error.Type != api.ErrorHTTPStatus || *settled.Result.Status != 404 {
		t.Fatalf("settled %+v, err %v", settled, err)
	}
	if !strings.Contains(err.Error(), "http_status") || !strings.Contains(err.Error(), f.ID()) {
		t.Errorf("the error does not say what failed: %v", err)
	}
	if err := f.JSON(ctx, new(any)); !errors.As(err, &failed) {
		t.Errorf("JSON of a failed future: %v", err)
	}
	if _, err := f.Result(ctx); !errors.As(err, &failed) || failed.Future.ID != f.ID() {
		t.Errorf("Result of a failed future: %v", err)
	}
}

// A result comes byte for byte; one that an answer does not show is fetched for JSON.
func TestALongResultIsReadWhole(t *testing.T) {
	c, ctx := dial(t), patient(t)
	f := must[*client.Future](t)(c.Fetch(ctx, api.FetchRequest{URL: targetURL + "/big"}))
	var text string
	if err := f.JSON(ctx, &text); err != nil || len(text) != 300<<10 {
		t.Errorf("%d characters, %v", len(text), err)
	}
	r := must[*client.Result](t)(f.Result(ctx))
	defer func() { _ = r.Body.Close() }()
	body := must[[]byte](t)(io.ReadAll(r.Body))
	if r.Status != 200 || r.ContentType != "application/json" || r.Bytes != int64(len(body)) || len(body) != 300<<10+2 {
		t.Errorf("status %d, type %q, %d bytes, read %d", r.Status, r.ContentType, r.Bytes, len(body))
	}
	body2 := "not JSON"
	echo := must[*client.Future](t)(c.Fetch(ctx, api.FetchRequest{
		URL: targetURL + "/echo", Method: "POST", Body: &body2,
	}))
	if err := echo.JSON(ctx, new(any)); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("JSON of text: %v", err)
	}
}

// Promises: made, found taken, resolved, rejected, and settled only once.
func TestPromisesSettleOnce(t *testing.T) {
	c, ctx := dial(t), patient(t)
	p := must[*client.Future](t)(c.Promise(ctx, t.Name()))
	if _, err := c.Promise(ctx, t.Name()); client.CodeOf(err) != api.CodeIDTaken {
		t.Errorf("a second promise of the name: %v", err)
	}
	awaited := make(chan error, 1)
	go func() {
		_, err := p.Await(ctx)
		awaited <- err
	}()
	must[*api.Future](t)(c.Future(t.Name()).Resolve(ctx, map[string]int{"a": 1}))
	if err := <-awaited; err != nil {
		t.Error(err)
	}
	must[*api.Future](t)(p.Resolve(ctx, map[string]int{"a": 1}))
	_, err := p.Resolve(ctx, 2)
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Code != api.CodeAlreadySettled || string(problem.Future.Result.JSON) != `{"a":1}` {
		t.Errorf("another outcome: %v", err)
	}

	q := must[*client.Future](t)(c.Promise(ctx, ""))
	must[*api.Future](t)(q.Reject(ctx, api.RejectRequest{Message: "no"}))
	failed := &client.FailedError{}
	if _, err := q.Await(ctx); !errors.As(err, &failed) || failed.Future.Error.Message != "no" {
		t.Errorf("awaiting a rejected promise: %v", err)
	}
	if _, err := c.Wait(ctx, client.All(q)); !errors.As(err, &failed) || !strings.Contains(err.Error(), "rejected: no") {
		t.Errorf("waiting for a rejected promise: %v", err)
	}
	if a, err := c.Wait(ctx, client.Settled(q), client.Results(api.ResultsNone)); err != nil || a.Done[0].Future != nil {
		t.Errorf("settled: %+v, %v", a, err)
	}
	if err := errors.Join(q.Delete(ctx), q.Delete(ctx)); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// A cancelled timer stays cancelled, and is one future of a list by label; an unlabelled one is not.
func TestFuturesAreCancelledAndListed(t *testing.T) {
	c, ctx := dial(t), patient(t)
	after := api.Duration(time.Hour)
	for i := range 5 {
		f := must[*client.Future](t)(c.Create(ctx, api.FutureRequest{
			Kind: api.KindTimer, After: &after, Labels: map[string]string{"test": t.Name(), "n": fmt.Sprint(i)},
		}))
		if i < 3 {
			must[*api.Future](t)(f.Cancel(ctx))
			must[*api.Future](t)(f.Cancel(ctx))
		}
	}
	must[*client.Future](t)(c.Timer(ctx, time.Hour))
	count := func(filter client.FutureFilter) (n int) {
		filter.Labels = map[string]string{"test": t.Name()}
		for f, err := range c.Futures(ctx, filter) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Labels["test"] != t.Name() {
				t.Errorf("%s is not of this test", f.ID)
			}
			n++
		}
		return n
	}
	got := []int{
		count(client.FutureFilter{}), count(client.FutureFilter{State: api.StateCancelled}),
		count(client.FutureFilter{State: api.StatePending, Kind: api.KindTimer}),
		count(client.FutureFilter{Kind: api.KindFetch}),
	}
	if diff := cmp.Diff([]int{5, 3, 2, 0}, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// A list longer than a page is one list; who stops early is not asked for more.
func TestAListGoesOverItsPages(t *testing.T) {
	c, ctx := dial(t), patient(t)
	const n = 250 // a page has 100
	for i := range n {
		must[*api.Event](t)(c.Event(fmt.Sprintf("%s/%03d", t.Name(), i)).Set(ctx, nil))
	}
	seen := 0
	for e, err := range c.Events(ctx, t.Name()+"/") {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%s/%03d", t.Name(), seen); e.Name != want {
			t.Fatalf("item %d is %s, want %s", seen, e.Name, want)
		}
		seen++
	}
	if seen != n {
		t.Errorf("%d events, want %d", seen, n)
	}
	for range c.Events(ctx, t.Name()+"/") {
		break
	}
}

// Events carry each kind of payload, count, and wake who waits.
func TestEventsCarryPayloads(t *testing.T) {
	c, ctx := dial(t), patient(t)
	e := c.Event(t.Name() + "/a:b")
	if now := must[*api.Event](t)(e.Get(ctx)); now.Set || now.Generation != 0 {
		t.Errorf("an event that was never set: %+v", now)
	}
	woken := make(chan *api.Event, 1)
	go func() {
		now, err := e.Wait(ctx)
		if err != nil {
			t.Error(err)
		}
		woken <- now
	}()
	for i, c := range []struct {
		payload any
		shown   string
	}{
		{nil, "none"},
		{"text", "text/plain; charset=utf-8 text"},
		{[]byte{0xff}, "application/octet-stream /w=="},
		{client.Payload{ContentType: "application/xml", Body: []byte("<a/>")}, "application/xml <a/>"},
		{map[string]bool{"ok": true}, `application/json {"ok":true}`},
	} {
		now := must[*api.Event](t)(e.Set(ctx, c.payload))
		if now.Generation != uint64(i+1) || showPayload(now.Payload) != c.shown {
			t.Errorf("generation %d, payload %s; want %d, %s", now.Generation, showPayload(now.Payload), i+1, c.shown)
		}
	}
	if now := <-woken; now == nil || now.Generation == 0 {
		t.Errorf("woken by %+v", now)
	}
	if now := must[*api.Event](t)(e.Clear(ctx)); now.Set || now.Generation != 5 {
		t.Errorf("cleared: %+v", now)
	}
	if now := must[*api.Event](t)(e.Pulse(ctx, nil)); now.Set || now.Generation != 6 {
		t.Errorf("pulsed: %+v", now)
	}
	if now := must[*api.Event](t)(e.Next(ctx, 5)); now.Generation != 6 {
		t.Errorf("next after 5: %+v", now)
	}
	if now := must[*api.Event](t)(e.SetFor(ctx, nil, time.Hour)); now.ExpiresAt == nil {
		t.Error("a set with a ttl does not expire")
	}
	must[*api.WaitAnswer](t)(c.Wait(ctx, client.All(e.After(6), e.Times(7))))
	if err := e.Delete(ctx); err != nil {
		t.Error(err)
	}
	if now := must[*api.Event](t)(e.Get(ctx)); now.Generation != 0 {
		t.Errorf("a deleted event: %+v", now)
	}
}

func showPayload(p *api.Payload) string {
	switch {
	case p == nil:
		return "none"
	case p.JSON != nil:
		return p.ContentType + " " + string(p.JSON)
	case p.Text != nil:
		return p.ContentType + " " + *p.Text
	default:
		return p.ContentType + " " + base64.StdEncoding.EncodeToString(p.Base64)
	}
}

// Leaves come as they complete, each once, and those that fail are no error.
func TestAsCompletedYieldsEachLeafOnce(t *testing.T) {
	c, ctx := dial(t), patient(t)
	good := must[*client.Future](t)(c.Promise(ctx, ""))
	bad := must[*client.Future](t)(c.Promise(ctx, ""))
	e := c.Event(t.Name())
	must[*api.Future](t)(bad.Reject(ctx, api.RejectRequest{Message: "no"}))
	var order []string
	for leaf, err := range c.AsCompleted(ctx, client.All(good, bad), e, e) {
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, leaf.Ref+" "+string(leaf.Outcome))
		switch len(order) {
		case 1:
			must[*api.Event](t)(e.Set(ctx, nil))
		case 3:
			must[*api.Future](t)(good.Resolve(ctx, 1))
		}
	}
	want := []string{
		bad.ID() + " failed", e.Expr().String() + " satisfied", e.Expr().String() + " satisfied",
		good.ID() + " satisfied",
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for leaf := range c.AsCompleted(ctx, good, bad) {
		if leaf.Ref != good.ID() && leaf.Ref != bad.ID() {
			t.Errorf("leaf %+v", leaf)
		}
		break
	}
	for range c.AsCompleted(ctx) {
		t.Error("nothing to wait for, and yet something completed")
	}
}

// A durable wait is a future like others: it settles when its expression is decided, whoever is connected.
func TestADurableWaitIsAFuture(t *testing.T) {
	c, ctx := dial(t), patient(t)
	e := c.Event(t.Name())
	wait := must[*client.Future](t)(c.Durable(ctx, client.Any(e, client.Sleep(time.Hour))))
	must[*api.Event](t)(e.Set(ctx, nil))
	settled := must[*api.Future](t)(wait.Await(ctx))
	if settled.Result.Outcome != api.OutcomeSatisfied || len(settled.Result.Done) != 1 {
		t.Errorf("result %+v", settled.Result)
	}
	after := e.Expr()
	f := must[*client.Future](t)(c.Fetch(ctx, api.FetchRequest{URL: targetURL + "/hello", After: &after}))
	must[*api.Future](t)(f.Await(ctx))
}

// A group is awaited, cancelled and renewed as one; a member that fails closes it if it was made so.
func TestAGroupIsOne(t *testing.T) {
	c, ctx := dial(t), patient(t)
	lease := api.Duration(time.Minute)
	g := must[*client.Group](t)(c.NewGroup(ctx, api.GroupRequest{
		CancelOnFailure: true, Lease: &lease, Labels: map[string]string{"test": t.Name()},
	}))
	waiting := must[*client.Future](t)(c.Create(ctx, api.FutureRequest{Kind: api.KindPromise, Group: g.ID()}))
	if now := must[*api.Group](t)(g.Renew(ctx)); now.Members.Pending != 1 || g.Seen() != now {
		t.Errorf("renewed: %+v", now)
	}
	kept, leave := context.WithCancelCause(ctx)
	why := errors.New("enough")
	leave(why)
	if err := g.Keep(kept); !errors.Is(err, why) {
		t.Errorf("keep: %v", err)
	}
	must[*client.Future](t)(g.Fetch(ctx, api.FetchRequest{URL: targetURL + "/missing"}))
	failed := &client.FailedError{}
	if now, err := g.Await(ctx); !errors.As(err, &failed) || failed.Group != now || now.State != api.GroupClosed {
		t.Errorf("await: %+v, %v", now, err)
	}
	if _, err := waiting.Await(ctx); !errors.As(err, &failed) || failed.Future.State != api.StateCancelled {
		t.Errorf("the other member: %v", err)
	}
	if _, err := c.Wait(ctx, client.All(g)); err == nil || !strings.Contains(err.Error(), g.ID()) {
		t.Errorf("wait: %v", err)
	}
	if err := g.Keep(ctx); client.CodeOf(err) != api.CodeGroupClosed {
		t.Errorf("keep what is closed: %v", err)
	}
	must[*api.Group](t)(g.Cancel(ctx))
	members := 0
	for f, err := range c.Futures(ctx, client.FutureFilter{Group: g.ID()}) {
		if err != nil || f.Group != g.ID() {
			t.Fatalf("member %+v, %v", f, err)
		}
		members++
	}
	listed := 0
	for now, err := range c.Groups(ctx, map[string]string{"test": t.Name()}) {
		if err != nil || now.ID != g.ID() {
			t.Fatalf("group %+v, %v", now, err)
		}
		listed++
	}
	if members != 2 || listed != 1 {
		t.Errorf("%d members, listed %d times", members, listed)
	}
	if _, err := c.Group("grp_x").Get(ctx); client.CodeOf(err) != api.CodeInvalidRequest {
		t.Errorf("an id that cannot be: %v", err)
	}
}

// A context that ends ends the wait, with its cause, and the answer shows what is still pending.
func TestAContextEndsAWait(t *testing.T) {
	c := dial(t)
	set, unset := c.Event(t.Name()+":set"), c.Event(t.Name()+":unset")
	must[*api.Event](t)(set.Set(patient(t), nil))
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(patient(t))
	answer, err := c.Wait(ctx, client.All(set, unset), client.Each(func(api.Leaf) { cancel(why) }))
	if !errors.Is(err, why) {
		t.Errorf("err = %v, want the cause", err)
	}
	if len(answer.Done) != 1 || len(answer.Pending) != 1 || answer.Pending[0].Ref != unset.Expr().String() {
		t.Errorf("answer %+v", answer)
	}
	if _, err := c.Event("never").Wait(ctx); !errors.Is(err, why) {
		t.Errorf("event: %v", err)
	}
	if _, err := c.Future("never").Await(ctx); !errors.Is(err, why) {
		t.Errorf("future: %v", err)
	}
}

// A key of the caller's own finds what was created before, and refuses to create something else.
func TestAnIdempotencyKeyFindsWhatWasCreated(t *testing.T) {
	c, ctx := dial(t), patient(t)
	request := api.FetchRequest{URL: targetURL + "/hello"}
	first := must[*client.Future](t)(c.Fetch(ctx, request, client.IdempotencyKey(t.Name())))
	again := must[*client.Future](t)(c.Fetch(ctx, request, client.IdempotencyKey(t.Name())))
	other := must[*client.Future](t)(c.Fetch(ctx, request))
	if first.ID() != again.ID() || first.ID() == other.ID() {
		t.Errorf("first %s, again %s, other %s", first.ID(), again.ID(), other.ID())
	}
	request.Method = "HEAD"
	_, err := c.Fetch(ctx, request, client.IdempotencyKey(t.Name()))
	if client.CodeOf(err) != api.CodeIdempotencyMismatch {
		t.Errorf("another request under the key: %v", err)
	}
}

// What cannot be a name is refused before it is sent, as the problem that the server would have answered with.
func TestWhatCannotBeANameIsNotSent(t *testing.T) {
	c := newClient(t, "http://127.0.0.1:1", client.Patience(0))
	for _, err := range []error{
		second(c.Event("..").Get(t.Context())), c.Event("a b").Delete(t.Context()),
		second(c.Future("../events").Get(t.Context())), second(c.Future("").Cancel(t.Context())),
		second(c.Future("fut_x").Result(t.Context())), c.Future("a/b").Delete(t.Context()),
	} {
		if client.CodeOf(err) != api.CodeInvalidRequest {
			t.Errorf("err = %v, want invalid-request", err)
		}
	}
	for _, url := range []string{
		"", "127.0.0.1:8080", "ftp://a", "http://", "http://a?b", "http://u:p@a", "http://a#b", ":",
	} {
		if _, err := client.New(url); err == nil {
			t.Errorf("New(%q) took it", url)
		}
	}
	for _, text := range []string{"", "a,b", "evnt:a", "fut_1", "sleep:x"} {
		if _, err := client.ParseRef(text); err == nil {
			t.Errorf("ParseRef(%q) took it", text)
		}
	}
	if ref, err := client.ParseRef("deploy-ok"); err != nil || ref.Expr().String() != "event:deploy-ok" {
		t.Errorf("ParseRef: %v, %v", ref, err)
	}
}

func second[T any](_ T, err error) error { return err }

// A server with keys is called with one.
func TestAKeyIsSent(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	line := fmt.Sprintf("ci:%x\n", sha256.Sum256([]byte("secret")))
	if err := os.WriteFile(keys, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	p := server(t, "--memory", "--api-keys-file", keys)
	with, without := newClient(t, p.url, client.APIKey("secret")), newClient(t, p.url)
	if _, err := with.Loop(patient(t)); err != nil {
		t.Error(err)
	}
	if _, err := without.Loop(patient(t)); client.CodeOf(err) != api.CodeUnauthorized {
		t.Errorf("without a key: %v", err)
	}
}

// Waits that are under way survive the death of the server, and are decided by what happens after its restart.
func TestWaitsSurviveARestartOfTheServer(t *testing.T) {
	dir, ctx := t.TempDir(), patient(t)
	p := server(t, "--addr", "127.0.0.1:0", "--data-dir", dir)
	retried := make(chan struct{}, 1)
	c := newClient(t, p.url, client.OnRetry(func(error, time.Duration) {
		select {
		case retried <- struct{}{}:
		default:
		}
	}))
	promise := must[*client.Future](t)(c.Promise(ctx, "kept"))
	e := c.Event("kept")
	before := must[*client.Future](t)(c.Promise(ctx, "before"))
	must[*api.Future](t)(before.Resolve(ctx, 1))
	errs := make(chan error, 4)
	go func() { errs <- second(promise.Await(ctx)) }()
	go func() { errs <- second(e.Wait(ctx)) }()
	go func() { errs <- second(c.Wait(ctx, client.All(promise, e))) }()
	var completed []string // over a stream, whose first message came before the restart
	first := make(chan struct{})
	go func() {
		var fault error
		for leaf, err := range c.AsCompleted(ctx, before, promise, e) {
			if completed, fault = append(completed, leaf.Ref), err; len(completed) == 1 {
				close(first)
			}
		}
		errs <- fault
	}()
	<-first
	for { // all four are held
		if state := must[*api.LoopState](t)(c.Loop(ctx)); state.Waiters == 4 {
			break
		}
	}
	if err := p.end(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-retried
	server(t, "--addr", strings.TrimPrefix(p.url, "http://"), "--data-dir", dir)
	must[*api.Event](t)(e.Set(ctx, nil))
	must[*api.Future](t)(promise.Resolve(ctx, "still here"))
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	slices.Sort(completed) // what happened before the stream was back comes in the order in which it was named
	if diff := cmp.Diff([]string{"event:kept", "future:before", "future:kept"}, completed); diff != "" {
		t.Errorf("completed (-want +got):\n%s", diff)
	}
}
