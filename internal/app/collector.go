package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// As much garbage as is alive may lie about, as usual; but with a small heap, where that would mean a collection every
// few milliseconds under load, garbageFloor bytes may, or gcPercentHighest per cent if that is less.
const (
	garbageFloor     = 32 << 20
	gcPercentUsual   = 100 // the runtime's own
	gcPercentHighest = 400
)

// TuneCollector sets GOGC after every collection, from the size of the heap, for the whole process, once. If somebody
// has set it to something other than 100 it stays. A memory limit (GOMEMLIMIT) still holds.
var TuneCollector = sync.OnceFunc(func() {
	if _, percent := readHeap(); percent == gcPercentUsual {
		afterEachCollection(tuneCollector)
	}
})

// afterEachCollection calls f now, and soon after each collection from now on.
func afterEachCollection(f func()) {
	f()
	runtime.SetFinalizer(&collected{}, func(*collected) { afterEachCollection(f) })
}

// collected is garbage that tells when it is found.
type collected struct{ _ *collected }

func tuneCollector() {
	live, percent := readHeap()
	if want := gcPercentFor(live); !near(want, percent) { // it stops the world
		debug.SetGCPercent(want)
	}
}

// near reports whether percent is within an eighth of what is wanted.
func near(want, percent int) bool { return 8*max(want-percent, percent-want) <= percent }

// gcPercentFor is GOGC for a heap with so many bytes alive.
func gcPercentFor(live uint64) int {
	return int(min(max(garbageFloor*100/max(live, 1), gcPercentUsual), gcPercentHighest))
}

// readHeap reads how many bytes the last collection found alive, and GOGC.
func readHeap() (live uint64, percent int) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), int(samples[1].Value.Uint64())
}
