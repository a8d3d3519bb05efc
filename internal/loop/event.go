package loop

// Event is a flag that tasks wait for: asyncio.Event.
type Event struct {
	loop    *Loop
	set     bool
	waiters Waiters
}

// NewEvent makes an event that is not set.
func NewEvent(l *Loop) *Event { return &Event{loop: l} }

// Set raises the flag and schedules everybody who waits, in order of arrival. Who was woken stays woken, whatever
// happens to the flag before its turn comes.
func (e *Event) Set() {
	e.loop.own("Event.Set")
	if !e.set {
		e.set = true
		e.waiters.Wake()
	}
}

// Clear lowers the flag: who waits from now on waits for the next Set.
func (e *Event) Clear() {
	e.loop.own("Event.Clear")
	e.set = false
}

// IsSet reports whether the flag is up.
func (e *Event) IsSet() bool {
	e.loop.own("Event.IsSet")
	return e.set
}

// Wait suspends the task that calls it until the flag is up; if it is, Wait returns at once. Its only error is
// ErrCancelled.
func (e *Event) Wait() error {
	e.loop.own("Event.Wait")
	if e.set {
		return nil
	}
	co := e.loop.join(&e.waiters, "Event.Wait")
	return co.back(co.yield(struct{}{}))
}

// Await is Wait for those who take any Awaitable; its value is true.
func (e *Event) Await() (bool, error) {
	err := e.Wait()
	return err == nil, err
}

// Join lets something other than a task wait: w is woken by the next Set, or leaves by Waiter.Leave. It reports false,
// and w does not wait, if the flag is up already. A waiter costs no coroutine and no goroutine.
func (e *Event) Join(w *Waiter) bool {
	e.loop.own("Event.Join")
	if e.set {
		return false
	}
	e.waiters.Add(w)
	return true
}
