package await

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/store"
)

// A scrape counts what happened, under the names of the contract, and promlint has nothing to say.
func TestMetricsCountWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		h := &house{
			T:       t,
			fetcher: &targets{},
			ended:   make(chan error, 1),
			store:   &slowStore{Store: store.OpenMemory()},
		}
		k, err := New(Options{
			Limits: small(), Store: h.store, Sequencer: sequence.NewLocal(0), Fetcher: h.fetcher,
			Wall: time.Now(), Metrics: registry,
		})
		if err != nil {
			t.Fatal(err)
		}
		h.kernel = k
		go func() { h.ended <- k.Run() }()
		synctest.Wait()
		defer h.end()

		h.submit("ok", "bad", "queued")
		h.promise("p")
		h.succeed("ok", 1)
		w := h.wait(`{"any":["event:a","future:p"]}`)
		held := h.wait(`"event:b"`)
		h.set("a")
		h.pulse("a")
		k.Woken(<-w.answer)
		h.failWith("bad", 1, record.FailConnect, time.Hour)
		time.Sleep(time.Second)

		const want = `
			# HELP awaitd_event_sets_total Sets and pulses of events.
			# TYPE awaitd_event_sets_total counter
			awaitd_event_sets_total 2
			# HELP awaitd_events Events remembered or waited for.
			# TYPE awaitd_events gauge
			awaitd_events 2
			# HELP awaitd_fetch_attempts_total Attempts ended, by outcome.
			# TYPE awaitd_fetch_attempts_total counter
			awaitd_fetch_attempts_total{outcome="connect"} 1
			awaitd_fetch_attempts_total{outcome="succeeded"} 1
			# HELP awaitd_fetch_in_flight Attempts under way.
			# TYPE awaitd_fetch_in_flight gauge
			awaitd_fetch_in_flight 1
			# HELP awaitd_fetch_queue Fetches that wait for a worker.
			# TYPE awaitd_fetch_queue gauge
			awaitd_fetch_queue 0
			# HELP awaitd_waiters Callers held until a wait is decided.
			# TYPE awaitd_waiters gauge
			awaitd_waiters 1
		`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "awaitd_event_sets_total", "awaitd_events",
			"awaitd_fetch_attempts_total", "awaitd_fetch_in_flight", "awaitd_fetch_queue", "awaitd_waiters"); err != nil {
			t.Error(err)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v %v", problems, err)
		}
		samples := map[string]float64{}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += " " + l.GetValue()
				}
				samples[name] = m.GetCounter().
					GetValue() +
					m.GetGauge().
						GetValue() +
					float64(
						m.GetHistogram().GetSampleCount(),
					)
			}
		}
		for name, want := range map[string]float64{
			"awaitd_futures fetch pending": 1, "awaitd_futures fetch running": 1, "awaitd_futures fetch succeeded": 1,
			"awaitd_futures promise pending": 1, "awaitd_futures timer pending": 0,
			"awaitd_futures_settled_total fetch succeeded": 1, "awaitd_futures_settled_total promise failed": 0,
			"awaitd_loop_timers":  5, // a back-off, a held wait, a key that nobody needs, and the loop's heartbeat and alarm
			"awaitd_wake_seconds": 1, "awaitd_fetch_attempt_seconds": 2,
		} {
			if got, ok := samples[name]; !ok || got != want {
				t.Errorf("%s = %v (there: %v), want %v", name, got, ok, want)
			}
		}
		for _, name := range []string{
			"awaitd_loop_turns_total", "awaitd_loop_callbacks_total", "awaitd_loop_turn_seconds", "awaitd_loop_lag_seconds",
			"awaitd_commit_seconds", "awaitd_commit_commands",
		} {
			if samples[name] == 0 {
				t.Errorf("%s is 0", name)
			}
		}
		for _, name := range []string{"awaitd_loop_slow_callbacks_total", "awaitd_loop_ready", "awaitd_loop_tasks"} {
			if _, ok := samples[name]; !ok {
				t.Errorf("%s is missing", name)
			}
		}
		held.leave()
		synctest.Wait()
		if _, err := New(Options{Limits: small(), Metrics: registry}); err == nil {
			t.Error("two kernels share a registry")
		}
	})
}
