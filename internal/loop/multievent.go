package loop

import "fmt"

// MultiEvent is several events that are waited for together. It is a plain list of them: make it when you wait, as
// often as you like.
type MultiEvent struct {
	loop   *Loop
	events []*Event
}

// NewMultiEvent waits for events of l.
func NewMultiEvent(l *Loop, events ...*Event) *MultiEvent {
	return &MultiEvent{loop: l, events: events}
}

// Wait suspends the task that calls it until each event was set at some moment since Wait began, or was set already.
// An event counts also if it is cleared before the others are set.
func (m *MultiEvent) Wait() error {
	_, err := m.WaitFor(len(m.events))
	return err
}

// Await is Wait for those who take any Awaitable; its value is true.
func (m *MultiEvent) Await() (bool, error) {
	err := m.Wait()
	return err == nil, err
}

// WaitAny waits for the first event and returns its index; of several that are set already, the lowest. It returns
// ErrInvalidState if there are no events.
func (m *MultiEvent) WaitAny() (int, error) {
	which, err := m.WaitFor(1)
	if err != nil {
		return 0, err
	}
	return which[0], nil
}

// WaitFor waits for k of the events and returns their indexes in the order in which they were set. It returns
// ErrInvalidState if there are not so many.
func (m *MultiEvent) WaitFor(k int) ([]int, error) {
	m.loop.own("MultiEvent.WaitFor")
	if k < 0 || k > len(m.events) {
		return nil, fmt.Errorf("%w: wait for %d of %d events", ErrInvalidState, k, len(m.events))
	}
	w := eventWait{wanted: k, legs: make([]eventLeg, len(m.events))}
	defer w.leave()
	for i, e := range m.events {
		if len(w.set) == k {
			return w.set, nil
		}
		leg := &w.legs[i]
		leg.wait, leg.index = &w, i
		leg.waiter.Owner = leg
		if !e.Join(&leg.waiter) {
			leg.Wake()
		}
	}
	if len(w.set) < k {
		if err := m.loop.park(&w.task, "MultiEvent.WaitFor"); err != nil {
			return nil, err
		}
	}
	return w.set, nil
}

// eventWait counts the events of one WaitFor.
type eventWait struct {
	wanted int
	set    []int
	legs   []eventLeg
	task   Waiters
}

type eventLeg struct {
	waiter Waiter
	wait   *eventWait
	index  int
}

// Wake counts one event, and wakes the task when it was the last one wanted.
func (g *eventLeg) Wake() {
	w := g.wait
	if len(w.set) == w.wanted {
		return // enough; the task has not run yet
	}
	w.set = append(w.set, g.index)
	if len(w.set) == w.wanted {
		w.task.Wake()
	}
}

func (w *eventWait) leave() {
	for i := range w.legs {
		w.legs[i].waiter.Leave()
	}
}
