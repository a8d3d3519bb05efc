package server

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// lasting is how long a stream may last; 0 is to its end. Unlike a held answer it is not clipped: nobody is left to
// wonder whether it lives.
func lasting(r *http.Request, asked *time.Duration) time.Duration {
	_, wait := preferences(r.Header.Values("Prefer"))
	switch {
	case asked != nil:
		return max(*asked, time.Millisecond)
	case wait != nil:
		return max(*wait, time.Millisecond)
	default:
		return 0
	}
}

// lastingQuery is lasting as ?wait= says it.
func lastingQuery(r *http.Request) (time.Duration, error) {
	q := queryOf(r)
	if !q.Has("wait") {
		return lasting(r, nil), nil
	}
	d, err := api.ParseDuration(q.Get("wait"))
	if err != nil {
		return 0, badParameter("wait", err.Error())
	}
	return lasting(r, (*time.Duration)(&d)), nil
}

// ended stands behind the cursor in the id of the last message of a wait: who comes back with it has seen all.
const ended = "~"

// streamWait tells of each leaf as it completes, then how the whole was decided.
func (s *Server) streamWait(w http.ResponseWriter, r *http.Request, q *api.WaitRequest) error {
	last := lastEventID(r)
	if strings.HasSuffix(last, ended) {
		return nothingMore(w)
	}
	if last == "" {
		last = q.Cursor
	}
	st, err := s.kernel.Stream(r.Context(), await.StreamRequest{WaitRequest: await.WaitRequest{
		For: &q.For, Timeout: lasting(r, (*time.Duration)(q.Timeout)), CancelRest: q.CancelRest, Cursor: last,
		CancelOnLeave: q.OnDisconnect == api.DisconnectCancel,
	}})
	if errors.Is(err, await.ErrCursor) && lastEventID(r) != "" {
		return badParameter("Last-Event-ID", "Give the id of a message of a stream about the same things.")
	}
	if err != nil {
		return err
	}
	return s.stream(w, r, st, func(m *messages, item any) {
		switch item := item.(type) {
		case await.Completed:
			m.id = st.AppendCursor(m.id[:0], item)
			m.add("completed", m.id, s.view().leaf(item.Leaf, q.Results))
		case await.Decided:
			event := "pending"
			m.id = item.Cursor.Append(m.id[:0])
			if item.Outcome != await.Pending {
				event, m.id = "decided", append(m.id, ended...)
			}
			m.add(event, m.id, s.view().wait(item.WaitAnswer, q.Results))
		}
	})
}

// streamFuture tells of each change of a future: attempts, states, and at last how it was settled.
func (s *Server) streamFuture(
	w http.ResponseWriter, r *http.Request, id string, lasts time.Duration, cancels bool,
) error {
	last := lastEventID(r)
	if last != "" {
		v, err := s.kernel.Future(r.Context(), id)
		if err != nil {
			return err
		}
		if v.State.Settled() && idOfVersion(v.Future) == last {
			return nothingMore(w)
		}
	}
	st, err := s.kernel.Stream(r.Context(), await.StreamRequest{
		WaitRequest: await.WaitRequest{Timeout: lasts, CancelOnLeave: cancels}, Future: id,
		Seen: func(f *record.Future) bool { return idOfVersion(f) == last },
	})
	if err != nil {
		return err
	}
	return s.stream(w, r, st, func(m *messages, item any) {
		v := item.(await.View)
		event := "changed"
		if v.State.Settled() {
			event = "settled"
		}
		m.add(event, []byte(idOfVersion(v.Future)), s.view().future(v))
	})
}

// streamEvent tells of each set and pulse.
func (s *Server) streamEvent(w http.ResponseWriter, r *http.Request, e *api.Expr) error {
	lasts, err := lastingQuery(r)
	if err != nil {
		return err
	}
	q := await.StreamRequest{WaitRequest: await.WaitRequest{Timeout: lasts}, Event: e.Ref, After: e.After}
	if last := lastEventID(r); last != "" {
		if q.Serial, err = strconv.ParseUint(last, 10, 64); err != nil {
			return badParameter("Last-Event-ID", "Give the id of a message of a stream of this event.")
		}
	}
	st, err := s.kernel.Stream(r.Context(), q)
	if err != nil {
		return err
	}
	return s.stream(w, r, st, func(m *messages, item any) {
		fact := item.(*record.Event)
		m.add("set", strconv.AppendUint(nil, fact.Serial, 10), s.view().event(fact))
	})
}

// streamFutures tells of each change of the futures that keep lets pass, from now on.
func (s *Server) streamFutures(w http.ResponseWriter, r *http.Request, keep func(*record.Future) bool) error {
	for _, name := range []string{"limit", "cursor"} {
		if queryOf(r).Has(name) {
			return badParameter(name, "A stream has no pages.")
		}
	}
	st, err := s.kernel.Stream(r.Context(), await.StreamRequest{Futures: keep})
	if err != nil {
		return err
	}
	return s.stream(w, r, st, func(m *messages, item any) {
		m.add("future", nil, s.view().future(await.View{Future: item.(*record.Future)}))
	})
}

const (
	loopEvery      = time.Second
	loopStreamsMax = 100
)

// streamLoop tells how the loop is doing, once a second.
func (s *Server) streamLoop(w http.ResponseWriter, r *http.Request) error {
	defer s.watching.Add(-1)
	if s.watching.Add(1) > loopStreamsMax {
		return await.ErrTooManyWaiters
	}
	in, err := s.kernel.Inspect(r.Context())
	if err != nil {
		return err
	}
	m := begin(w)
	tick := time.NewTicker(loopEvery)
	defer tick.Stop()
	for {
		m.add("loop", nil, loopOf(in))
		if in.Draining {
			m.retry(retryDrained)
		}
		if err := m.flush(); err != nil {
			return cutStream(err)
		}
		if in.Draining {
			return nil
		}
		select {
		case <-r.Context().Done():
			return cutStream(r.Context().Err())
		case <-tick.C:
		}
		if in, err = s.kernel.Inspect(r.Context()); err != nil {
			return cutStream(err)
		}
	}
}

// generationOf reads ?after= of an event.
func generationOf(r *http.Request) (*uint64, error) {
	q := queryOf(r)
	if !q.Has("after") {
		return nil, nil
	}
	after, err := strconv.ParseUint(q.Get("after"), 10, 64)
	if err != nil || after > api.CountMax {
		return nil, badParameter("after", "Give a generation, a whole number from 0 on.")
	}
	return &after, nil
}

// firstLeaf is the one leaf of a wait for one thing.
func firstLeaf(a *await.WaitAnswer) await.Leaf { return slices.Concat(a.Done, a.Pending)[0] }
