// Package sequence puts the turns of all loops in one total order.
//
// Alone on a machine that order is a counter (Local). In a cluster it will be a stream that a quorum has
// acknowledged; the kernel sees the same two words, Sequence and deliver.
package sequence

import "github.com/awaitd/awaitd/internal/record"

// Local is the sequencer of a server that stands alone. Loop only.
type Local struct{ position uint64 }

// NewLocal continues after position, 0 for a new store.
func NewLocal(position uint64) *Local { return &Local{position} }

// Sequence gives t the next position and delivers it at once.
func (l *Local) Sequence(t *record.Turn, deliver func(position uint64, t *record.Turn)) {
	l.position++
	deliver(l.position, t)
}
