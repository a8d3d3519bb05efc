package server

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// ids makes the ids of futures: "fut_" and a ULID. Each is above the one before, also when the clock goes back, so that
// a batch sorts in its order. Any goroutine.
type ids struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
	last    uint64 // ms
}

func newIDs(entropy io.Reader) *ids { return &ids{entropy: ulid.Monotonic(entropy, 0)} }

// take makes n ids.
func (i *ids) take(now time.Time, n int) ([]string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = max(i.last, ulid.Timestamp(now))
	taken := make([]string, n)
	for k := range taken {
		id, err := ulid.New(i.last, i.entropy)
		if err != nil {
			return nil, fmt.Errorf("make an id: %w", err)
		}
		taken[k] = "fut_" + id.String()
	}
	return taken, nil
}
