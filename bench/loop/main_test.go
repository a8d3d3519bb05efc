package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Goal: what go test prints is read in full, and nothing else is taken for a figure.
func TestBenchmarkLinesAreRead(t *testing.T) {
	name, got := parse("BenchmarkTaskSwitch-2  \t 3334135\t   168.9 ns/op\t   111.2 cpu-ns/op\t   0 allocs/op\n")
	want := figures{"ns/op": 168.9, "cpu-ns/op": 111.2, "allocs/op": 0}
	if diff := cmp.Diff(want, got); diff != "" || name != "TaskSwitch" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	if got.time(true) != 168.9 || got.time(false) != 111.2 {
		t.Errorf("wall %v, processor %v", got.time(true), got.time(false))
	}
	for _, line := range []string{"PASS", "goos: linux", "BenchmarkX-2 --- FAIL", "BenchmarkX-2 1 many ns/op"} {
		if _, f := parse(line); f != nil {
			t.Errorf("%q was read as %v", line, f)
		}
	}
}

// Goal: a ratio compares what was measured in the same round; one disturbed round does not decide.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	if got := ratio([]float64{10, 300, 30}, []float64{1, 1, 2}); got != 15 {
		t.Errorf("ratio %v", got)
	}
	if got := median([]float64{}); got != 0 {
		t.Errorf("median of nothing is %v", got)
	}
}

// Goal: every row, gate and weight is judged, and a miss is counted.
func TestMissesAreCounted(t *testing.T) {
	r := report{
		times: map[string]*times{
			rows[0].name: {goes: []float64{10}, asyncio: []float64{100}, uvloop: []float64{79}, allocs: []float64{1}},
			rows[1].name: {goes: []float64{10}, asyncio: []float64{80}, uvloop: []float64{80}, allocs: []float64{1}},
		},
		gates:   map[string][]float64{gates[0].name: {3.1}, gates[1].name: {1.6}},
		weights: map[string]*times{weights[1].name: {goes: []float64{201}}, weights[2].name: {goes: []float64{3000}}},
	}
	if missed := r.print(); missed != 4 {
		t.Errorf("%d misses were counted, there are 4", missed)
	}
}
