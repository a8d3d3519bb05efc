package await

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awaitd/awaitd/internal/record"
)

// Whoever waits for the event of a key is answered when its circuit closes, and only then; keys by the state of their
// circuit are on record for operators.
func TestTheClosingOfACircuitCanBeAwaited(t *testing.T) {
	inHouse(t, DefaultLimits(), func(h *house) {
		var all []record.NewFuture
		for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "next"} {
			f := newFetch(id)
			f.LimitKey = "k"
			all = append(all, f)
		}
		all[10].Delay = time.Second
		if _, err := h.kernel.Submit(h.Context(), all...); err != nil {
			h.Fatal(err)
		}
		w := h.wait(`"event:limit:k:closed"`)
		for _, f := range all[:10] {
			h.failWith(f.ID, 1, record.FailConnect, -1)
		}
		time.Sleep(2 * time.Second)
		if got := h.state("next"); got != "pending circuit_open" {
			h.Errorf("next: %s", got)
		}
		page, err := h.kernel.Keys(h.Context(), "", 10)
		if err != nil || len(page.Keys) != 1 || page.More {
			h.Fatalf("keys: %+v, %v", page, err)
		}
		k := page.Keys[0]
		if k.Circuit.State != record.CircuitOpen || k.Reason != record.ReasonCircuitOpen || k.Waiting != 1 ||
			k.NextStartAt != k.Circuit.ProbeAt || h.future("next").NextAttemptAt != k.Circuit.ProbeAt {
			h.Errorf("key: %+v", k)
		}
		if got := h.kernel.gauges.circuits[record.CircuitOpen].Load(); got != 1 {
			h.Errorf("%d open circuits", got)
		}
		if got := w.now(); got != "sleeps" {
			h.Errorf("before: %s", got)
		}
		h.fetcher.take()
		time.Sleep(4 * time.Second)
		if diff := cmp.Diff([]string{"next#1"}, h.fetcher.take()); diff != "" {
			h.Fatalf("the probe (-want +got):\n%s", diff)
		}
		h.succeed("next", 1)
		synctest.Wait()
		if got := w.now(); got != "satisfied: event:limit:k:closed" {
			h.Errorf("after: %s", got)
		}
	})
}

// An outcome costs the circuit of its key next to nothing.
func BenchmarkCircuit(b *testing.B) {
	c := &circuit{}
	b.ReportAllocs()
	for n := range b.N {
		if c.full() {
			b.Fatal("full")
		}
		c.flying++
		c.judge(record.Time(n/1000), c.era, good)
	}
}
