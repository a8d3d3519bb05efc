package loop

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The memory of one object is the growth of the process while many are made, as the peers measure theirs. Run each in a
// process of its own.
const many = 300_000

func measureBytes(b *testing.B, create func(l *Loop) any) {
	for range b.N {
		l := New(Options{Clock: NewVirtualClock()})
		before := resident(b)
		kept := create(l)
		b.ReportMetric(float64(resident(b)-before)/many, "B/object")
		runtime.KeepAlive(kept)
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}
}

func resident(b *testing.B) int {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc/self/statm on this system")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func BenchmarkBytesFuture(b *testing.B) {
	measureBytes(b, func(l *Loop) any {
		futures := make([]*Future[int], many)
		for i := range futures {
			futures[i] = CreateFuture[int](l)
		}
		return futures
	})
}

// parked is what a service parks: something that waits for an event and knows whom to tell.
type parked struct {
	Waiter
	tell *counter
}

func (p *parked) Wake() { p.tell.n++ }

func BenchmarkBytesWaiter(b *testing.B) {
	measureBytes(b, func(l *Loop) any {
		e, c := NewEvent(l), &counter{}
		for range many {
			p := &parked{tell: c}
			p.Owner = p
			e.Join(&p.Waiter)
		}
		return e
	})
}

func BenchmarkBytesSuspendedTask(b *testing.B) {
	measureBytes(b, func(l *Loop) any {
		e := NewEvent(l)
		for range many {
			CreateTask(l, e.Await)
		}
		runTurn(b, l)
		return e
	})
}

func BenchmarkBytesTimer(b *testing.B) {
	measureBytes(b, func(l *Loop) any {
		c := &counter{}
		for i := range many {
			l.ScheduleAt(time.Hour+time.Duration(i)*time.Millisecond, c)
		}
		return l
	})
}
