package server

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// ids makes the ids of futures and groups: "fut_" or "grp_" and a ULID. Each is above the one before, also when the
// clock goes back, so that a batch sorts in its order. Any goroutine.
type ids struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
	last    uint64 // ms
}

func newIDs(entropy io.Reader) *ids { return &ids{entropy: ulid.Monotonic(entropy, 0)} }

// take makes n ids that begin with prefix.
func (i *ids) take(prefix string, now time.Time, n int) ([]string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = max(i.last, ulid.Timestamp(now))
	taken := make([]string, n)
	for k := range taken {
		id, err := ulid.New(i.last, i.entropy)
		if err != nil {
			return nil, fmt.Errorf("make an id: %w", err)
		}
		taken[k] = prefix + id.String()
	}
	return taken, nil
}
