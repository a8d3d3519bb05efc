package loop

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sleeper is a Waker that does what the test says when it is woken.
type sleeper struct {
	Waiter
	id   int
	wake func(id int)
}

func (s *sleeper) Wake() { s.wake(s.id) }

func newSleepers(n int, wake func(id int)) []*sleeper {
	sleepers := make([]*sleeper, n)
	for i := range sleepers {
		sleepers[i] = &sleeper{id: i, wake: wake}
		sleepers[i].Owner = sleepers[i]
	}
	return sleepers
}

// Goal: Wake wakes exactly those who waited when it began, in order of arrival: not who joins meanwhile, not who is
// taken out meanwhile, were it the very last.
func TestWakeIsLatched(t *testing.T) {
	var ws Waiters
	var woken []int
	var sleepers []*sleeper
	sleepers = newSleepers(5, func(id int) {
		woken = append(woken, id)
		switch {
		case len(woken) == 1:
			ws.Add(&sleepers[0].Waiter) // again: waits for the next Wake
			if !ws.Remove(&sleepers[2].Waiter) || !ws.Remove(&sleepers[4].Waiter) {
				t.Error("could not remove who was about to be woken")
			}
		case id == 3:
			ws.Add(&sleepers[4].Waiter)
		}
	})
	for _, s := range sleepers {
		ws.Add(&s.Waiter)
	}
	ws.Wake()
	if diff := cmp.Diff([]int{0, 1, 3}, woken); diff != "" || ws.Len() != 2 {
		t.Errorf("Len %d; first Wake (-want +got):\n%s", ws.Len(), diff)
	}
	ws.Wake()
	if !slices.Equal(woken, []int{0, 1, 3, 0, 4}) {
		t.Errorf("second Wake: %v", woken)
	}
	if ws.Remove(&sleepers[4].Waiter) || sleepers[4].Leave() || sleepers[4].Waiting() {
		t.Error("a woken waiter is still in the list")
	}
}

// Goal: a Wake inside a Wake wakes the rest, each once.
func TestWakeInsideWake(t *testing.T) {
	var ws Waiters
	var woken []int
	sleepers := newSleepers(4, func(id int) {
		woken = append(woken, id)
		if id == 1 {
			ws.Wake()
		}
	})
	for _, s := range sleepers {
		ws.Add(&s.Waiter)
	}
	ws.Wake()
	if !slices.Equal(woken, []int{0, 1, 2, 3}) || ws.Len() != 0 {
		t.Errorf("woken %v, %d left", woken, ws.Len())
	}
}

// Goal: a Waiter is in one list or in none.
func TestWaiterInTwoListsPanics(t *testing.T) {
	var a, b Waiters
	s := newSleepers(1, func(int) {})[0]
	a.Add(&s.Waiter)
	if b.Remove(&s.Waiter) {
		t.Error("removed from a list it is not in")
	}
	for name, w := range map[string]*Waiter{"twice": &s.Waiter, "no owner": {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Add did not panic", name)
				}
			}()
			b.Add(w)
		}()
	}
	if !s.Leave() || a.Len() != 0 {
		t.Error("Leave did not leave")
	}
}

// Goal: any order of joining, leaving and waking is that of a slice.
func TestWaitersAgreeWithASlice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var ws Waiters
		var model, woken, want []int
		sleepers := newSleepers(8, func(id int) { woken = append(woken, id) })
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			id := rapid.IntRange(0, 7).Draw(rt, "id")
			at := slices.Index(model, id)
			switch step := rapid.IntRange(0, 5).Draw(rt, "step"); {
			case step == 5:
				ws.Wake()
				want, model = append(want, model...), nil
			case at < 0:
				ws.Add(&sleepers[id].Waiter)
				model = append(model, id)
			default:
				if !ws.Remove(&sleepers[id].Waiter) {
					rt.Fatalf("could not remove %d", id)
				}
				model = slices.Delete(model, at, at+1)
			}
			if ws.Len() != len(model) || !slices.Equal(woken, want) {
				rt.Fatalf("Len %d, want %d; woken %v, want %v", ws.Len(), len(model), woken, want)
			}
		}
	})
}
