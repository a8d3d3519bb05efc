package loop

import (
	"math/rand/v2"
	"testing"
	"time"
)

const million = 1_000_000

// farAway is a delay of between a minute and an hour.
func farAway(r *rand.Rand) time.Duration {
	return time.Minute + time.Duration(r.Int64N(int64(59*time.Minute)))
}

func millionTimers(b *testing.B) (*Loop, *rand.Rand, []TimerHandle) {
	b.Helper()
	l := benchLoop(b, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	handles := make([]TimerHandle, million)
	for i := range handles {
		handles[i] = l.ScheduleAt(farAway(r), &counter{})
	}
	return l, r, handles
}

func BenchmarkTimerInsertCancelAt1M(b *testing.B) {
	l, r, _ := millionTimers(b)
	c := &counter{}
	whens := make([]time.Duration, 1<<16)
	for i := range whens {
		whens[i] = farAway(r)
	}
	measure(b, func() {
		for i := range b.N {
			h := l.ScheduleAt(whens[i&(1<<16-1)], c)
			h.Cancel()
		}
	})
}

func BenchmarkLimitAfterFuncStopAt1M(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	timers := make([]*time.Timer, million)
	for i := range timers {
		timers[i] = time.AfterFunc(farAway(r), func() {})
	}
	whens := make([]time.Duration, 1<<16)
	for i := range whens {
		whens[i] = farAway(r)
	}
	measure(b, func() {
		for i := range b.N {
			time.AfterFunc(whens[i&(1<<16-1)], func() {}).Stop()
		}
	})
	for _, t := range timers {
		t.Stop()
	}
}

func BenchmarkTimerCancelAnyInsertAt1M(b *testing.B) {
	l, r, handles := millionTimers(b)
	c := &counter{}
	victims := make([]int, 1<<16)
	for i := range victims {
		victims[i] = r.IntN(million)
	}
	measure(b, func() {
		for i := range b.N {
			h := &handles[victims[i&(1<<16-1)]]
			h.Cancel()
			*h = l.ScheduleAt(h.When(), c)
		}
	})
}

// BenchmarkTimerInsertFire counts one timer as one operation: up to a million are inserted, then the time jumps over
// them all.
func BenchmarkTimerInsertFire(b *testing.B) {
	clock := &virtualClock{}
	l := benchLoop(b, Options{Clock: clock})
	r := rand.New(rand.NewPCG(1, 2))
	c := &counter{}
	measure(b, func() {
		for done := 0; done < b.N; done += million {
			for range min(b.N-done, million) {
				l.ScheduleAt(clock.now+farAway(r), c)
			}
			clock.now += time.Hour
			runTurn(b, l)
		}
	})
	if c.n != b.N {
		b.Errorf("%d of %d fired", c.n, b.N)
	}
}

func BenchmarkCallLaterCancel(b *testing.B) {
	l := benchLoop(b, Options{})
	fn := func() {}
	l.CallSoon(func() {
		measure(b, func() {
			for range b.N {
				h := l.CallLater(time.Second, fn)
				h.Cancel()
			}
		})
		l.Stop()
	})
	benchRun(b, l)
}
