package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/bench/report"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/store"
)

// measureKernel has fetches live through the kernel on disk, and in turn with that through a log that does nothing but
// append their facts. Then as many facts are appended once more without callers: as fast as the disk goes.
func measureKernel(t *report.Table, s settings) error {
	for round := range s.rounds {
		k, err := open(filepath.Join(s.dir, fmt.Sprintf("kernel-%d", round)))
		if err != nil {
			return err
		}
		k.store.keep = true
		took, err := s.live(k.submitAndAwait)
		if err == nil {
			k.store.keep = false
			err = measureSingles(t, s.dir, single{"one caller's set through the kernel, on disk", k.set})
		}
		if err = errors.Join(err, k.close()); err != nil {
			return err
		}
		logged, syncs, err := measureRawLog(filepath.Join(s.dir, fmt.Sprintf("log-%d", round)), s)
		if err != nil {
			return err
		}
		raw, bytes, err := appendRaw(filepath.Join(s.dir, fmt.Sprintf("raw-%d", round)), k.store)
		if err != nil {
			return err
		}
		n := float64(s.lives)
		t.Add("lifecycles through the kernel, on disk", "/s", n/took.Seconds())
		t.Add("the same callers and facts, appended raw", "/s", n/logged.Seconds())
		t.Add("ratio of these: kernel to raw", "", logged.Seconds()/took.Seconds())
		t.Add("lifecycles a commit of the kernel", "", n/float64(len(k.store.commits)))
		t.Add("lifecycles a sync of the raw log", "", n/float64(syncs))
		t.Add("as many facts as it committed, appended without callers, one fdatasync a commit", "/s", n/raw.Seconds())
		t.Add("bytes of facts a lifecycle", "B", float64(bytes)/n)
	}
	return nil
}

// appendRaw writes as many facts as each commit had to a new file and returns how long writing and syncing took.
func appendRaw(path string, n *noted) (took time.Duration, bytes int, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(path)) }()
	running, settled := record.AppendFuture(nil, n.running), record.AppendFuture(nil, n.settled)
	for _, c := range n.commits {
		facts := append(slices.Repeat(running, c.running), slices.Repeat(settled, c.settled)...)
		began := time.Now()
		if _, err := file.Write(facts); err != nil {
			return 0, 0, err
		}
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return 0, 0, err
		}
		took += time.Since(began)
		bytes += len(facts)
	}
	return took, bytes, nil
}

// kernel is one with everything real but HTTP: the store on disk, and attempts that succeed at once.
type kernel struct {
	*await.Kernel
	store *noted
	ended chan error
}

// noted is a store that remembers how much was committed, if asked to: how many facts of futures that run and that are
// settled each commit had, and the last fact of either kind.
type noted struct {
	*store.Store
	keep             bool
	commits          []struct{ running, settled int }
	running, settled *record.Future
}

func (n *noted) Commit(b *record.Batch, done func(error)) {
	if n.keep {
		var c struct{ running, settled int }
		for _, f := range b.Futures {
			if f.Is.State.Settled() {
				c.settled++
				n.settled = f.Is
			} else {
				c.running++
				n.running = f.Is
			}
		}
		n.commits = append(n.commits, c)
	}
	n.Store.Commit(b, done)
}

// instant is a fetcher whose every attempt succeeds at once with 1 KiB.
type instant struct{ outcome func(*record.Outcome) }

var kibibyte = make([]byte, 1024)

func (f *instant) Launch(j fetch.Job) {
	f.outcome(&record.Outcome{
		ID: j.ID, Attempt: record.Attempt{N: j.N, Status: 200},
		Result: answered(),
	})
}

// answered is what every attempt brings.
func answered() *record.Result {
	return &record.Result{
		Status:  200,
		Headers: []record.Header{{Name: "Content-Type", Values: []string{"application/json"}}},
		Body:    record.Body{Bytes: 1024, Inline: kibibyte},
	}
}

func (f *instant) Abort(string) {}

// open opens a kernel on dir, recovers what is there, and runs it.
func open(dir string) (*kernel, error) {
	st, err := store.Open(store.Options{Dir: dir, Sync: true})
	if err != nil {
		return nil, err
	}
	position, err := st.Position()
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	k := &kernel{store: &noted{Store: st}, ended: make(chan error, 1)}
	limits := await.DefaultLimits()
	limits.WorkersMax, limits.HostAttemptsMax = 1<<20, 1<<20
	limits.FuturesPendingMax = 2 << 20
	k.Kernel, err = await.New(await.Options{
		Limits: limits, Store: k.store, Sequencer: sequence.NewLocal(position), Wall: time.Now(),
		Fetcher: &instant{func(o *record.Outcome) { k.Outcome(o) }},
	})
	if err == nil {
		err = k.Recover(nil)
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	go func() { k.ended <- k.Run() }()
	return k, nil
}

func (k *kernel) close() error {
	err := k.CallSoonThreadsafe(k.Stop)
	return errors.Join(err, <-k.ended, k.Kernel.Close(), k.store.Store.Close())
}

// request is a fetch as users make them.
func request(id ulid.ULID) *record.Request {
	return &record.Request{
		Method: "GET", URL: "https://api.example.com/v1/orders/" + id.String(),
		Headers: []record.Header{
			{Name: "Accept", Values: []string{"application/json"}},
			{Name: "Authorization", Values: []string{"Bearer 0123456789abcdef0123456789abcdef"}},
		},
		Timeout: 30 * time.Second,
		Retry: record.Retry{
			AttemptsMax: 4, BackoffMin: 500 * time.Millisecond, BackoffMax: 30 * time.Second,
			OnStatus: []record.StatusRange{{From: 429, To: 429}, {From: 500, To: 599}},
		},
		AcceptStatus: []record.StatusRange{{From: 200, To: 299}}, RedirectsMax: 5, BodyBytesMax: 16 << 20,
		Traceparent: "00-" + hex.EncodeToString(id[:]) + "-00f067aa0ba902b7-01",
	}
}

// plain is the least that a fetch can be.
func plain(id ulid.ULID) *record.Request {
	full := request(id)
	full.Headers, full.Traceparent = nil, ""
	return full
}

// batch is n new fetches.
func batch(n int, delay time.Duration, request func(ulid.ULID) *record.Request) []record.NewFuture {
	futures := make([]record.NewFuture, n)
	for i := range futures {
		id := ulid.Make()
		futures[i] = record.NewFuture{
			ID: "fut_" + id.String(), Kind: record.KindFetch, Request: request(id).Pack(), Delay: delay,
			Timeout: 48 * time.Hour, TTL: 24 * time.Hour,
		}
	}
	return futures
}

// set sets an event.
func (k *kernel) set() error {
	_, err := k.ChangeEvent(context.Background(), &record.EventChange{Name: "single", Op: record.EventSet})
	return err
}

func (k *kernel) submitAndAwait(futures []record.NewFuture) error {
	ctx := context.Background()
	if _, err := k.Submit(ctx, futures...); err != nil {
		return err
	}
	e := &api.Expr{Op: api.OpAll}
	for i := range futures {
		e.Of = append(e.Of, api.Expr{Op: api.OpFuture, Ref: futures[i].ID})
	}
	a, err := k.Wait(ctx, await.WaitRequest{For: e, Timeout: time.Minute})
	if err == nil && a.Outcome != await.Satisfied {
		err = fmt.Errorf("a batch is %v", a.Outcome)
	}
	return err
}

// p50 is the median of durations.
func p50(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}
