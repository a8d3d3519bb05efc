package record

import "time"

// Limit is the fact of one limit key: what is shared by all fetches that name it. It is immutable (see the package
// comment). A key that no caller limited, whose circuit is closed, has no fact.
type Limit struct {
	Key string
	LimitSettings
	Starts  []Starts // those that the rate still counts, oldest first
	Circuit Circuit
}

// LimitSettings are what a submit may ask of a key. Zero fields do not limit.
type LimitSettings struct {
	Concurrency int           // attempts at one time
	Rate        int           // starts per Period
	Period      time.Duration // set when Rate is
}

// Starts is a number of attempts that were started one after the other, the last of them at At.
type Starts struct {
	At Time
	N  int
}

// CircuitState is where the circuit of a key stands.
type CircuitState uint8

// The states of a circuit. The numbers are on disk: never reuse one.
const (
	CircuitClosed   CircuitState = 0
	CircuitOpen     CircuitState = 1 // nothing is started before ProbeAt
	CircuitHalfOpen CircuitState = 2 // one attempt is let through
)

// Circuit is the circuit of a key.
type Circuit struct {
	State    CircuitState
	Since    Time // when it got into this state; 0 when it was never in another
	ProbeAt  Time // of an open one
	Openings int  // in a row, without having got back to full strength in between
}

// LimitFact is a limit by key as it is now; nil Is: forgotten.
type LimitFact struct {
	Key string
	Is  *Limit
}

// AppendLimit appends l to b, in the same envelope as EncodeFuture.
func AppendLimit(b []byte, l *Limit) []byte { return seal(b, l.fields) }

// DecodeLimit reads what AppendLimit wrote. ErrCorrupt and ErrVersion say why it cannot.
func DecodeLimit(b []byte) (*Limit, error) {
	body, err := open(b)
	if err != nil {
		return nil, err
	}
	l := &Limit{}
	if err := decode(body, "limit", l.take); err != nil {
		return nil, err
	}
	return l, nil
}

// The field numbers below are on disk. A new field takes a new number; a number is never reused.

func (l *Limit) fields(e *encoder) {
	e.string(1, l.Key)
	e.uint(2, uint64(l.Concurrency))
	e.uint(3, uint64(l.Rate))
	e.duration(4, l.Period)
	for _, s := range l.Starts {
		e.message(5, s.fields)
	}
	e.uint(6, uint64(l.Circuit.State))
	e.time(7, l.Circuit.Since)
	e.time(8, l.Circuit.ProbeAt)
	e.uint(9, uint64(l.Circuit.Openings))
}

func (l *Limit) take(in field) (bool, error) {
	switch in.n {
	case 1:
		l.Key = in.string()
	case 2:
		l.Concurrency = int(in.num)
	case 3:
		l.Rate = int(in.num)
	case 4:
		l.Period = in.duration()
	case 5:
		l.Starts = append(l.Starts, Starts{})
		return true, decode(in.raw, "starts", l.Starts[len(l.Starts)-1].take)
	case 6:
		l.Circuit.State = CircuitState(in.num)
	case 7:
		l.Circuit.Since = in.time()
	case 8:
		l.Circuit.ProbeAt = in.time()
	case 9:
		l.Circuit.Openings = int(in.num)
	default:
		return false, nil
	}
	return true, nil
}

func (s Starts) fields(e *encoder) {
	e.time(1, s.At)
	e.uint(2, uint64(s.N))
}

func (s *Starts) take(in field) (bool, error) {
	switch in.n {
	case 1:
		s.At = in.time()
	case 2:
		s.N = int(in.num)
	default:
		return false, nil
	}
	return true, nil
}
