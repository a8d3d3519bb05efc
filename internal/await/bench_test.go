package await

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/store"
)

// instant is a fetcher whose every attempt succeeds at once with 1 KiB.
type instant struct{ kernel *Kernel }

var kibibyte = make([]byte, 1024)

func (f *instant) Launch(j fetch.Job) {
	f.kernel.Outcome(&record.Outcome{
		ID: j.ID, Attempt: record.Attempt{N: j.N, Status: 200},
		Result: &record.Result{Status: 200, Body: record.Body{Bytes: 1024, Inline: kibibyte}},
	})
}

func (f *instant) Abort(string) {}

func benchKernel(b *testing.B) *Kernel {
	b.Helper()
	f := &instant{}
	limits := DefaultLimits()
	limits.WorkersMax, limits.HostAttemptsMax = 1<<20, 1<<20
	k, err := New(Options{
		Limits: limits, Store: store.OpenMemory(), Sequencer: sequence.NewLocal(0), Fetcher: f, Wall: time.Now(),
	})
	if err != nil {
		b.Fatal(err)
	}
	f.kernel = k
	ended := make(chan error, 1)
	go func() { ended <- k.Run() }()
	b.Cleanup(func() {
		if err := k.CallSoonThreadsafe(k.Stop); err != nil {
			b.Error(err)
		}
		if err := <-ended; err != nil {
			b.Error(err)
		}
		_ = k.Close()
	})
	return k
}

// The whole life of a fetch without HTTP: submitted, launched, settled with 1 KiB, awaited by who submitted it.
func BenchmarkLifecycle(b *testing.B) {
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			k := benchKernel(b)
			request := newFetch("x").Request
			var next atomic.Int64
			var all sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				all.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						id := fmt.Sprintf("fut_%026d", n)
						_, err := k.Submit(
							b.Context(),
							record.NewFuture{ID: id, Kind: record.KindFetch, Request: request, TTL: time.Hour},
						)
						if err != nil {
							b.Error(err)
							return
						}
						e := &api.Expr{Op: api.OpFuture, Ref: id}
						a, err := k.Wait(b.Context(), WaitRequest{For: e, Timeout: time.Minute})
						if err != nil || a.Outcome != Satisfied {
							b.Errorf("%v: %+v", err, a)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lifecycles/s")
		})
	}
}

// A set with nobody waiting, and one that wakes a crowd: the cost of a waiter.
func BenchmarkSet(b *testing.B) {
	for _, crowd := range []int{0, 1000} {
		b.Run(fmt.Sprintf("waiters=%d", crowd), func(b *testing.B) {
			k := benchKernel(b)
			for range b.N {
				var all sync.WaitGroup
				b.StopTimer()
				for range crowd {
					all.Go(func() {
						e := &api.Expr{Op: api.OpEvent, Ref: "a", After: new(uint64)}
						if _, err := k.Wait(b.Context(), WaitRequest{For: e, Timeout: time.Minute}); err != nil {
							b.Error(err)
						}
					})
				}
				for crowd > 0 && k.gauges.waiters.Load() < int64(crowd) {
					runtime.Gosched()
				}
				b.StartTimer()
				if _, err := k.ChangeEvent(b.Context(), &record.EventChange{Name: "a", Op: record.EventSet}); err != nil {
					b.Fatal(err)
				}
				all.Wait()
				b.StopTimer()
				if _, err := k.ChangeEvent(b.Context(), &record.EventChange{Name: "a", Op: record.EventDelete}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
