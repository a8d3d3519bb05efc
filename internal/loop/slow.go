package loop

import (
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	slowDefault      = 100 * time.Millisecond
	slowDefaultDebug = 50 * time.Millisecond

	// heartbeats are the beats in one SlowCallback. A callback that hears one more than that took longer for certain.
	heartbeats = 4
)

// heart beats while the loop runs and does not sleep. To notice by it that a callback is slow costs one load after
// each: reading the clock around each would cost several times what a callback costs.
type heart struct {
	loop    *Loop
	timer   *time.Timer
	alive   atomic.Bool // the loop runs
	resting atomic.Bool // the timer is not set
}

func newHeart(l *Loop) *heart {
	h := &heart{loop: l}
	h.timer = stoppedTimer(h.beat)
	h.resting.Store(true)
	return h
}

func (h *heart) start() {
	h.alive.Store(true)
	h.resume()
}

func (h *heart) stop() {
	h.alive.Store(false)
	h.timer.Stop()
	h.resting.Store(true)
}

// beat runs on a goroutine of the runtime's. The heart rests first and looks then whether it should: a loop that
// wakes up in between finds it resting.
func (h *heart) beat() {
	h.loop.beats.Add(1)
	h.resting.Store(true)
	if h.alive.Load() && !h.loop.inbox.asleep() {
		h.resume()
	}
}

// resume sets the timer unless it is set.
func (h *heart) resume() {
	if h.resting.Load() && h.resting.CompareAndSwap(true, false) {
		h.timer.Reset(h.loop.slowAfter() / heartbeats)
	}
}

// listen is called after each callback.
func (l *Loop) listen(r Runner) {
	if now := l.beats.Load(); now != l.beat {
		l.heard(r, now)
	}
}

// heard asks how many beats went by during r.
func (l *Loop) heard(r Runner, now uint32) {
	beats := now - l.beat
	l.beat = now
	if beats > heartbeats {
		l.wasSlow(r, time.Duration(beats)*l.slowAfter()/heartbeats)
	}
}

// runTimed is run for the debug mode: it reads the clock around each callback.
func (l *Loop) runTimed() {
	var r Runner
	broken := true
	defer func() {
		if broken {
			l.broke(r, recover())
		}
	}()
	for l.cursor < len(l.batch) {
		r = l.batch[l.cursor]
		l.cursor++
		if r == nil {
			continue
		}
		began := l.clock.Now()
		r.Run()
		if took := l.clock.Now() - began; took >= l.slowAfter() {
			l.wasSlow(r, took)
		}
	}
	broken = false
}

func (l *Loop) wasSlow(r Runner, took time.Duration) {
	l.slow++
	if l.options.OnSlow == nil {
		slog.Default().Warn("loop: a callback was slow", "source", nameOf(r), "took", took)
		return
	}
	l.options.OnSlow(nameOf(r), took)
}

func (l *Loop) slowAfter() time.Duration {
	switch {
	case l.options.SlowCallback > 0:
		return l.options.SlowCallback
	case l.debug():
		return slowDefaultDebug
	}
	return slowDefault
}
