package sequence

import (
	"testing"

	"github.com/awaitd/awaitd/internal/record"
)

// Turns are delivered at once, in the order they were given, each one position after the last.
func TestLocalDeliversInOrderAfterItsStart(t *testing.T) {
	l := NewLocal(41)
	for want := uint64(42); want < 45; want++ {
		turn := &record.Turn{At: record.Time(want)}
		delivered := false
		l.Sequence(turn, func(position uint64, got *record.Turn) {
			delivered = true
			if position != want || got != turn {
				t.Errorf("delivered (%d, %v), want (%d, %v)", position, got, want, turn)
			}
		})
		if !delivered {
			t.Fatalf("turn %d was not delivered", want)
		}
	}
}
