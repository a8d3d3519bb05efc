package sim

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// stream is one that is open. Its caller listens again as soon as something was heard, or now and then.
type stream struct {
	wait *Wait
	from *talk // that it goes on with; nil: none
	is   *await.Stream
	keen bool
	ear  *call // that listens; nil: nobody does
	last *Leaf // of a future or an event: what was told last; nil: nothing
	life int   // of the server that told it
}

// drawStream begins a stream, of a wait or of something that changes.
func (w *world) drawStream(cold bool) *call {
	wait := &Wait{Tells: true, Timeout: oneOf(w.T, "timeout", 0, 0, ms(w.T, "short", 1, 20))}
	wait.Abandons = chance(w.T, "abandons", 70)
	s := &stream{wait: wait, keen: chance(w.T, "keen", 60)}
	if last := w.lastWatched(cold); last != nil && chance(w.T, "again", 50) {
		wait.Watches, wait.For, s.last, s.life = true, last.wait.For, last.last, last.life
		return w.watch(s)
	}
	if chance(w.T, "of a change", 40) {
		e := event(oneOf(w.T, "event", eventNames...))
		if ids := w.warmIDs(); len(ids) > 0 && chance(w.T, "of a future", 60) {
			e = api.Expr{Op: api.OpFuture, Ref: oneOf(w.T, "future", ids...)}
		}
		wait.Watches, wait.For = true, &e
		return w.watch(s)
	}
	if chance(w.T, "goes on", 50) {
		wait.For, s.from = w.drawTalk(cold)
	}
	if wait.For == nil {
		wait.For = w.drawQuestion(cold)
	}
	wait.CancelRest = w.lingering() == nil && chance(w.T, "cancel rest", 30)
	return w.streamWait(s)
}

func (w *world) streamWait(s *stream) *call {
	r := await.StreamRequest{WaitRequest: await.WaitRequest{
		For: s.wait.For, Timeout: s.wait.Timeout, CancelRest: s.wait.CancelRest, CancelOnLeave: s.wait.Abandons,
	}}
	if s.from != nil {
		s.wait.From, r.Cursor = s.from.at, s.from.cursor
	}
	return w.opens(s, r)
}

// lastWatched is a stream of a future or an event that somebody may go on with.
func (w *world) lastWatched(cold bool) *stream {
	var open []*stream
	future := chance(w.T, "a future", 75)
	for _, s := range w.watched {
		if e := s.wait.For; future == (e.Op == api.OpFuture) && (!future || cold || !w.oracle.Cold(e.Ref)) {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return oneOf(w.T, "again", open...)
}

func (w *world) watch(s *stream) *call {
	r := await.StreamRequest{WaitRequest: await.WaitRequest{Timeout: s.wait.Timeout, CancelOnLeave: s.wait.Abandons}}
	last := s.last
	if s.wait.For.Op == api.OpEvent {
		if r.Event = s.wait.For.Ref; last != nil {
			s.wait.Serial, r.Serial = last.Event.Serial, last.Event.Serial
		}
	} else if r.Future = s.wait.For.Ref; last != nil {
		r.Seen = func(f *record.Future) bool { return sameFuture(f, last.Future) }
		s.wait.Seen = r.Seen
	}
	return w.opens(s, r)
}

// opens is the call that begins s.
func (w *world) opens(s *stream, r await.StreamRequest) *call {
	w.waits++
	s.wait.ID = w.waits
	c := w.begins(s.wait, func(ctx context.Context) (any, error) { return w.life.kernel.Stream(ctx, r) })
	c.name = fmt.Sprintf("stream %d of %s, %v, watches %v, goes on %v", s.wait.ID, s.wait.For, s.wait.Timeout,
		s.wait.Watches, s.from != nil || s.last != nil)
	c.done = func(r result) string {
		s.is = r.answer.(*await.Stream)
		w.streams = append(w.streams, s)
		w.sawOpening(s)
		return ""
	}
	return c
}

// listens lets the callers listen who do not, and are keen or are told to; false: nobody begins to.
func (w *world) listens() (somebody bool) {
	for _, s := range slices.Clone(w.streams) {
		if s.keen && s.ear == nil {
			w.listen(s)
			somebody = true
		}
	}
	return somebody
}

// someoneListens lets the caller of a stream listen once who had something else to do.
func (w *world) someoneListens() {
	for _, s := range slices.Clone(w.streams) {
		if s.ear == nil && chance(w.T, "listens", 30) {
			w.listen(s)
		}
	}
}

// listen waits for the next news of s.
func (w *world) listen(s *stream) {
	c := &call{name: fmt.Sprintf("listen to %d", s.wait.ID), hears: s.wait, unbounded: true, free: true}
	c.run = func(ctx context.Context) (any, error) { return s.is.Next(ctx, nil) }
	c.turn = func() { c.applied = len(s.wait.news) > 0 }
	c.check = func(r result) string {
		s.ear = nil
		news, ok := r.answer.(await.News)
		if !ok || r.err != nil || news.Missed > 0 || len(news.Items) == 0 && !news.Over {
			return fmt.Sprintf("heard %v, %v", r.answer, r.err)
		}
		return w.hearNews(s, news)
	}
	s.ear = c
	w.ask(c)
}

// hearNews holds what the caller of a stream was told against what was to be told.
func (w *world) hearNews(s *stream, news await.News) string {
	var leaves []Effect
	ends := slices.ContainsFunc(news.Items, func(item any) bool { _, decided := item.(await.Decided); return decided })
	for range len(news.Items) - int(boolean(ends)) {
		if len(s.wait.news) == 0 || s.wait.news[0].Does != Tells {
			return fmt.Sprintf("heard %d things, and only these were to be told: %v", len(news.Items), leaves)
		}
		leaves, s.wait.news = append(leaves, s.wait.news[0]), s.wait.news[1:]
	}
	if news.Over {
		if len(s.wait.news) != 1 || s.wait.news[0].Does != Wakes {
			return fmt.Sprintf("it is over, and this was still to be told: %v", s.wait.news)
		}
		leaves, s.wait.news = append(leaves, s.wait.news[0]), nil
	}
	for _, e := range leaves[:len(news.Items)] { // that it is over may be said before
		if e.Changes > w.oracle.Stored.Changes {
			return "it was told of what is not durable"
		}
	}
	for i, item := range news.Items {
		if fault := w.hearItem(s, item, leaves[i:]); fault != "" {
			return fault
		}
	}
	if news.Over && ends != (s.wait.Answer != nil) {
		return fmt.Sprintf("it is over, and its end was told: %v", ends)
	}
	if news.Over {
		w.closed(s)
		s.is.Leave()
	}
	return ""
}

// hearItem compares one thing that was told, of those that were told at once and to which belongs what is left.
func (w *world) hearItem(s *stream, item any, left []Effect) string {
	told := left[0].Leaf
	switch item := item.(type) {
	case await.Completed:
		last := left[len(left)-1]
		for len(left) > 0 && last.Does != Tells {
			left = left[:len(left)-1]
			last = left[len(left)-1]
		}
		w.remember(s.wait, last.Talk.cutOff(s.wait, left[1:]), string(s.is.AppendCursor(nil, item)))
		w.sawStream(s, told, len(left) > 1)
		return w.diffLeaves([]await.Leaf{item.Leaf}, []Leaf{*told})
	case await.Decided:
		fault := w.diffWait(item.WaitAnswer, s.wait)
		if fault == "" {
			w.answered(item.WaitAnswer, s.wait, s.from)
			w.seen.saw("a stream: " + string(s.wait.Answer.Outcome))
		}
		return fault
	case await.View:
		w.hearChange(s, told)
		one := await.Leaf{Expr: told.Expr, Future: item.Future, Queue: item.Queue}
		return w.diffLeaves([]await.Leaf{one}, []Leaf{*told})
	case *record.Event:
		w.hearChange(s, told)
		return differsEvent(item, told.Event)
	}
	return fmt.Sprintf("heard %v", item)
}

// sawOpening notes what the caller of a stream is told at once who goes on with another.
func (w *world) sawOpening(s *stream) {
	if s.from != nil {
		w.seen.saw("a stream of a wait went on" + w.since(s.from.life))
	}
	if s.last == nil {
		return
	}
	w.seen.saw("a stream of " + what(s) + " went on")
	if len(s.wait.news) > 0 && s.wait.news[0].Does == Tells {
		w.seen.saw("a stream told what was missed" + w.since(s.life))
	}
}

// what is an event or a future, of which s is.
func what(s *stream) string {
	return map[api.Op]string{api.OpEvent: "an event", api.OpFuture: "a future"}[s.wait.For.Op]
}

// hearChange is one more thing that the caller of a stream of a future or an event knows.
func (w *world) hearChange(s *stream, told *Leaf) {
	one := &stream{wait: s.wait, last: told, life: w.life.number}
	w.watched = append(w.watched[max(0, len(w.watched)-2*talksMax):], one)
	w.seen.saw("a stream told of " + what(s))
}

// sawStream notes what the caller of a stream of a wait was told.
func (w *world) sawStream(s *stream, told *Leaf, more bool) {
	w.seen.saw("a stream told of a leaf")
	if more {
		w.seen.saw("a stream told of several leaves at once")
	}
	if _, owed := s.wait.From.owes(s.wait, s.wait.leafOf(told.Expr)); owed {
		w.seen.saw("a stream told of a leaf that was cut off before")
	}
}

func (w *Wait) leafOf(e *api.Expr) *Leaf {
	return w.leaves[slices.IndexFunc(w.leaves, func(l *Leaf) bool { return l.Expr == e })]
}

// closed is the end of s.
func (w *world) closed(s *stream) {
	w.streams = slices.DeleteFunc(w.streams, func(one *stream) bool { return one == s })
}

// leaveStream lets the caller of a stream go before its end.
func (w *world) leaveStream(s *stream) {
	w.note("leaves stream %d", s.wait.ID)
	if c := s.ear; c != nil {
		c.patient.leave()
		synctest.Wait()
		<-c.result
		c.left = true
		w.calls = slices.DeleteFunc(w.calls, func(one *call) bool { return one == c })
	}
	w.closed(s)
	s.is.Leave()
	w.leaves(s.wait)
	w.seen.saw("the caller of a stream left")
}
