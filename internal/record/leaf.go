package record

// Leaf is one decided leaf of the expression that a future waits for. While the wait goes on each is a fact of its
// own, so that a decision costs the same however large the expression is, and what was decided stays decided.
type Leaf struct {
	N       int    // its number in the expression, from 0
	Order   int    // its place among the decided ones, from 0
	Outcome uint8  // as internal/await counts outcomes
	At      Time   // when it was decided
	Mark    uint64 // of an event its generation, of a future its state; else 0
}

// LeafChange is a leaf as it is now. A nil Is: its wait is over, so that it is forgotten.
type LeafChange struct {
	Of *Future // who waits; only its id and time of creation count
	N  int
	Is *Leaf
}

// AppendLeaf appends l to b, in the same envelope as EncodeFuture.
func AppendLeaf(b []byte, l *Leaf) []byte { return seal(b, l.fields) }

// DecodeLeaf reads what AppendLeaf wrote. ErrCorrupt and ErrVersion say why it cannot.
func DecodeLeaf(b []byte) (*Leaf, error) {
	body, err := open(b)
	if err != nil {
		return nil, err
	}
	l := &Leaf{}
	if err := decode(body, "leaf", l.take); err != nil {
		return nil, err
	}
	return l, nil
}

// The field numbers below are on disk. A new field takes a new number; a number is never reused.

func (l *Leaf) fields(e *encoder) {
	e.uint(1, uint64(l.N))
	e.uint(2, uint64(l.Order))
	e.uint(3, uint64(l.Outcome))
	e.time(4, l.At)
	e.uint(5, l.Mark)
}

func (l *Leaf) take(in field) (bool, error) {
	switch in.n {
	case 1:
		l.N = int(in.num)
	case 2:
		l.Order = int(in.num)
	case 3:
		l.Outcome = uint8(in.num)
	case 4:
		l.At = in.time()
	case 5:
		l.Mark = in.num
	default:
		return false, nil
	}
	return true, nil
}
