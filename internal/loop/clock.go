package loop

import (
	"sync/atomic"
	"time"
)

// Clock is the time of a loop and how it passes while the loop has nothing to run.
type Clock interface {
	// Now is the time since an origin of the clock's own choice. It never goes back.
	Now() time.Duration

	// Pass lets time pass until p's moment has come or p is woken. It may return early; the loop then looks what
	// there is to do and calls again. It is called on the loop's goroutine.
	Pass(p *Pause)
}

// Pause is a moment in which the loop has nothing to run.
type Pause struct {
	Until   time.Duration // when the first timer wants attention; meaningful if Timed
	Timed   bool          // false: no timer waits, only another goroutine can end the pause
	Working bool          // work is under way in the executor, its end will wake the loop

	inbox *inbox
	slept bool
}

// Sleep blocks until Wake is called or another goroutine has sent the loop something. At most once per Pause.
func (p *Pause) Sleep() {
	p.slept = true
	p.inbox.sleep()
}

// Wake ends the Sleep of the loop this Pause belongs to, now or a later one. Any goroutine.
func (p *Pause) Wake() { p.inbox.wake() }

// NewClock is the machine's monotonic clock; its origin is the moment of the call. One clock serves one loop.
func NewClock() Clock { return &machineClock{origin: time.Now()} }

// machineClock sleeps in a plain receive, which a runtime timer ends: a select with two ways costs more. The timer is
// left running when something else ended the sleep, so a busy loop with timers does not set it again in each turn.
type machineClock struct {
	origin time.Time
	timer  *time.Timer
	at     time.Duration // when the timer goes off
	armed  atomic.Bool
}

func (c *machineClock) Now() time.Duration { return time.Since(c.origin) }

func (c *machineClock) Pass(p *Pause) {
	if p.Timed && !(c.armed.Load() && c.at <= p.Until) {
		wait := p.Until - c.Now()
		if wait <= 0 {
			return
		}
		c.arm(p, wait)
	}
	p.Sleep()
}

// arm sets the timer. The flag falls before the sleeper is woken: a loop that lies down after the timer went off
// sees it fallen, one that lay down before is woken.
func (c *machineClock) arm(p *Pause, wait time.Duration) {
	if c.timer == nil {
		inbox := p.inbox
		c.timer = stoppedTimer(func() {
			c.armed.Store(false)
			inbox.wake()
		})
	}
	c.at = p.Until
	c.armed.Store(true)
	c.timer.Reset(wait)
}

// stoppedTimer calls fn on a goroutine of the runtime's whenever it goes off; it does not run yet.
func stoppedTimer(fn func()) *time.Timer {
	t := time.AfterFunc(time.Hour, fn)
	t.Stop()
	return t
}

// NewVirtualClock is a clock that starts at zero and stands still while anything can run. When nothing is ready and no
// work is under way in the executor it jumps to the next timer, so that a day of timers takes milliseconds and runs
// the same way each time. One clock serves one loop.
func NewVirtualClock() Clock { return new(virtualClock) }

type virtualClock struct{ now time.Duration }

func (c *virtualClock) Now() time.Duration { return c.now }

func (c *virtualClock) Pass(p *Pause) {
	if p.Timed && !p.Working {
		c.now = max(c.now, p.Until)
		return
	}
	p.Sleep()
}
