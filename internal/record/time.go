package record

import "time"

// Time is a moment in Unix milliseconds, UTC. Zero means "not set". It is the time of the turn in which
// something happened, never a clock read while a command is applied.
type Time int64

// TimeOf rounds t down to the millisecond.
func TimeOf(t time.Time) Time { return Time(t.UnixMilli()) }

// Time is t in the standard library's form; the zero time.Time when t is not set.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// Add is the moment d after t, rounded up to the millisecond so that a positive d is never lost.
func (t Time) Add(d time.Duration) Time {
	ms := d / time.Millisecond
	if d%time.Millisecond > 0 {
		ms++
	}
	return t + Time(ms)
}

// Sub is the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Millisecond }
