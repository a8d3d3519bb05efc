package await

import (
	"context"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/events"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
)

// NewsMax is how much a stream keeps for a caller who is slow to take it, unless it is of a wait, which keeps each of
// its leaves. What is older is dropped and counted.
const NewsMax = 256

// Stream is a caller who is told one by one of what happens, each thing once it is durable. It keeps a seat like a
// held wait, and is no goroutine: what happens gathers in it, and the caller takes all of it at once with Next.
type Stream struct {
	kernel *Kernel

	// For the caller.
	asking *proposal // of a Next that ended early
	at     Cursor    // of a wait: what came so far, and what of it was not shown yet

	// For the loop.
	seat
	expr       *api.Expr     // what it is about; nil: futures
	wait       *wait         // of a wait
	cancelRest bool          // of a wait
	abandons   *api.Expr     // whose futures are cancelled when the caller leaves; nil: none
	leaves     int           // counted as held
	waiter     loop.Waiter   // in the list of who watches the future, the event, or all futures
	future     *future       // that it watches
	event      *events.Event // that it watches
	keep       func(*record.Future) bool
	timer      loop.WheelHandle
	state      *State
	news       []any // oldest first
	base       uint64
	shown      uint64  // the things before this number are durable; news begins with number base
	reveal     *reveal // of what is not durable yet
	missed     int
	ask        *proposal // of the Next that waits
	over       bool      // nothing more will come
	left       bool
}

// News is what happened since the last Next, oldest first: of a wait Completed and then Decided, of a future View, of
// an event *record.Event, of all futures *record.Future.
type News struct {
	Items  []any
	Missed int  // were dropped before these
	Over   bool // nothing more will come
}

// Completed is a leaf that was decided.
type Completed struct {
	Leaf
	number int
	serial uint64
}

// Decided is how a wait stands at the end of its stream: decided, or pending when its time is over.
type Decided struct{ *WaitAnswer }

// tell adds something that happens, to be shown when the turn is durable.
func (st *Stream) tell(item any) {
	if st.wait == nil && len(st.news) == NewsMax {
		st.news = st.news[1:]
		st.base++
		st.missed++
	}
	st.news = append(st.news, item)
	st.show()
}

// show makes all that was told so far be shown with the commit of this turn.
func (st *Stream) show() {
	if s := st.state; st.reveal == nil || st.reveal.batch != s.batch {
		st.reveal = &reveal{stream: st, batch: s.batch}
		s.effects = append(s.effects, st.reveal)
	}
	st.reveal.upTo, st.reveal.over = st.base+uint64(len(st.news)), st.over
}

// reveal is the effect of showing what a stream was told in the turns of one commit.
type reveal struct {
	stream *Stream
	batch  uint64
	upTo   uint64
	over   bool
}

func (r *reveal) release(k *Kernel) {
	st := r.stream
	st.shown = r.upTo
	if p := st.ask; p != nil {
		st.ask = nil
		p.answer = st.hand(r.over)
		p.release(k)
	}
}

// hand takes out what may be shown.
func (st *Stream) hand(over bool) News {
	n := max(st.shown, st.base) - st.base
	items := st.news[:n:n]
	st.news = st.news[n:]
	st.base += n
	missed := st.missed
	st.missed = 0
	return News{items, missed, over}
}

// finish says that nothing more will come, and leaves the seat.
func (st *Stream) finish() {
	st.over = true
	st.show()
	st.end()
}

// end takes the stream out of everything.
func (st *Stream) end() {
	s := st.state
	if st.holds != nil {
		st.holds = nil
		s.waits.remove(&st.seat)
		s.leavesHeld -= st.leaves
	}
	if st.timer != zeroTimer {
		s.due.Cancel(st.timer)
		st.timer = zeroTimer
	}
	if st.wait != nil {
		st.wait.leaveAll()
	}
	if st.event != nil {
		s.events.Leave(st.event, &st.waiter, s.at)
		st.event = nil
	}
	if f := st.future; f != nil && st.waiter.Waiting() {
		s.attention(f, func() { st.waiter.Leave() })
	}
	st.waiter.Leave()
}

func (st *Stream) drain() { st.finish() }

func (st *Stream) standing() HeldWait {
	held := HeldWait{For: st.expr, Pending: 1, Leaves: []Outcome{Pending}}
	if st.wait != nil {
		held = st.wait.standing()
	}
	held.Kind = WaiterStream
	return held
}

// due is the end of the caller's patience.
func (st *Stream) due(*State) {
	st.timer = zeroTimer
	if st.wait != nil {
		st.tell(Decided{st.wait.answer()})
	}
	st.finish()
}

// progressed tells of a leaf of a wait.
func (st *Stream) progressed(l *leaf) {
	st.tell(Completed{l.done(), int(l.number), l.wait.known()})
}

// decided ends the stream of a wait. One that is decided before it sleeps ends when all of it was looked at.
func (st *Stream) decided(w *wait) {
	if st.holds != nil {
		st.conclude(w)
	}
}

func (st *Stream) conclude(w *wait) {
	st.tell(Decided{w.answer()})
	if st.cancelRest {
		w.state.cancelRest(w)
	}
	st.finish()
}

// Wake is called by the event, the future or the list of futures that the stream watches.
func (st *Stream) Wake() {
	s := st.state
	switch {
	case st.event != nil:
		st.event.Wait(&st.waiter)
		st.tell(st.event.Fact())
	case st.keep != nil:
		s.watchers.Add(&st.waiter)
		if f := s.told.fact; st.keep(f) {
			st.tell(f)
		}
	default:
		st.tell(s.view(st.future))
		if st.future.fact.State.Settled() {
			st.finish()
			return
		}
		st.future.hall().watchers.Add(&st.waiter)
	}
}

// StreamRequest asks for a stream. For is the wait; or Future, Event or Futures say what else it is of.
type StreamRequest struct {
	WaitRequest // of a wait; its Timeout, of any. 0 is no end

	Future  string                    // id
	Seen    func(*record.Future) bool // reports whether the caller has this version; nil: none
	Event   string                    // name
	After   *uint64                   // generation of the event that the caller knows of; nil: none
	Serial  uint64                    // serial of the event that the caller knows of; 0: none
	Futures func(*record.Future) bool // reports whether a change of this future is to be told
}

// Stream begins a stream; it must be ended with Leave. Errors are those of Wait, and *UnknownFutureError.
func (k *Kernel) Stream(ctx context.Context, r StreamRequest) (*Stream, error) {
	if r.For != nil {
		if err := r.begin(); err != nil {
			return nil, err
		}
	}
	known := map[string]*record.Future{}
	for {
		st := &Stream{kernel: k, cancelRest: r.CancelRest}
		switch {
		case r.CancelOnLeave && r.For != nil:
			st.abandons = r.For
		case r.CancelOnLeave:
			st.abandons = &api.Expr{Op: api.OpFuture, Ref: r.Future}
		}
		st.waiter.Owner = st
		p := &proposal{}
		p.look = func(s *State) when {
			st.state = s
			if st.left {
				return atOnce
			}
			missing, err := s.stream(st, &r, known)
			if err != nil || missing != nil {
				st.end()
				st.abandons = nil // it has not begun
			}
			p.answer, p.err = missing, err
			return atOnce // what it has to say comes as news
		}
		if err := k.propose(p); err != nil {
			return nil, err
		}
		answer, err := k.await(ctx, p)
		if err != nil {
			if ctx.Err() != nil {
				st.Leave()
			}
			return nil, err
		}
		missing, _ := answer.([]string)
		if missing == nil {
			return st, nil
		}
		if err := k.learnFor(&r.WaitRequest, known, missing); err != nil {
			return nil, err
		}
	}
}

// stream begins st, or says which futures only the store can know.
func (s *State) stream(st *Stream, r *StreamRequest, known map[string]*record.Future) (missing []string, err error) {
	if r.For != nil {
		return s.streamWait(st, r, known)
	}
	st.expr = &api.Expr{Op: api.OpFuture, Ref: r.Future}
	switch {
	case r.Future != "":
		return s.streamFuture(st, r, known[r.Future])
	case r.Event != "":
		st.expr = &api.Expr{Op: api.OpEvent, Ref: r.Event}
	default:
		st.expr = nil
		st.keep = r.Futures
	}
	if err := s.sit(st, r); err != nil || st.over {
		return nil, err
	}
	if st.keep != nil {
		s.watchers.Add(&st.waiter)
		return nil, nil
	}
	fact := s.events.Look(r.Event)
	told := r.Serial > 0 && fact.Serial <= r.Serial || r.After != nil && fact.Generation <= *r.After
	if !told && (fact.Set || r.Serial > 0 || r.After != nil) {
		st.tell(fact)
	}
	st.event = s.events.Get(r.Event)
	st.event.Wait(&st.waiter)
	return nil, nil
}

func (s *State) streamWait(st *Stream, r *StreamRequest, known map[string]*record.Future) ([]string, error) {
	w, missing, err := s.newWait(r.WaitRequest, known, st)
	if w == nil {
		return missing, err
	}
	st.wait = w
	st.at = *w.cursor(w.told)
	st.at.serial = w.since
	if w.outcome != Pending {
		st.conclude(w)
		return nil, nil
	}
	return nil, s.sit(st, r)
}

// streamFuture tells how the future stands, unless the caller knows, and watches it until it is settled.
func (s *State) streamFuture(st *Stream, r *StreamRequest, known *record.Future) ([]string, error) {
	f := s.futures[r.Future]
	if f != nil {
		known = f.fact
	}
	if known == nil {
		return []string{r.Future}, nil
	}
	if !known.State.Settled() {
		if err := s.sit(st, r); err != nil {
			return nil, err
		}
	}
	if r.Seen == nil || !r.Seen(known) {
		v := View{Future: known}
		if f != nil {
			v = s.view(f)
		}
		st.tell(v)
	}
	switch {
	case known.State.Settled():
		st.finish()
	case !st.over:
		st.future = f
		s.attention(f, func() { f.hall().watchers.Add(&st.waiter) })
	}
	return nil, nil
}

// sit gives st a seat, or ends it at once when the server drains.
func (s *State) sit(st *Stream, r *StreamRequest) error {
	if s.draining {
		st.finish()
		return nil
	}
	w := st.wait
	switch {
	case w != nil:
	case st.expr != nil:
		w = s.layOut(st.expr, st)
	default:
		w = &wait{} // of all futures: it waits for nothing
	}
	if err := s.roomFor(w); err != nil {
		return err
	}
	st.leaves = len(w.leaves)
	s.leavesHeld += st.leaves
	s.waits.add(&st.seat, st, s.at)
	if st.wait != nil {
		st.wait.sleep() // first: what happens at the moment in which its time is over has happened
	}
	if r.Timeout > 0 {
		st.timer = s.due.Insert(onWheel(s.at.Add(r.Timeout)), st)
	}
	return nil
}

// Next returns what happened since the last call, as soon as there is something, or as it is over. If idle fires
// first it returns nothing, and the next call goes on waiting. One goroutine at a time may call it.
func (st *Stream) Next(ctx context.Context, idle <-chan time.Time) (News, error) {
	p := st.asking
	if p == nil {
		p = &proposal{done: make(chan struct{})}
		p.look = func(*State) when {
			switch {
			case st.shown > st.base || st.over && st.shown == st.base+uint64(len(st.news)):
				p.answer = st.hand(st.over && st.shown == st.base+uint64(len(st.news)))
				return atOnce
			case st.left:
				return atOnce
			}
			st.ask = p
			return later
		}
		st.kernel.mustHappen(p) // there are never more of them than seats
	}
	st.asking = nil
	select {
	case <-p.done:
		news, _ := p.answer.(News)
		st.came(news.Items)
		return news, nil
	case <-idle:
		st.asking = p
		return News{}, nil
	case <-ctx.Done():
		return News{}, ctx.Err()
	case <-st.kernel.ended:
		return News{}, ErrEnded
	}
}

// Leave ends the stream. It may be called at any time, once.
func (st *Stream) Leave() {
	st.kernel.mustHappen(&proposal{look: func(s *State) when {
		st.left = true
		st.ask = nil
		if st.state != nil {
			st.end()
		}
		if !st.over {
			s.abandon(st.abandons)
		}
		return atOnce
	}})
}

// came notes what came together. Its first message may arrive and its second be lost: the cursor with the first must
// know of all of them.
func (st *Stream) came(items []any) {
	for _, item := range items {
		if c, ok := item.(Completed); ok {
			st.at.serial = c.serial
			st.at.decided.add(c.number)
			st.at.untold.add(c.number)
			if c.Outcome == Failed {
				st.at.failed.add(c.number)
			}
		}
	}
}

// AppendCursor appends to b where the conversation stands after c, which is shown now.
func (st *Stream) AppendCursor(b []byte, c Completed) []byte {
	st.at.untold.remove(c.number)
	return st.at.Append(b)
}
