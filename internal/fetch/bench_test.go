package fetch

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
)

// parallel is how many exchanges are under way at once in the two benchmarks that compare.
const parallel = 64

func okServer(b *testing.B) string {
	return serve(b, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("ok")) }).URL
}

// BenchmarkAttempt is whole attempts with keep-alive against a server in this process. Compare with
// BenchmarkPlainClient of the same run.
func BenchmarkAttempt(b *testing.B) {
	url := okServer(b)
	done := make(map[string]chan *record.Outcome, parallel)
	ids := make(chan string, parallel)
	for i := range parallel {
		id := "fut_" + strconv.Itoa(i)
		done[id] = make(chan *record.Outcome, 1)
		ids <- id
	}
	r := newRig(b, nil, func(o *Options) {
		o.Log = nil
		o.WorkersMax = parallel
		o.Rand = rand.Uint64
		o.Done = func(out *record.Outcome) { done[out.ID] <- out }
	})
	req := request(url, header("Authorization", "Bearer x"), header("Accept", "application/json"))
	b.SetParallelism(parallel / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		id := <-ids
		defer func() { ids <- id }()
		for pb.Next() {
			r.Launch(Job{ID: id, N: 1, Request: req})
			if out := <-done[id]; out.Attempt.Failure != nil {
				b.Error(out.Attempt.Failure)
			}
		}
	})
}

// BenchmarkPlainClient is the same exchange by http.Client alone, unguarded, its body read and dropped.
func BenchmarkPlainClient(b *testing.B) {
	url := okServer(b)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: parallel}}
	defer client.CloseIdleConnections()
	b.SetParallelism(parallel / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer x")
			req.Header.Set("Accept", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}

// BenchmarkCheck is what the static stage costs each submit and each attempt.
func BenchmarkCheck(b *testing.B) {
	req := request("https://api.example.com/v1/things?q=1", header("Authorization", "Bearer x"), header("accept", "x/y"))
	b.ReportAllocs()
	for b.Loop() {
		if faults := Check(req); faults != nil {
			b.Fatal(faults)
		}
	}
}

// BenchmarkGuard is what the guard costs each attempt (admit) and each dial (judge).
func BenchmarkGuard(b *testing.B) {
	g, err := NewGuard(GuardOptions{AllowTargets: []string{"127.0.0.1/32", "db.internal:5432", "10.1.0.0/16"}})
	if err != nil {
		b.Fatal(err)
	}
	t, err := parseTarget("https://api.example.com/")
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("93.184.216.34")
	b.Run("admit", func(b *testing.B) {
		for b.Loop() {
			if g.admit(t) != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("judge", func(b *testing.B) {
		for b.Loop() {
			if g.judge("api.example.com", addr, 443) != nil {
				b.Fatal("refused")
			}
		}
	})
}
