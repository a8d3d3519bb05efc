package record

// Payload is what the last set of an event carried.
type Payload struct {
	ContentType string
	Data        []byte
}

// Bytes is how many bytes p takes; none when it is nil.
func (p *Payload) Bytes() int64 {
	if p == nil {
		return 0
	}
	return int64(len(p.ContentType) + len(p.Data))
}

// Event is the fact of one named event. It is immutable (see the package comment). An event that was never set
// has no fact.
type Event struct {
	Name       string
	Set        bool
	Generation uint64 // number of sets and pulses so far
	Version    uint64 // grows by one with each change, clears included; the ETag
	SetAt      Time   // of the last set or pulse
	ExpiresAt  Time   // when a set with a ttl is cleared again; 0 for never
	ClearedAt  Time   // when it was cleared since the last set or pulse; 0 if it was not
	Payload    *Payload
	Serial     uint64 // of the last set or pulse, among those of all events: a later one has a higher serial
}
