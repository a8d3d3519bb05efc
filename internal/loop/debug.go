package loop

import (
	"bytes"
	"runtime"
	"strconv"
)

const (
	strictDebug  = 1 << iota // only the owner may use loop-only methods
	strictClosed             // nobody may schedule any more
)

// SetDebug turns the debug mode on or off; see Options.Debug. Set it before the loop runs or on the loop.
func (l *Loop) SetDebug(on bool) {
	l.own("SetDebug")
	if !on {
		l.strict.And(^uint32(strictDebug))
		l.owner.Store(0)
		return
	}
	l.strict.Or(strictDebug)
	if l.running.Load() {
		l.owner.Store(goroutineID())
	}
}

// Debug reports whether the debug mode is on. Any goroutine.
func (l *Loop) Debug() bool { return l.debug() }

func (l *Loop) debug() bool { return l.strict.Load()&strictDebug != 0 }

// own stands at the start of every loop-only method. In debug mode it panics when the goroutine is not the one that
// owns the loop.
func (l *Loop) own(method string) {
	if l.strict.Load() != 0 {
		l.inspect(method)
	}
}

// ownOpen stands at the start of every method that schedules something. It panics also when the loop is closed, as
// asyncio does: what was scheduled would never run.
func (l *Loop) ownOpen(method string) {
	if l.strict.Load() != 0 {
		l.inspectOpen(method)
	}
}

func (l *Loop) inspectOpen(method string) {
	l.inspect(method)
	if l.isClosed() {
		panic("loop: " + method + " was called on a closed loop")
	}
}

func (l *Loop) inspect(method string) {
	if l.debug() {
		if owner := l.owner.Load(); owner != 0 && owner != goroutineID() {
			panic("loop: " + method + " was called by a goroutine that does not own the loop; " +
				"use CallSoonThreadsafe, ScheduleThreadsafe or Call from other goroutines")
		}
	}
}

// goroutineID reads the number of this goroutine from the first line of its stack, "goroutine 123 [running]". It takes
// about a microsecond, and so serves the debug mode alone.
func goroutineID() uint64 {
	var text [64]byte
	line := bytes.TrimPrefix(text[:runtime.Stack(text[:], false)], []byte("goroutine "))
	number, _, _ := bytes.Cut(line, []byte(" "))
	id, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		panic("loop: no number in the stack of this goroutine: " + err.Error())
	}
	return id
}
