package await

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/awaitd/awaitd/internal/record"
)

// gauges are what a scrape reads of the state, published by the loop once per turn.
type gauges struct {
	waiters, events atomic.Int64
	running, queued atomic.Int64
	held, callbacks atomic.Int64
	pending, slow   atomic.Int64
	timers          atomic.Int64 // of the state; the loop counts its own
	lastLag, maxLag atomic.Int64 // ns
	lastCommit      atomic.Int64 // ns
	circuits        [3]atomic.Int64
	draining        atomic.Bool
}

// number is one gauge or counter that is read at scrape time.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() float64
}

func (g *gauges) publish(k *Kernel) {
	g.waiters.Store(int64(k.state.waits.size))
	g.events.Store(int64(k.state.events.Len()))
	g.running.Store(int64(k.state.running))
	g.queued.Store(int64(k.state.queue.size))
	g.held.Store(int64(k.state.queue.held))
	g.callbacks.Store(int64(k.state.callbacks))
	g.pending.Store(int64(k.state.pending))
	for state, n := range k.state.queue.circuits {
		g.circuits[state].Store(int64(n))
	}
	g.timers.Store(int64(k.state.due.Len()))
}

// tally is the counters and histograms of a kernel. Their children are resolved once, for the hot paths.
type tally struct {
	kernel         *Kernel
	turnCommands   int // since the last commit
	settledTotal   *prometheus.CounterVec
	attemptsTotal  *prometheus.CounterVec
	callbacksTotal *prometheus.CounterVec
	callsTotal     *prometheus.CounterVec
	eventSets      prometheus.Counter
	turnSeconds    prometheus.Histogram
	lagSeconds     prometheus.Histogram
	attemptSeconds prometheus.Histogram
	commitSeconds  prometheus.Histogram
	commitCommands prometheus.Histogram
	wakeSeconds    prometheus.Histogram
	settledOf      [5][6]prometheus.Counter
}

// seconds are classic buckets from 10 µs to about 80 s; the native histogram beside them is finer.
var seconds = prometheus.ExponentialBuckets(10e-6, 2.5, 18)

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		NativeHistogramMinResetDuration: time.Hour,
	})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func newTally(k *Kernel) *tally {
	t := &tally{
		kernel:         k,
		settledTotal:   counters("awaitd_futures_settled_total", "Futures settled since the start.", "kind", "state"),
		attemptsTotal:  counters("awaitd_fetch_attempts_total", "Attempts ended, by outcome.", "outcome"),
		callbacksTotal: counters("awaitd_callbacks_total", "Callbacks done since the start, by how they ended.", "state"),
		callsTotal: counters("awaitd_callback_attempts_total", "Attempts to deliver a callback that ended, by outcome.",
			"outcome"),
		eventSets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "awaitd_event_sets_total", Help: "Sets and pulses of events.",
		}),
		turnSeconds: histogram("awaitd_loop_turn_seconds", "Time of one turn of the loop.", seconds),
		lagSeconds:  histogram("awaitd_loop_lag_seconds", "How late the loop runs what is due.", seconds),
		attemptSeconds: histogram("awaitd_fetch_attempt_seconds",
			"Time of one attempt, from its start to its outcome.", seconds),
		commitSeconds: histogram("awaitd_commit_seconds", "Time of one commit.", seconds),
		commitCommands: histogram("awaitd_commit_commands", "Commands made durable by one commit.",
			prometheus.ExponentialBuckets(1, 2, 15)),
		wakeSeconds: histogram("awaitd_wake_seconds",
			"Time from the settle or set that decided a wait until its answer was written.", seconds),
	}
	for kind, kindName := range kindNames {
		for state, stateName := range stateNames {
			if kindName != "" && stateName != "" && record.State(state).Settled() {
				t.settledOf[kind][state] = t.settledTotal.WithLabelValues(kindName, stateName)
			}
		}
	}
	for _, name := range []string{"delivered", "failed"} { // what has never happened is zero, not absent
		t.callbacksTotal.WithLabelValues(name)
	}
	t.callsTotal.WithLabelValues("succeeded")
	return t
}

// The words of the wire contract, for labels.
var (
	kindNames  = [5]string{"", "fetch", "promise", "timer", "wait"}
	stateNames = [6]string{"", "pending", "running", "succeeded", "failed", "cancelled"}

	circuitNames = [3]string{"closed", "open", "half_open"}
)

func (t *tally) register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{
		t.settledTotal, t.attemptsTotal, t.callbacksTotal, t.callsTotal, t.eventSets, t.turnSeconds, t.lagSeconds,
		t.attemptSeconds,
		t.commitSeconds, t.commitCommands, t.wakeSeconds, &census{t.kernel, t.kernel.numbers()},
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) settled(f *record.Future) { t.settledOf[f.Kind][f.State].Inc() }

// calledBack counts a callback that was pending and is done.
func (t *tally) calledBack(state record.CallbackState) {
	name := "delivered"
	if state == record.CallbackFailed {
		name = "failed"
	}
	t.callbacksTotal.WithLabelValues(name).Inc()
}

func (t *tally) callbackAttempted(o *record.Outcome) {
	t.callsTotal.WithLabelValues(endOf(o)).Inc()
}

func endOf(o *record.Outcome) string {
	if o.Attempt.Failure != nil {
		return string(o.Attempt.Failure.Type)
	}
	return "succeeded"
}

func (t *tally) attempted(o *record.Outcome) {
	t.attemptsTotal.WithLabelValues(endOf(o)).Inc()
	t.attemptSeconds.Observe(o.Attempt.Duration.Seconds())
}

func (t *tally) observeLag(lag time.Duration) {
	g := &t.kernel.gauges
	g.lastLag.Store(int64(lag))
	g.maxLag.Store(max(g.maxLag.Load(), int64(lag)))
	t.lagSeconds.Observe(lag.Seconds())
}

// census reads, at scrape time, what the loop publishes and what the store counts.
type census struct {
	kernel  *Kernel
	numbers []number
}

var (
	futuresDesc = prometheus.NewDesc("awaitd_futures", "Futures remembered.", []string{"kind", "state"}, nil)
	limitsDesc  = prometheus.NewDesc("awaitd_limits", "Limit keys remembered, by the state of their circuit.",
		[]string{"state"}, nil)
)

func (k *Kernel) numbers() []number {
	of := func(name, help string, kind prometheus.ValueType, read func() float64) number {
		return number{prometheus.NewDesc(name, help, nil, nil), kind, read}
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	g := &k.gauges
	return []number{
		of("awaitd_loop_turns_total", "Turns of the loop.", counter,
			func() float64 { return float64(k.Stats().Turns) }),
		of("awaitd_loop_callbacks_total", "Callbacks run by the loop.", counter,
			func() float64 { return float64(k.Stats().Callbacks) }),
		of("awaitd_loop_slow_callbacks_total", "Callbacks that held the loop for too long.", counter,
			func() float64 { return float64(g.slow.Load()) }),
		of("awaitd_loop_ready", "Callbacks ready for the next turn.", gauge,
			func() float64 { return float64(k.Stats().Ready) }),
		of("awaitd_loop_timers", "Timers set: those of futures, events and waits, and the loop's own.", gauge,
			func() float64 { return float64(k.Stats().Timers) + float64(g.timers.Load()) }),
		of("awaitd_loop_tasks", "Tasks of the loop.", gauge,
			func() float64 { return float64(k.Stats().Tasks) }),
		of("awaitd_fetch_in_flight", "Attempts under way.", gauge,
			func() float64 { return float64(g.running.Load()) }),
		of("awaitd_fetch_queue", "Fetches that wait for a worker.", gauge,
			func() float64 { return float64(g.queued.Load()) }),
		of("awaitd_fetch_retries_held", "Retries that wait for the budget of their limit key.", gauge,
			func() float64 { return float64(g.held.Load()) }),
		of("awaitd_callbacks_pending", "Callbacks that are to be delivered.", gauge,
			func() float64 { return float64(g.callbacks.Load()) }),
		of("awaitd_events", "Events remembered or waited for.", gauge,
			func() float64 { return float64(g.events.Load()) }),
		of("awaitd_waiters", "Callers held until a wait is decided.", gauge,
			func() float64 { return float64(g.waiters.Load()) }),
	}
}

// Describe implements prometheus.Collector.
func (c *census) Describe(out chan<- *prometheus.Desc) {
	out <- futuresDesc
	out <- limitsDesc
	for _, n := range c.numbers {
		out <- n.desc
	}
}

// Collect implements prometheus.Collector.
func (c *census) Collect(out chan<- prometheus.Metric) {
	for _, n := range c.numbers {
		out <- prometheus.MustNewConstMetric(n.desc, n.kind, n.read())
	}
	for state, name := range circuitNames {
		count := float64(c.kernel.gauges.circuits[state].Load())
		out <- prometheus.MustNewConstMetric(limitsDesc, prometheus.GaugeValue, count, name)
	}
	for kind := record.KindFetch; kind <= record.KindWait; kind++ {
		for state := record.StatePending; state <= record.StateCancelled; state++ {
			if state == record.StateRunning && kind != record.KindFetch {
				continue
			}
			count := float64(c.kernel.store.Count(kind, state))
			out <- prometheus.MustNewConstMetric(futuresDesc, prometheus.GaugeValue, count,
				kindNames[kind], stateNames[state])
		}
	}
}
