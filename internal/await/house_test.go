package await

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a kernel at work inside a synctest bubble, with a fetcher that the test plays and a store it can hold up.
type house struct {
	*testing.T
	kernel  *Kernel
	fetcher *targets
	store   *slowStore
	limits  Limits
	ended   chan error
}

// inHouse runs story with a kernel that is running. Time is the bubble's: it passes when everybody sleeps.
func inHouse(t *testing.T, limits Limits, story func(*house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{
			T: t, fetcher: &targets{}, ended: make(chan error, 1),
			store: &slowStore{Store: store.OpenMemory()},
		}
		h.limits = limits
		h.begin()
		defer func() { h.end() }()
		story(h)
	})
}

// begin starts a kernel on what the store has.
func (h *house) begin() {
	h.Helper()
	k, err := New(Options{
		Limits: h.limits, Store: h.store, Sequencer: sequence.NewLocal(0), Fetcher: h.fetcher, Wall: time.Now(),
	})
	if err == nil {
		err = k.Recover(nil)
	}
	if err != nil {
		h.Fatal(err)
	}
	h.kernel = k
	go func() { h.ended <- k.Run() }()
	synctest.Wait()
}

// restart ends the kernel, of which only the store is left, and starts another.
func (h *house) restart() {
	h.Helper()
	h.end()
	h.begin()
}

func (h *house) end() {
	if err := h.kernel.CallSoonThreadsafe(h.kernel.Stop); err == nil {
		if err := <-h.ended; err != nil {
			h.Errorf("the kernel ended with %v", err)
		}
	}
	if err := h.kernel.Close(); err != nil {
		h.Error(err)
	}
}

// small limits, so that tests can reach them.
func small() Limits {
	l := DefaultLimits()
	l.WorkersMax = 2
	return l
}

// targets is the fetcher of a test: it keeps what was launched and aborted, and answers when it is told to.
type targets struct {
	mu       sync.Mutex
	launched []fetch.Job
	aborted  []string
	refuses  *Kernel // takes the outcomes of launches, once the fetcher is closed
}

func (f *targets) Launch(j fetch.Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses != nil {
		f.refuses.Outcome(&record.Outcome{
			ID: j.ID, Attempt: record.Attempt{N: j.N, Failure: &record.Failure{Type: record.FailCancelled}}, Retry: true,
		})
		return
	}
	f.launched = append(f.launched, j)
}

func (f *targets) Abort(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = append(f.aborted, id)
}

// take returns what was launched since the last call, as "id#attempt".
func (f *targets) take() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, j := range f.launched {
		out = append(out, fmt.Sprintf("%s#%d", j.ID, j.N))
	}
	f.launched = nil
	return out
}

// slowStore is a store whose commits a test can hold back or make fail.
type slowStore struct {
	*store.Store
	mu      sync.Mutex
	holding bool
	held    []func()
	fail    error
	commits int
}

func (s *slowStore) Commit(b *record.Batch, done func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.fail != nil {
		done(s.fail)
		return
	}
	if s.holding {
		s.held = append(s.held, func() {
			var result error
			s.Store.Commit(b, func(err error) { result = err })
			done(result)
		})
		return
	}
	s.Store.Commit(b, done)
}

func (s *slowStore) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// letGo makes the commits that are held durable; later ones are held again if more is true.
func (s *slowStore) letGo(more bool) {
	s.mu.Lock()
	held := s.held
	s.held, s.holding = nil, more
	s.mu.Unlock()
	for _, commit := range held {
		commit()
	}
	synctest.Wait()
}

var errDisk = errors.New("disk on fire")

// submit creates fetches of these ids, with one host each unless the id says "host/…".
func (h *house) submit(ids ...string) {
	h.Helper()
	var all []record.NewFuture
	for _, id := range ids {
		all = append(all, newFetch(id))
	}
	if _, err := h.kernel.Submit(h.Context(), all...); err != nil {
		h.Error(err)
	}
}

// create makes futures as told.
func (h *house) create(futures ...record.NewFuture) {
	h.Helper()
	if _, err := h.kernel.Submit(h.Context(), futures...); err != nil {
		h.Error(err)
	}
}

func waitFuture(id, expr string) record.NewFuture {
	return record.NewFuture{ID: id, Kind: record.KindWait, For: []byte(expr)}
}

// resting is the fact of a pending wait.
func resting(id, expr string) *record.Future {
	return &record.Future{
		ID: id, Kind: record.KindWait, State: record.StatePending, Wait: &record.Wait{For: []byte(expr)},
	}
}

func fetchAfter(id, expr string) record.NewFuture {
	f := newFetch(id)
	f.For = []byte(expr)
	return f
}

func newFetch(id string) record.NewFuture {
	return record.NewFuture{ID: id, Kind: record.KindFetch, Request: requestTo(id + ".example").Pack()}
}

func requestTo(host string) *record.Request {
	return &record.Request{
		Method: "GET", URL: "http://" + host + "/", Retry: record.Retry{AttemptsMax: 3},
		Headers: []record.Header{{Name: "Authorization", Values: []string{"Bearer secret"}}}, Body: []byte("secret"),
	}
}

func toPOST(r *record.Request) { r.Method = "POST" }

// altered is p after edit.
func altered(p record.Packed, edit func(*record.Request)) record.Packed {
	r := p.Open()
	edit(r)
	return r.Pack()
}

func (h *house) promise(ids ...string) {
	h.Helper()
	for _, id := range ids {
		if _, err := h.kernel.Submit(h.Context(), record.NewFuture{ID: id, Kind: record.KindPromise}); err != nil {
			h.Error(err)
		}
	}
}

// succeed ends attempt n of a fetch with a 200.
func (h *house) succeed(id string, n int) {
	h.kernel.Outcome(&record.Outcome{
		ID: id, Attempt: record.Attempt{N: n, Status: 200, Duration: time.Millisecond},
		Result: &record.Result{Status: 200, Body: record.Body{Bytes: 2, Inline: []byte("ok")}},
	})
	synctest.Wait()
}

// failWith ends attempt n of a fetch with a failure, to be tried again after retryAfter unless that is negative.
func (h *house) failWith(id string, n int, failure record.FailureType, retryAfter time.Duration) {
	h.kernel.Outcome(&record.Outcome{
		ID:      id,
		Attempt: record.Attempt{N: n, Failure: &record.Failure{Type: failure, Message: "It failed."}},
		Retry:   retryAfter >= 0, RetryAfter: max(retryAfter, 0),
	})
	synctest.Wait()
}

func (h *house) future(id string) View {
	h.Helper()
	v, err := h.kernel.Future(h.Context(), id)
	if err != nil {
		h.Error(err)
		return View{Future: &record.Future{}}
	}
	return v
}

// state is a future in a few words: state, reason and failure type.
func (h *house) state(id string) string {
	h.Helper()
	f := h.future(id)
	words := stateNames[f.State]
	if f.Reason != 0 {
		words += [...]string{"", " delayed", " queued", " rate_limited", " circuit_open", " backoff", " waiting"}[f.Reason]
	}
	if f.Failure != nil {
		words += " " + string(f.Failure.Type)
	}
	return words
}

func (h *house) set(name string) EventAnswer    { return h.change(name, record.EventSet) }
func (h *house) pulse(name string) EventAnswer  { return h.change(name, record.EventPulse) }
func (h *house) clear(name string) EventAnswer  { return h.change(name, record.EventClear) }
func (h *house) forget(name string) EventAnswer { return h.change(name, record.EventDelete) }

func (h *house) change(name string, op record.EventOp) EventAnswer {
	h.Helper()
	a, err := h.kernel.ChangeEvent(h.Context(), &record.EventChange{Name: name, Op: op})
	if err != nil {
		h.Fatal(err)
	}
	return a
}

// held is a wait that runs beside the test.
type held struct {
	answer chan *WaitAnswer
	err    chan error
	leave  context.CancelFunc
}

// wait begins a wait of a minute and lets it go to sleep.
func (h *house) wait(expr string) *held {
	h.Helper()
	return h.waitFor(WaitRequest{For: h.expr(expr), Timeout: time.Minute})
}

func (h *house) waitFor(r WaitRequest) *held {
	ctx, cancel := context.WithCancel(h.Context())
	w := &held{make(chan *WaitAnswer, 1), make(chan error, 1), cancel}
	go func() {
		a, err := h.kernel.Wait(ctx, r)
		if err != nil {
			w.err <- err
			return
		}
		w.answer <- a
	}()
	synctest.Wait()
	return w
}

func (h *house) expr(text string) *api.Expr {
	h.Helper()
	var e api.Expr
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		h.Fatalf("%s: %v", text, err)
	}
	return &e
}

// now is what a wait has to say at this moment: "sleeps", an error, or its answer in a line.
func (w *held) now() string {
	synctest.Wait()
	select {
	case a := <-w.answer:
		return line(a)
	case err := <-w.err:
		return err.Error()
	default:
		return "sleeps"
	}
}

// line is an answer in a line: "satisfied: event:a fut_1(failed) | event:b", done before pending.
func line(a *WaitAnswer) string {
	out := a.Outcome.String() + ":"
	for _, l := range a.Done {
		out += " " + l.Expr.String()
		if l.Outcome == Failed {
			out += "(failed)"
		}
	}
	for i, l := range a.Pending {
		if i == 0 {
			out += " |"
		}
		out += " " + l.Expr.String()
	}
	return out
}
