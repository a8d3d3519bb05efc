package record

// CallbackState is where a callback stands.
type CallbackState uint8

// The states of a callback. The numbers are on disk: never reuse one.
const (
	CallbackWaiting   CallbackState = 0 // its future is not settled
	CallbackPending   CallbackState = 1 // it is to be delivered
	CallbackDelivered CallbackState = 2
	CallbackFailed    CallbackState = 3 // it is not tried any more
	CallbackSkipped   CallbackState = 4 // nobody asked for it when the future ended as it did
)

// Callback is the request that the server makes when a future is settled, and what became of it.
type Callback struct {
	URL         string
	Headers     []Header // canonical names, sorted by name, each name once; erased when the callback is done
	On          []State  // settled states that it is made for
	Traceparent string   // W3C trace context of the submitter; empty when there was none

	State         CallbackState
	Attempts      int      // ended ones
	NextAttemptAt Time     // of a pending one whose last attempt failed; 0 when it waits for its turn
	DoneAt        Time     // 0 until then
	LastStatus    int      // of the last attempt; 0 when no answer came
	LastFailure   *Failure // of the last attempt; nil when there was none, or it was good
}

// Bytes is how many bytes of its caller's c keeps until it is done.
func (c *Callback) Bytes() int64 {
	if c == nil {
		return 0
	}
	n := len(c.URL) + len(c.Traceparent)
	for _, h := range c.Headers {
		n += len(h.Name)
		for _, v := range h.Values {
			n += len(v)
		}
	}
	return int64(n)
}

// With is c as edit changes it.
func (c *Callback) With(edit func(*Callback)) *Callback {
	changed := *c
	edit(&changed)
	return &changed
}

// CallbackPending reports whether f is settled and its callback is still to be delivered.
func (f *Future) CallbackPending() bool {
	return f != nil && f.Callback != nil && f.Callback.State == CallbackPending
}

// The field numbers below are on disk. A new field takes a new number; a number is never reused.

func (c *Callback) fields(e *encoder) {
	e.string(1, c.URL)
	for i := range c.Headers {
		e.message(2, c.Headers[i].fields)
	}
	for _, s := range c.On {
		e.uint(3, uint64(s))
	}
	e.string(4, c.Traceparent)
	e.uint(5, uint64(c.State))
	e.uint(6, uint64(c.Attempts))
	e.time(7, c.NextAttemptAt)
	e.time(8, c.DoneAt)
	e.int(9, int64(c.LastStatus))
	if c.LastFailure != nil {
		e.message(10, c.LastFailure.fields)
	}
}

func (c *Callback) take(in field) (bool, error) {
	switch in.n {
	case 1:
		c.URL = in.string()
	case 2:
		c.Headers = append(c.Headers, Header{})
		return true, decode(in.raw, "header", c.Headers[len(c.Headers)-1].take)
	case 3:
		c.On = append(c.On, State(in.num))
	case 4:
		c.Traceparent = in.string()
	case 5:
		c.State = CallbackState(in.num)
	case 6:
		c.Attempts = int(in.num)
	case 7:
		c.NextAttemptAt = in.time()
	case 8:
		c.DoneAt = in.time()
	case 9:
		c.LastStatus = int(in.int())
	case 10:
		c.LastFailure = &Failure{}
		return true, decode(in.raw, "failure", c.LastFailure.take)
	default:
		return false, nil
	}
	return true, nil
}
