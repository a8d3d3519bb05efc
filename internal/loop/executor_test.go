package loop

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Goal: at most ExecutorMax functions run at a time, the others in order; the loop goes on meanwhile.
func TestTheExecutorIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLoop(t, func(o *Options) { o.Clock, o.ExecutorMax = nil, 2 })
		began := make(chan int, 10)
		ticks := 0
		inTask(t, l, func() {
			var all []Awaitable[int]
			for i := range 5 {
				all = append(all, RunInExecutor(l, func(context.Context) (int, error) {
					began <- i
					time.Sleep(time.Second)
					return i * i, nil
				}))
			}
			tick := CreateTask(l, func() (int, error) {
				for range 5 {
					_ = l.sleep(100 * time.Millisecond)
					ticks++
				}
				if len(began) != 2 {
					t.Errorf("%d began in the first half second", len(began))
				}
				return 0, nil
			})
			if squares, err := Gather(l, all...).Await(); err != nil || !slices.Equal(squares, []int{0, 1, 4, 9, 16}) {
				t.Errorf("%v, %v", squares, err)
			}
			if _, err := tick.Await(); err != nil || ticks != 5 {
				t.Errorf("%d ticks, %v", ticks, err)
			}
		})
		if l.Now() != 3*time.Second || l.Stats().Executing != 0 {
			t.Errorf("it took %v, %+v", l.Now(), l.Stats())
		}
	})
}

// Goal: however a function ends, its future ends.
func TestHowFunctionsInTheExecutorEnd(t *testing.T) {
	l := newTestLoop(t, func(o *Options) { o.Clock = nil })
	inTask(t, l, func() {
		for want, fn := range map[error]func(context.Context) (int, error){
			errBroken: func(context.Context) (int, error) { return 0, errBroken },
			ErrGoexit: func(context.Context) (int, error) { runtime.Goexit(); return 0, nil },
			errBounds: func(context.Context) (int, error) { panic(errBounds) },
		} {
			if _, err := RunInExecutor(l, fn).Await(); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
	})
}

var errBounds = errors.New("out of bounds")

// Goal: the end of a function that holds the loop up is named after the function.
func TestJobsAreNamed(t *testing.T) {
	j := &job[int]{fn: func(context.Context) (int, error) { return 0, nil }}
	if got := nameOf(j); !containsAll(got, "TestJobsAreNamed") {
		t.Errorf("the name is %q", got)
	}
}

// Goal: cancelling ends the context of what runs, and keeps what is queued from starting; Close ends the rest.
func TestCancelInTheExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{ExecutorMax: 1})
		ended := 0
		wait := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended++
			return 0, ctx.Err()
		}
		first := RunInExecutor(l, wait)
		queued := RunInExecutor(l, func(context.Context) (int, error) { t.Error("ran"); return 0, nil })
		last := RunInExecutor(l, wait)
		if !queued.Cancel() || !queued.Cancelled() || queued.Cancel() {
			t.Error("not cancelled once")
		}
		if !first.Cancel() || !first.Cancelled() {
			t.Error("not cancelled")
		}
		synctest.Wait()
		runTurns(t, l, 1)
		if ended != 1 || l.Stats().Executing != 1 || last.Done() {
			t.Errorf("%d ended, %+v", ended, l.Stats())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if ended != 2 || last.Done() {
			t.Errorf("%d ended, done %v", ended, last.Done())
		}
	})
}

// Goal: virtual time stands still while work is under way outside, and jumps when it is not.
func TestVirtualTimeWaitsForTheExecutor(t *testing.T) {
	l := newTestLoop(t)
	inTask(t, l, func() {
		release := make(chan struct{})
		work := RunInExecutor(l, func(context.Context) (int, error) { <-release; return 1, nil })
		before := l.Now()
		sleep := CreateTask(l, func() (time.Duration, error) {
			err := l.sleep(24 * time.Hour)
			return l.Now(), err
		})
		for range 10 {
			_ = l.Yield()
		}
		if l.Now() != before {
			t.Errorf("time went on to %v", l.Now())
		}
		close(release)
		if v, err := work.Await(); v != 1 || err != nil || l.Now() != before {
			t.Errorf("%d, %v, at %v", v, err, l.Now())
		}
		if at, err := sleep.Await(); at != before+24*time.Hour || err != nil {
			t.Errorf("woke up at %v, %v", at, err)
		}
	})
}

// Goal: a queue gives back what was put in, in order, and forgets it.
func TestFifo(t *testing.T) {
	var q fifo[*int]
	in, out := 0, 0
	for round := range 50 {
		for range round % 7 {
			v := in
			q.push(&v)
			in++
		}
		for range round % 5 {
			if q.len() == 0 {
				break
			}
			if got := *q.pop(); got != out {
				t.Fatalf("got %d, want %d", got, out)
			}
			out++
		}
	}
	if q.len() != in-out {
		t.Errorf("len %d, want %d", q.len(), in-out)
	}
	for _, item := range q.items[:q.front] {
		if item != nil {
			t.Error("what is gone is still held")
		}
	}
}
