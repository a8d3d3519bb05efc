package await

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/awaitd/awaitd/internal/record"
)

// Whatever is asked of a key and whenever its fetches come: no stretch of time as long as the period has more starts
// than the rate; who comes first starts no later than the rate demands, but for one group of a large rate; and the
// groups stay few.
func TestARateIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := record.LimitSettings{
			Rate:   rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(60, 70), rapid.IntRange(100, 1000)).Draw(t, "rate"),
			Period: time.Duration(rapid.IntRange(1, 200).Draw(t, "period")) * time.Millisecond,
		}
		group := (s.Rate + startGroupsMax - 1) / startGroupsMax
		var g starts
		var at record.Time = 1000
		var made []record.Time
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at += record.Time(rapid.IntRange(0, 40).Draw(t, "pause"))
			for range rapid.IntRange(0, 2*s.Rate).Draw(t, "wanted") {
				g = g.since(at, s)
				if g.free(1, at, s) > at {
					break
				}
				g = g.add(at, s)
				made = append(made, at)
			}
			in := 0
			for _, then := range made {
				if then.Add(s.Period) > at {
					in++
				}
			}
			if in > s.Rate {
				t.Fatalf("%d starts in the %v before %d, of %d", in, s.Period, at, s.Rate)
			}
			if g.since(at, s).free(1, at, s) > at && in <= s.Rate-group {
				t.Fatalf("%d starts in the %v before %d hold up the next, of %d", in, s.Period, at, s.Rate)
			}
			if len(g) > startGroupsMax+1 {
				t.Fatalf("%d groups", len(g))
			}
		}
		if group > 1 {
			return // groups that grow meanwhile leave the count together, and later than foretold
		}
		// What is foretold comes true when nothing else happens.
		n := rapid.IntRange(1, 3*s.Rate).Draw(t, "n")
		foretold := g.free(n, at, s)
		for range n {
			at = g.free(1, at, s)
			g = g.add(at, s)
		}
		if at != foretold {
			t.Fatalf("start %d from then on was made at %d, and foretold for %d", n, at, foretold)
		}
	})
}

// Settings that change on the way do not make the memory of starts grow, nor forget what counts.
func TestARateMayChange(t *testing.T) {
	few := record.LimitSettings{Rate: startGroupsMax, Period: time.Hour}
	many := record.LimitSettings{Rate: 1_000_000, Period: time.Hour}
	var g starts
	at := record.Time(1000)
	for range 300 {
		for range 200 {
			if at++; g.free(1, at, few) <= at {
				g = g.add(at, few)
			}
		}
		for range 5_000 {
			if g.free(1, at, many) <= at {
				g = g.add(at, many)
			}
		}
	}
	if len(g) > 3*startGroupsMax {
		t.Errorf("%d groups", len(g))
	}
	if free := g.free(1, at, few); free <= at {
		t.Errorf("a million starts just now, and %d an hour: the next may be made at once", few.Rate)
	}
	if none := g.since(at, record.LimitSettings{}); len(none) != 0 {
		t.Errorf("without a rate %d groups are kept", len(none))
	}
}
