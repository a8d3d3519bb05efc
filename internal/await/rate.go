package await

import (
	"slices"

	"github.com/awaitd/awaitd/internal/record"
)

// startGroupsMax is how many groups the starts of one period are counted in. A group leaves the count when its last
// start does, so a rate up to this is kept exactly, and above it never exceeded and undershot by at most one group.
const startGroupsMax = 64

// starts is the starts of a key that its rate still counts, oldest first, in groups. In no stretch of time as long as
// the period are there more than the rate, wherever it begins.
type starts []record.Starts

// since leaves out what no longer counts at that time.
func (g starts) since(at record.Time, s record.LimitSettings) starts {
	for len(g) > 0 && (s.Rate == 0 || g[0].At.Add(s.Period) <= at) {
		g = g[1:]
	}
	return g
}

// add counts one more. What a fact has been given is not written to.
func (g starts) add(at record.Time, s record.LimitSettings) starts {
	g = g.since(at, s)
	size := (s.Rate + startGroupsMax - 1) / startGroupsMax
	if n := len(g); n > 0 && g[n-1].N < size {
		g[n-1].N++
		g[n-1].At = at
		return g
	}
	return append(g, record.Starts{At: at, N: 1})
}

// free is the earliest time at which the n-th start from now on may be made, as far as the rate goes.
func (g starts) free(n int, now record.Time, s record.LimitSettings) record.Time {
	if s.Rate == 0 {
		return now
	}
	periods := (n - 1) / s.Rate
	room := s.Rate - (n-1)%s.Rate - 1 // how many may still count when it is made
	count := 0
	for _, group := range g {
		count += group.N
	}
	at := now
	for _, group := range g {
		if count <= room {
			break
		}
		count -= group.N
		at = max(now, group.At.Add(s.Period))
	}
	return at + record.Time(periods)*record.Time(0).Add(s.Period)
}

func (g starts) clone() []record.Starts { return slices.Clone(g) }
