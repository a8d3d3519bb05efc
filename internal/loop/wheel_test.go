package loop

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// modelTimer is a timer of wheelModel, which does what a Wheel does by search.
type modelTimer struct {
	tick int64
	seq  int
	id   int
}

type wheelModel struct {
	tick   int64
	target int64
	seq    int
	timers []modelTimer
}

func (m *wheelModel) insert(when time.Duration, id int) {
	tick := int64(when) / m.tick
	if int64(when)%m.tick > 0 {
		tick++
	}
	m.seq++
	m.timers = append(m.timers, modelTimer{tick: max(tick, m.target), seq: m.seq, id: id})
}

func (m *wheelModel) cancel(id int) bool {
	i := slices.IndexFunc(m.timers, func(t modelTimer) bool { return t.id == id })
	if i < 0 {
		return false
	}
	m.timers = slices.Delete(m.timers, i, i+1)
	return true
}

func (m *wheelModel) advance(now time.Duration) []int {
	late := m.target
	m.target = max(m.target, int64(now)/m.tick)
	slices.SortFunc(m.timers, func(a, b modelTimer) int {
		if a.tick != b.tick {
			return int(a.tick - b.tick)
		}
		return a.seq - b.seq
	})
	n := 0
	for n < len(m.timers) && (m.timers[n].tick <= m.target || m.timers[n].tick <= late) {
		n++
	}
	var ids []int
	for _, t := range m.timers[:n] {
		ids = append(ids, t.id)
	}
	m.timers = slices.Delete(m.timers, 0, n)
	return ids
}

// Goal: a wheel is indistinguishable from a sorted list, over short and very long distances, from starts as large as
// the Unix time, with clocks that are set back.
func TestWheelAgreesWithASortedList(t *testing.T) {
	goal, operations := 200_000, 0
	if testing.Short() {
		goal = 5_000
	}
	for operations < goal && !t.Failed() {
		rapid.Check(t, func(rt *rapid.T) { compareWheels(rt, &operations) })
	}
	t.Logf("%d operations", operations)
}

func compareWheels(rt *rapid.T, operations *int) {
	tick := rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Millisecond, 7}).Draw(rt, "tick")
	start := time.Duration(rapid.SampledFrom([]int64{0, 12_345, 1_790_000_000_000}).Draw(rt, "start")) * tick
	if start < 0 {
		start = math.MaxInt64 / 2
	}
	w := NewWheel[int](tick, start)
	m := &wheelModel{tick: int64(tick), target: int64(start) / int64(tick)}
	now := start
	handles := map[int]WheelHandle{}
	span := rapid.SampledFrom([]int64{3, 70, 5_000, 300_000, 1 << 31, 1 << 42}).Draw(rt, "span")
	for id := range rapid.IntRange(0, 300).Draw(rt, "steps") {
		*operations++
		away := time.Duration(rapid.Int64Range(-2*span/10, span).Draw(rt, "away"))
		switch rapid.IntRange(0, 5).Draw(rt, "step") {
		case 0, 1, 2:
			when := max(now+away*tick-time.Duration(rapid.Int64Range(0, int64(tick)-1).Draw(rt, "part")), 0)
			handles[id] = w.Insert(when, id)
			m.insert(when, id)
		case 3:
			victim := rapid.IntRange(0, id).Draw(rt, "victim")
			if got, want := w.Cancel(handles[victim]), m.cancel(victim); got != want {
				rt.Fatalf("Cancel(%d) = %v, want %v", victim, got, want)
			}
		case 4:
			now = max(now+away*tick, 0)
			fired := checkAdvance(rt, w, now)
			if diff := cmp.Diff(m.advance(now), fired); diff != "" {
				rt.Fatalf("Advance(%v) (-want +got):\n%s", now, diff)
			}
		case 5:
			checkNext(rt, w, m)
		}
		if w.Len() != len(m.timers) {
			rt.Fatalf("Len() = %d, want %d", w.Len(), len(m.timers))
		}
	}
	if diff := cmp.Diff(m.advance(math.MaxInt64), checkAdvance(rt, w, math.MaxInt64)); diff != "" {
		rt.Fatalf("the last Advance (-want +got):\n%s", diff)
	}
}

func checkAdvance(rt *rapid.T, w *Wheel[int], now time.Duration) []int {
	var fired []int
	w.Advance(now, func(id int) { fired = append(fired, id) })
	if next, ok := w.Next(); ok && next <= now {
		rt.Fatalf("after Advance(%v) Next is %v", now, next)
	}
	return fired
}

func checkNext(rt *rapid.T, w *Wheel[int], m *wheelModel) {
	next, ok := w.Next()
	if ok != (len(m.timers) > 0) {
		rt.Fatalf("Next says %v, timers are %v", ok, m.timers)
	}
	for _, timer := range m.timers {
		if ok && next > time.Duration(timer.tick*m.tick) {
			rt.Fatalf("Next is %v, later than tick %d", next, timer.tick)
		}
	}
}

// Goal: to follow Next step by step fires every timer exactly at its tick, with few steps.
func TestWheelNextLeadsToEachTimer(t *testing.T) {
	w := NewWheel[time.Duration](time.Millisecond, 0)
	for when := time.Duration(1); when < 400*24*time.Hour; when *= 3 {
		w.Insert(when, when)
	}
	steps, fired := 0, 0
	for next, ok := w.Next(); ok; next, ok = w.Next() {
		steps++
		w.Advance(next, func(when time.Duration) {
			fired++
			if late := next - when; late < 0 || late >= time.Millisecond {
				t.Errorf("timer for %v fired at %v", when, next)
			}
		})
	}
	if fired != 35 || steps > 35*wheelLevels {
		t.Errorf("fired %d timers in %d steps", fired, steps)
	}
}

// Goal: what due inserts for a moment up to now belongs to the next Advance, whatever slot it would sit in.
func TestWheelInsertDuringAdvance(t *testing.T) {
	w := NewWheel[string](time.Millisecond, 0)
	var fired []string
	due := func(name string) {
		fired = append(fired, name)
		if name == "first" {
			w.Insert(0, "past")
			w.Insert(7*time.Millisecond, "between")
			w.Insert(10*time.Millisecond, "now")
			w.Insert(11*time.Millisecond, "later")
		}
	}
	w.Insert(5*time.Millisecond, "first")
	w.Insert(9*time.Millisecond, "second")
	w.Advance(10*time.Millisecond, due)
	if diff := cmp.Diff([]string{"first", "second"}, fired); diff != "" {
		t.Fatalf("first Advance (-want +got):\n%s", diff)
	}
	if next, ok := w.Next(); !ok || next > 10*time.Millisecond {
		t.Errorf("Next = %v, %v though timers are due", next, ok)
	}
	w.Advance(10*time.Millisecond, due)
	w.Advance(11*time.Millisecond, due)
	if diff := cmp.Diff([]string{"first", "second", "past", "between", "now", "later"}, fired); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
}

// Goal: due may cancel what the same Advance would hand out next; a due that panics loses nobody else's timer.
func TestWheelCancelAndPanicDuringAdvance(t *testing.T) {
	w := NewWheel[int](time.Millisecond, 0)
	w.Insert(time.Millisecond, 1)
	victim := w.Insert(time.Millisecond, 2)
	w.Insert(time.Millisecond, 3)
	w.Insert(2*time.Millisecond, 4)
	var fired []int
	func() {
		defer func() { _ = recover() }()
		w.Advance(5*time.Millisecond, func(id int) {
			fired = append(fired, id)
			if !w.Cancel(victim) {
				t.Error("could not cancel a timer that was due in the same tick")
			}
			panic("stop here")
		})
	}()
	w.Advance(5*time.Millisecond, func(id int) { fired = append(fired, id) })
	if diff := cmp.Diff([]int{1, 3, 4}, fired); diff != "" || w.Len() != 0 {
		t.Errorf("Len %d, fired (-want +got):\n%s", w.Len(), diff)
	}
}

// Goal: a handle of a timer that is gone, or of none, never touches the timer that took its place.
func TestWheelOldHandlesNameNothing(t *testing.T) {
	w := NewWheel[int](time.Millisecond, 0)
	old := w.Insert(time.Second, 1)
	copied := old
	if !w.Cancel(old) || w.Cancel(copied) || w.Cancel(WheelHandle{}) || w.Cancel(WheelHandle{index: 1 << 20, gen: 1}) {
		t.Error("Cancel must succeed exactly once")
	}
	again := w.Insert(time.Second, 2)
	if again.index != old.index {
		t.Fatalf("node %d was not used again, but %d", old.index, again.index)
	}
	if w.Cancel(old) || w.Len() != 1 {
		t.Error("an old handle cancelled a new timer")
	}
}

// Goal: impossible wheels are refused at once.
func TestNewWheelRefusesNonsense(t *testing.T) {
	for _, arguments := range [][2]time.Duration{{0, 0}, {-1, 0}, {1, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewWheel(%v) did not panic", arguments)
				}
			}()
			NewWheel[int](arguments[0], arguments[1])
		}()
	}
}

// Goal: a wheel that has been told how many timers come allocates nothing for them.
func TestWheelThatHasGrownAllocatesNothing(t *testing.T) {
	w := NewWheel[int](time.Millisecond, 0)
	w.Grow(2000)
	n := testing.AllocsPerRun(1, func() {
		for i := range 1000 {
			w.Insert(time.Duration(i)*time.Second, i)
		}
	})
	if n != 0 || w.Len() != 2000 {
		t.Errorf("%v allocations, %d timers", n, w.Len())
	}
}
