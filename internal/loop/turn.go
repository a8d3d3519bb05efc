package loop

import (
	"runtime/debug"
)

const (
	// A buffer that a spike has grown beyond bufferKeep entries is given back once bufferCalm turns in a row have used
	// less than a quarter of it.
	bufferKeep = 1024
	bufferCalm = 64
)

// turn is _run_once: gather what is ready by now, run exactly that, tell whoever wants to know.
func (l *Loop) turn() {
	if len(l.ready) == 0 && !l.stopping {
		l.rest()
	}
	l.nowKnown = false
	if l.inbox.posted() {
		l.receive()
	}
	if l.wheel.rings.live > 0 {
		l.wheel.rings.advance(int64(l.Now()), l.onDue)
	}
	if l.options.TimeTurns {
		l.Now()
	}
	l.batch, l.ready = l.ready, l.batch
	l.batchGone, l.readyGone = l.readyGone, 0
	l.readySeq += uint64(len(l.batch))
	for l.cursor < len(l.batch) {
		if l.debug() {
			l.runTimed()
		} else {
			l.run()
		}
	}
	l.endTurn()
}

// rest lets the clock pass while nothing is ready.
func (l *Loop) rest() {
	if !l.inbox.lieDown() {
		return
	}
	p := &l.pause
	p.Timed = l.wheel.rings.live > 0
	if p.Timed {
		p.Until, p.Timed = l.wheel.Next()
	}
	p.Working = l.executor.working > 0
	p.slept = false
	l.clock.Pass(p)
	if !p.slept {
		l.inbox.getUp()
	}
	if l.heart != nil {
		l.heart.resume()
	}
}

// receive moves what other goroutines have sent to the ready queue. If that is empty the buffers just change places.
func (l *Loop) receive() {
	if len(l.ready) == 0 {
		l.ready = l.inbox.swap(l.ready)
		return
	}
	posted := l.inbox.swap(l.spare)
	l.ready = append(l.ready, posted...)
	l.spare = l.emptied(posted)
}

// run runs the batch from the cursor on; it returns early when a callback panicked, and is then called again. Every
// task switch goes through this frame: keep it flat.
func (l *Loop) run() {
	var r Runner
	broken := true
	defer func() {
		if broken {
			l.broke(r, recover())
		}
	}()
	l.beat = l.beats.Load()
	for l.cursor < len(l.batch) {
		r = l.batch[l.cursor]
		l.cursor++
		switch r := r.(type) {
		case nil:
			continue
		case *taskCore:
			co := r.co
			if co == nil {
				co = r.begin()
			}
			if co == nil || l.strict.Load() != 0 {
				r.runStrictly()
				break
			}
			l.current = r
			co.next()
			l.listen(l.current) // the last one of those that began in a row
			l.current = nil
			if co.task == nil || l.strict.Load() != 0 {
				l.stepped(co)
			}
		default:
			r.Run()
		}
		l.listen(r)
	}
	broken = false
}

// broke reports a callback that panicked, or that ended the loop's goroutine.
func (l *Loop) broke(r Runner, value any) {
	if value == nil {
		l.report(Exception{Message: "a callback ended the goroutine of the loop", Err: ErrGoexit, Source: nameOf(r)})
		return
	}
	l.report(Exception{
		Message: "a callback panicked",
		Err:     &PanicError{Value: value, Stack: debug.Stack()},
		Source:  nameOf(r),
	})
}

// endTurn is the only place where a turn is counted and told of.
func (l *Loop) endTurn() {
	ran := len(l.batch) - l.batchGone
	l.endBatch()
	l.turns++
	l.callbacks += uint64(ran)
	if l.options.AfterTurn != nil {
		l.afterTurn(ran)
	}
	l.publish()
}

func (l *Loop) endBatch() {
	l.batch = l.emptied(l.batch)
	l.batchGone = 0
	l.cursor = 0
	for _, i := range l.due {
		l.wheel.release(i)
	}
	l.due = l.due[:0]
}

func (l *Loop) afterTurn(ran int) {
	t := Turn{Callbacks: ran}
	if l.options.TimeTurns {
		t.Began = l.now
		t.Took = l.clock.Now() - l.now
	}
	defer func() {
		if v := recover(); v != nil {
			err := &PanicError{Value: v, Stack: debug.Stack()}
			l.report(Exception{Message: "AfterTurn panicked", Err: err, Source: "AfterTurn"})
		}
	}()
	l.options.AfterTurn(t)
}

// emptied forgets what a buffer holds, and the buffer itself when it has been far too large for a while.
func (l *Loop) emptied(buffer []Runner) []Runner {
	if len(buffer) == 1 {
		buffer[0] = nil // the runtime's bulk clear takes longer than all else that ends a small turn
	} else {
		clear(buffer)
	}
	if cap(buffer) <= bufferKeep {
		return buffer[:0]
	}
	if len(buffer) >= cap(buffer)/4 {
		l.calm = 0
		return buffer[:0]
	}
	l.calm++
	if l.calm < bufferCalm {
		return buffer[:0]
	}
	l.calm = 0
	return nil
}
