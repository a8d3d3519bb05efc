package loop

import "sync/atomic"

// Stats count what the loop has done and say what it has before it, as of the end of its last turn.
type Stats struct {
	Turns         uint64
	Callbacks     uint64
	SlowCallbacks uint64
	Ready         int // callbacks for the next turn
	Timers        int
	Tasks         int // that are not done
	Executing     int // functions in the executor, those that queue for it included
}

// stats are written by the loop once a turn, and only where something changed: a store that other processors see
// costs as much as running a callback.
type stats struct {
	turns, callbacks, slow          atomic.Uint64
	ready, timers, tasks, executing atomic.Int64
	last                            Stats
}

// Stats may be called from any goroutine.
func (l *Loop) Stats() Stats {
	return Stats{
		Turns:         l.stats.turns.Load(),
		Callbacks:     l.stats.callbacks.Load(),
		SlowCallbacks: l.stats.slow.Load(),
		Ready:         int(l.stats.ready.Load()),
		Timers:        int(l.stats.timers.Load()),
		Tasks:         int(l.stats.tasks.Load()),
		Executing:     int(l.stats.executing.Load()),
	}
}

func (l *Loop) publish() {
	s, last := &l.stats, &l.stats.last
	s.turns.Store(l.turns)
	if last.Callbacks != l.callbacks {
		last.Callbacks = l.callbacks
		s.callbacks.Store(l.callbacks)
	}
	if last.SlowCallbacks != l.slow {
		last.SlowCallbacks = l.slow
		s.slow.Store(l.slow)
	}
	publishCount(&s.ready, &last.Ready, len(l.ready)-l.readyGone)
	publishCount(&s.timers, &last.Timers, l.wheel.rings.live)
	publishCount(&s.tasks, &last.Tasks, l.tasks)
	publishCount(&s.executing, &last.Executing, l.executor.working+l.executor.queued)
}

func publishCount(shown *atomic.Int64, last *int, count int) {
	if *last != count {
		*last = count
		shown.Store(int64(count))
	}
}
