package loop

import (
	"iter"
	"sync"
	"testing"
	"time"
)

// benchTask measures the b.N rounds of body in a task.
func benchTask(b *testing.B, l *Loop, body func(rounds int) error) {
	b.Helper()
	task := CreateTask(l, func() (struct{}, error) {
		var err error
		measure(b, func() { err = body(b.N) })
		return struct{}{}, err
	})
	if _, err := RunUntilComplete(l, task); err != nil {
		b.Error(err)
	}
}

func BenchmarkTaskSwitch(b *testing.B) {
	l := benchLoop(b, Options{})
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			if err := l.Yield(); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkTaskSwitchAmong1000(b *testing.B) {
	l := benchLoop(b, Options{})
	for range batch {
		CreateTask(l, func() (struct{}, error) {
			for range b.N / batch {
				if err := l.Yield(); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
	}
	inner := CreateTask(l, func() (struct{}, error) { return struct{}{}, l.endWhenAlone() })
	measure(b, func() {
		if _, err := RunUntilComplete(l, inner); err != nil {
			b.Error(err)
		}
	})
}

// endWhenAlone returns when no other task is left.
func (l *Loop) endWhenAlone() error {
	for l.tasks > 1 {
		if err := l.Yield(); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkLimitPullPair(b *testing.B) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	})
	defer stop()
	measure(b, func() {
		for range b.N {
			next()
		}
	})
}

func BenchmarkCreateTask(b *testing.B) {
	l := benchLoop(b, Options{})
	empty := func() (int, error) { return 0, nil }
	f := &feeder{l: l, left: b.N, feed: func(f *feeder) { CreateTask(f.l, empty) }}
	l.Schedule(f)
	measure(b, func() { benchRun(b, l) })
}

func BenchmarkLimitGo(b *testing.B) {
	var all sync.WaitGroup
	empty := func() { all.Done() }
	measure(b, func() {
		for done := 0; done < b.N; done += batch {
			all.Add(batch)
			for range batch {
				go empty()
			}
			all.Wait()
		}
	})
}

func BenchmarkCreateTaskAndAwait(b *testing.B) {
	l := benchLoop(b, Options{})
	empty := func() (int, error) { return 0, nil }
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			if _, err := CreateTask(l, empty).Await(); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkAwaitScheduledFuture(b *testing.B) {
	l := benchLoop(b, Options{})
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			f := CreateFuture[int](l)
			l.CallSoon(func() { _ = f.SetResult(1) })
			if _, err := f.Await(); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkAwaitDoneFuture(b *testing.B) {
	l := benchLoop(b, Options{})
	f := CreateFuture[int](l)
	_ = f.SetResult(1)
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			if _, err := f.Await(); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkGather1000Futures(b *testing.B) {
	l := benchLoop(b, Options{})
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			futures := make([]*Future[int], batch)
			children := make([]Awaitable[int], batch)
			for i := range futures {
				futures[i] = CreateFuture[int](l)
				children[i] = futures[i]
			}
			l.CallSoon(func() {
				for i, f := range futures {
					_ = f.SetResult(i)
				}
			})
			if _, err := Gather(l, children...).Await(); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkGather1000Tasks(b *testing.B) {
	l := benchLoop(b, Options{})
	once := func() (int, error) { return 1, l.Yield() }
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			children := make([]Awaitable[int], batch)
			for i := range children {
				children[i] = CreateTask(l, once)
			}
			if _, err := Gather(l, children...).Await(); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkRunUntilComplete(b *testing.B) {
	l := benchLoop(b, Options{})
	empty := func() (int, error) { return 0, nil }
	measure(b, func() {
		for range b.N {
			if _, err := RunUntilComplete(l, CreateTask(l, empty)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkEventSetWakes1000(b *testing.B) {
	l := benchLoop(b, Options{})
	e := NewEvent(l)
	left := 0
	for range batch {
		CreateTask(l, func() (int, error) {
			for {
				if err := e.Wait(); err != nil {
					return 0, err
				}
				left--
			}
		})
	}
	runTurn(b, l)
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			left = batch
			e.Set()
			e.Clear()
			if err := l.Yield(); err != nil || left != 0 {
				b.Errorf("%d did not wake, %v", left, err)
			}
		}
		return nil
	})
}

func runTurn(b *testing.B, l *Loop) {
	l.Stop()
	benchRun(b, l)
}

func BenchmarkVirtualSleep(b *testing.B) {
	l := benchLoop(b, Options{Clock: NewVirtualClock()})
	benchTask(b, l, func(rounds int) error {
		for range rounds {
			if err := l.sleep(time.Second); err != nil {
				return err
			}
		}
		return nil
	})
}
