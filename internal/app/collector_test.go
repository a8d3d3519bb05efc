package app

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestAGarbageFloorForSmallHeaps(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 400}, {1 << 20, 400}, {8 << 20, 400}, {10 << 20, 320}, {16 << 20, 200}, {32 << 20, 100}, {1 << 40, 100},
	} {
		if got := gcPercentFor(c.live); got != c.want {
			t.Errorf("%d bytes alive: %d, want %d", c.live, got, c.want)
		}
	}
}

func TestTheCollectorIsTunedAfterEachCollection(t *testing.T) {
	usual := debug.SetGCPercent(gcPercentUsual)
	defer debug.SetGCPercent(usual)
	TuneCollector()
	for _, alive := range []int{0, 256 << 20, 0} {
		heap := make([]byte, alive)
		deadline := time.Now().Add(10 * time.Second)
		for {
			runtime.GC()
			live, percent := readHeap()
			if want := gcPercentFor(live); near(want, percent) {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("%d bytes alive: GOGC is %d, want about %d", live, percent, want)
			}
			runtime.Gosched() // what tunes it runs soon after, not at once
		}
		runtime.KeepAlive(heap)
	}
}
