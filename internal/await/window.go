package await

import (
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// WindowTime is how far back counts of a key go.
const WindowTime = windowSeconds * time.Second

const windowSeconds = 10

// window counts two things over the last WindowTime, by the second.
type window struct {
	newest int64 // the second of the newest count
	counts [windowSeconds][2]int
	sum    [2]int
}

// pass leaves out what is too long ago.
func (w *window) pass(at record.Time) {
	second := int64(at) / 1000
	for range min(second-w.newest, windowSeconds) {
		w.newest++
		oldest := &w.counts[w.newest%windowSeconds]
		w.sum[0] -= oldest[0]
		w.sum[1] -= oldest[1]
		*oldest = [2]int{}
	}
	w.newest = max(w.newest, second)
}

func (w *window) count(at record.Time, which int) {
	w.pass(at)
	w.counts[w.newest%windowSeconds][which]++
	w.sum[which]++
}
