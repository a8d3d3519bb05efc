package loop

// Outcome is how one awaitable of many ended.
type Outcome[T any] struct {
	Value T
	Err   error
}

// Gather runs awaitables at the same time and is the future of their values, in the order given. The first exception,
// a cancelled child included, settles it at once; the others run on. To cancel it cancels every child that is not
// done.
func Gather[T any](l *Loop, aws ...Awaitable[T]) *Future[[]T] {
	l.ownOpen("Gather")
	return newGather(l, aws, true, func(f *Future[T]) T { return f.value })
}

// GatherOutcomes is Gather with asyncio's return_exceptions: it waits for all, and exceptions are among the results.
func GatherOutcomes[T any](l *Loop, aws ...Awaitable[T]) *Future[[]Outcome[T]] {
	l.ownOpen("GatherOutcomes")
	return newGather(l, aws, false, func(f *Future[T]) Outcome[T] { return Outcome[T]{f.value, f.err} })
}

// gather counts its children down. T is what they have, R what is collected of each.
type gather[T, R any] struct {
	Future[[]R]
	children  []gatherChild[T, R]
	left      int
	strict    bool // the first exception settles it
	requested bool // it was cancelled, and so were its children
	collect   func(*Future[T]) R
}

type gatherChild[T, R any] struct {
	waiter Waiter
	future *Future[T]
	all    *gather[T, R]
}

func newGather[T, R any](l *Loop, aws []Awaitable[T], strict bool, collect func(*Future[T]) R) *Future[[]R] {
	g := &gather[T, R]{left: len(aws), strict: strict, collect: collect}
	g.loop, g.owner = l, g
	g.children = make([]gatherChild[T, R], len(aws))
	for i, aw := range aws {
		c := &g.children[i]
		c.all, c.future = g, EnsureFuture(l, aw)
		c.waiter.Owner = c
	}
	for i := range g.children {
		c := &g.children[i]
		if c.future.state == pending {
			c.future.waiters.Add(&c.waiter)
		} else {
			c.Wake()
		}
	}
	if len(aws) == 0 {
		g.succeed([]R{})
	}
	return &g.Future
}

// Wake counts one child. It is not scheduled but counted at once: nothing of the program's runs here.
func (c *gatherChild[T, R]) Wake() {
	g, f := c.all, c.future
	g.left--
	f.lost.found()
	switch {
	case g.state != pending:
	case g.strict && f.err != nil:
		g.fail(f.err)
	case g.left > 0:
	case g.requested:
		g.fail(ErrCancelled)
	default:
		g.succeed(g.results())
	}
}

func (g *gather[T, R]) results() []R {
	all := make([]R, len(g.children))
	for i := range g.children {
		all[i] = g.collect(g.children[i].future)
	}
	return all
}

// cancel asks the children; when they have ended, so has this.
func (g *gather[T, R]) cancel() bool {
	before := g.requested
	g.requested = true // before the first child can be the last one
	asked := false
	for i := range g.children {
		if g.children[i].future.requestCancel() {
			asked = true
		}
	}
	g.requested = before || asked
	return asked
}
