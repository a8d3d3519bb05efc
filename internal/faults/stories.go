package faults

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"regexp"
	"sync"
)

// stories holds every view of a future against the others: two views of one version are the same to the letter,
// whoever saw them and however often the server died in between, and a version once seen is never followed by an
// older one. Any goroutine.
type stories struct {
	mu     sync.Mutex
	told   map[chapter]page
	latest map[string]chapter
	faults []string
}

// chapter is one version of one future. An id that was deleted and is used again is another future, born under another
// name.
type chapter struct {
	id, born string
	version  uint64
}

type page struct {
	sum   [sha256.Size]byte
	start string
}

func newStories() *stories { return &stories{told: map[chapter]page{}, latest: map[string]chapter{}} }

// turn is what may differ within a version: where a fetch stands among those of its key, and why and until when that
// key makes it wait.
var turn = regexp.MustCompile(
	`"reason":"(?:queued|rate_limited|circuit_open)",(?:"queue_position":\d+,)?"next_attempt_at":(?:null|"[^"]*"),`)

const startBytes = 1000 // what is kept to be shown

// newest is the newest version of a future that anybody has seen. Who asks for the future after that sees no older one.
func (s *stories) newest(id string) chapter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest[id]
}

// add takes a view. before is what newest said before the call that brought it.
func (s *stories) add(f *shownFuture, text []byte, before chapter) {
	is := chapter{f.ID, f.Labels.Born, f.Version}
	text = bytes.TrimSpace(turn.ReplaceAll(text, nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	if before.born == is.born && before.version > is.version {
		s.faults = append(s.faults, fmt.Sprintf("future %s: version %d was seen, and later version %d: %.*s",
			f.ID, before.version, f.Version, startBytes, text))
	}
	if last := s.latest[f.ID]; last.born != is.born || last.version < is.version {
		s.latest[f.ID] = is
	}
	other, seen := s.told[is]
	if !seen {
		s.told[is] = page{sha256.Sum256(text), string(text[:min(len(text), startBytes)])}
	} else if other.sum != sha256.Sum256(text) {
		s.faults = append(s.faults, fmt.Sprintf("future %s: two views of version %d:\n  %s\n  %.*s",
			f.ID, f.Version, other.start, startBytes, text))
	}
}
