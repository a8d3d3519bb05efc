package store

import (
	"encoding/hex"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/awaitd/awaitd/internal/record"
)

// lives makes the facts of fetches as a server makes them: submitted, started, succeeded with 1 KiB.
type lives struct {
	random  *rand.Rand
	entropy *ulid.MonotonicEntropy
	at      record.Time
	open    []*record.Future // submitted in the last batch
	running []*record.Future // started in the last batch
}

func newLives() *lives {
	random := rand.New(rand.NewSource(1))
	at := record.TimeOf(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	return &lives{random: random, entropy: ulid.Monotonic(random, 0), at: at}
}

func (l *lives) submit() *record.Future {
	id := ulid.MustNew(uint64(l.at), l.entropy)
	return &record.Future{
		ID: "fut_" + id.String(), Kind: record.KindFetch, State: record.StatePending, Reason: record.ReasonQueued, Version: 1,
		CreatedAt: l.at, DeadlineAt: l.at + 3_600_000, TTL: 24 * time.Hour,
		Request: (&record.Request{
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
		}).Pack(),
	}
}

func (l *lives) start(f *record.Future) *record.Future {
	is := *f
	is.State, is.Reason, is.StartedAt = record.StateRunning, record.ReasonNone, l.at
	is.Version++
	return &is
}

func (l *lives) settle(f *record.Future) *record.Future {
	body := make([]byte, 512)
	l.random.Read(body)
	is := *f
	is.State, is.SettledAt, is.ExpiresAt = record.StateSucceeded, l.at, l.at.Add(f.TTL)
	is.Version++
	is.Request = f.Request.WithoutSecrets()
	is.Attempts = []record.Attempt{{N: 1, At: l.at, Duration: 12 * time.Millisecond, Status: 200}}
	is.Result = &record.Result{
		Status: 200,
		Headers: []record.Header{
			{Name: "Cache-Control", Values: []string{"no-store"}},
			{Name: "Content-Type", Values: []string{"application/json"}},
			{Name: "Date", Values: []string{"Sun, 22 Nov 2026 12:00:00 GMT"}},
			{Name: "Etag", Values: []string{`"` + hex.EncodeToString(body[:16]) + `"`}},
		},
		Body: record.Body{Bytes: 1024, Inline: []byte(hex.EncodeToString(body))},
	}
	return &is
}

// batch is a turn in which n fetches are submitted, the n before are started, and the n before those succeed.
func (l *lives) batch(position uint64, n int) *record.Batch {
	l.at += 5
	b := &record.Batch{Position: position, At: l.at}
	for _, f := range l.running {
		b.Futures = append(b.Futures, record.FutureChange{Was: f, Is: l.settle(f)})
	}
	l.running = l.running[:0]
	for _, f := range l.open {
		is := l.start(f)
		l.running = append(l.running, is)
		b.Futures = append(b.Futures, record.FutureChange{Was: f, Is: is})
	}
	l.open = l.open[:0]
	for range n {
		f := l.submit()
		l.open = append(l.open, f)
		b.Futures = append(b.Futures, record.FutureChange{Is: f})
	}
	return b
}

func commitNow(tb testing.TB, s *Store, b *record.Batch) {
	tb.Helper()
	done := make(chan error, 1)
	s.Commit(b, func(err error) { done <- err })
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
}

// rest waits until Pebble has nothing to do in the background.
func rest(s *Store) {
	db := s.backend.(*disk).db
	for {
		m := db.Metrics()
		if m.Compact.NumInProgress == 0 && m.Flush.NumInProgress == 0 {
			return
		}
		runtime.Gosched()
	}
}

const rounds = 5

// BenchmarkDurableCommit commits whole lives and, in turn with that, appends the same facts to a file with one
// fdatasync for each batch. ratio is the share of the file's speed that the store reaches, the median of rounds.
func BenchmarkDurableCommit(b *testing.B) {
	for _, n := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("lives=%d", n), func(b *testing.B) {
			s, err := Open(Options{Dir: b.TempDir(), Sync: true})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			raw, err := os.Create(filepath.Join(b.TempDir(), "raw"))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = raw.Close() }()
			l := newLives()
			var ratios []float64
			var position, bytes uint64
			var all time.Duration
			batches := max(1, b.N/n/rounds)
			b.ResetTimer()
			for range rounds {
				var took, tookRaw time.Duration
				var facts [][]byte
				for range batches {
					position++
					batch := l.batch(position, n)
					var fact []byte
					for _, c := range batch.Futures {
						fact = record.AppendFuture(fact, c.Is)
					}
					facts = append(facts, fact)
					bytes += uint64(len(fact))
					began := time.Now()
					commitNow(b, s, batch)
					took += time.Since(began)
				}
				rest(s)
				for _, fact := range facts {
					began := time.Now()
					if _, err := raw.Write(fact); err != nil {
						b.Fatal(err)
					}
					if err := syscall.Fdatasync(int(raw.Fd())); err != nil {
						b.Fatal(err)
					}
					tookRaw += time.Since(began)
				}
				all += took
				ratios = append(ratios, tookRaw.Seconds()/took.Seconds())
			}
			slices.Sort(ratios)
			lived := float64(rounds * batches * n)
			b.ReportMetric(ratios[rounds/2], "ratio")
			b.ReportMetric(lived/all.Seconds(), "lives/s")
			b.ReportMetric(float64(bytes)/lived, "B/life")
			b.ReportMetric(0, "ns/op")
		})
	}
}
