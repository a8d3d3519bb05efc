package loop

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The benchmarks come in pairs where there is a limit: what the machine takes for the bare thing that the loop is
// made of, in the same process. bench/loop compares them with each other, with asyncio and with uvloop.

const batch = 1000

// ballast is what the process holds, as a service holds something: with an empty heap the collector would run every
// 4 MB and be half of what is measured wherever something is allocated. LOOP_BENCH_HEAP_MB=0 shows that.
var ballast []byte

func holdBallast() {
	size := 64
	if text := os.Getenv("LOOP_BENCH_HEAP_MB"); text != "" {
		size, _ = strconv.Atoi(text)
	}
	if len(ballast) != size<<20 {
		ballast = make([]byte, size<<20)
	}
}

// measure runs fn, which does the whole of b.N, and reports the processor time of the whole process beside the time
// on the wall: a neighbour on the same machine makes the wall slow, not the processor's work.
func measure(b *testing.B, fn func()) {
	b.Helper()
	b.ReportAllocs()
	holdBallast()
	runtime.GC()
	before := cpuTime(b)
	b.ResetTimer()
	fn()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchLoop(b *testing.B, options Options) *Loop {
	b.Helper()
	l := New(options)
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

func benchRun(b *testing.B, l *Loop) {
	if err := l.RunForever(); err != nil {
		b.Error(err)
	}
}

// feeder schedules batch callbacks in each turn until n have run.
type feeder struct {
	l    *Loop
	left int
	feed func(f *feeder)
	ran  int
}

func (f *feeder) Run() {
	f.left -= batch
	for range batch {
		f.feed(f)
	}
	if f.left <= 0 {
		f.l.CallSoon(f.l.Stop)
		return
	}
	f.l.Schedule(f)
}

type counter struct{ n int }

func (c *counter) Run() { c.n++ }

func BenchmarkCallSoon(b *testing.B) {
	l := benchLoop(b, Options{})
	c := &counter{}
	l.Schedule(&sower{l: l, left: b.N, seed: c})
	measure(b, func() { benchRun(b, l) })
}

// sower is a feeder with nothing between it and Schedule.
type sower struct {
	l    *Loop
	left int
	seed Runner
}

func (s *sower) Run() {
	for range batch {
		s.l.Schedule(s.seed)
	}
	if s.left -= batch; s.left <= 0 {
		s.l.CallSoon(s.l.Stop)
		return
	}
	s.l.Schedule(s)
}

func BenchmarkCallSoonClosure(b *testing.B) {
	l := benchLoop(b, Options{})
	f := &feeder{l: l, left: b.N, feed: func(f *feeder) { f.l.CallSoon(func() { f.ran++ }) }}
	l.Schedule(f)
	measure(b, func() { benchRun(b, l) })
}

func BenchmarkLimitSliceAppendAndCall(b *testing.B) {
	c := &counter{}
	measure(b, func() {
		var ready []Runner
		for done := 0; done < b.N; done += batch {
			for range batch {
				ready = append(ready, c)
			}
			for _, r := range ready {
				r.Run()
			}
			clear(ready)
			ready = ready[:0]
		}
	})
}

// chain is one callback a turn.
type chain struct {
	l    *Loop
	left int
}

func (c *chain) Run() {
	if c.left--; c.left <= 0 {
		c.l.Stop()
		return
	}
	c.l.Schedule(c)
}

func BenchmarkCallSoonChain(b *testing.B) {
	l := benchLoop(b, Options{})
	l.Schedule(&chain{l: l, left: b.N})
	measure(b, func() { benchRun(b, l) })
}

func BenchmarkCallSoonChainWithTimer(b *testing.B) {
	l := benchLoop(b, Options{})
	l.CallLater(time.Hour, func() {})
	l.Schedule(&chain{l: l, left: b.N})
	measure(b, func() { benchRun(b, l) })
}

func BenchmarkThreadsafe1(b *testing.B)  { benchThreadsafe(b, 1) }
func BenchmarkThreadsafe8(b *testing.B)  { benchThreadsafe(b, 8) }
func BenchmarkThreadsafe64(b *testing.B) { benchThreadsafe(b, 64) }

// benchThreadsafe lets each producer be at most 1024 ahead of the loop, as those of a service are who wait for answers.
func benchThreadsafe(b *testing.B, producers int) {
	l := benchLoop(b, Options{})
	c := &counter{}
	each := (b.N + producers - 1) / producers
	var senders sync.WaitGroup
	measure(b, func() {
		for range producers {
			senders.Go(func() {
				for i := range each {
					_ = l.ScheduleThreadsafe(c)
					if i%1024 == 1023 {
						_, _ = Call(context.Background(), l, func() struct{} { return struct{}{} })
					}
				}
			})
		}
		go func() {
			senders.Wait()
			_ = l.CallSoonThreadsafe(l.Stop)
		}()
		benchRun(b, l)
	})
	if c.n != each*producers {
		b.Errorf("%d of %d ran", c.n, each*producers)
	}
}

type reply struct{ home chan struct{} }

func (r *reply) Run() { r.home <- struct{}{} }

func BenchmarkRoundTrip(b *testing.B) {
	l := benchLoop(b, Options{})
	r := &reply{home: make(chan struct{})}
	go func() {
		for range b.N {
			_ = l.ScheduleThreadsafe(r)
			<-r.home
		}
		_ = l.CallSoonThreadsafe(l.Stop)
	}()
	measure(b, func() { benchRun(b, l) })
}

func BenchmarkLimitChannelPingPong(b *testing.B) {
	there, back := make(chan struct{}), make(chan struct{})
	go func() {
		for range b.N {
			there <- struct{}{}
			<-back
		}
		close(there)
	}()
	measure(b, func() {
		for range there {
			back <- struct{}{}
		}
	})
}
