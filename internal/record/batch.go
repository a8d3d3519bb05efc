package record

// Batch is everything that the turns of one commit changed. Facts appear at most once, as they are after the
// last of these turns.
type Batch struct {
	Position uint64 // of the last turn in it
	At       Time   // of that turn; what has expired by then is swept
	Counted  uint64 // the last serial of an event or a group
	Futures  []FutureChange
	Events   []EventFact
	Limits   []LimitFact
	Groups   []GroupFact
	Leaves   []LeafChange
	Keys     []*Key   // idempotency keys used for the first time
	Dropped  []string // ids of settled futures to forget, read from the store rather than known here
}

// FutureChange is a future as it was last committed (nil: never) and as it is now (nil: forgotten).
type FutureChange struct{ Was, Is *Future }

// EventFact is an event by name as it is now; nil Is: forgotten.
type EventFact struct {
	Name string
	Is   *Event
}

// Empty reports whether b changes nothing.
func (b *Batch) Empty() bool {
	return len(b.Futures)+len(b.Events)+len(b.Limits)+len(b.Groups)+len(b.Leaves)+len(b.Keys)+len(b.Dropped) == 0
}

// FutureQuery asks for a page of futures, newest first. Zero fields do not filter.
type FutureQuery struct {
	State  State
	Kind   Kind
	Label  *Label
	After  string // the cursor of the page before; empty for the first page
	Limit  int    // most futures answered; ≥ 1
	Exists Time   // futures that expired by then are left out
}
