package await

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/awaitd/awaitd/internal/record"
)

// toldTo is a promise whose callback goes to a host.
func toldTo(id, host string) record.NewFuture {
	callback := callbackOf(map[string]string{"callback": host})
	return record.NewFuture{ID: id, Kind: record.KindPromise, Callback: callback}
}

// Two deletes of a future whose callback is pending forget it once: the store counts futures by what commits say. Until
// that is durable it is in memory, or who reads it would find it in the store as it was before its end, and ask again
// and again.
func TestDeletingTwiceForgetsOnce(t *testing.T) {
	s := newState(DefaultLimits(), 1000, newTally(&Kernel{}))
	for _, c := range []record.Command{
		&record.Submit{Futures: []record.NewFuture{toldTo("p", "h")}}, &record.Settle{ID: "p", Value: []byte("1")},
	} {
		if _, err := s.apply(c); err != nil {
			t.Fatal(err)
		}
	}
	was := s.takeBatch(1).Futures[0].Is
	for i, want := range []error{nil, errAgain} {
		if _, err := s.apply(&record.Delete{ID: "p"}); !errors.Is(err, want) {
			t.Errorf("delete %d: %v, want %v", i+1, err, want)
		}
	}
	if s.futures["p"] == nil || s.callbacks != 0 || s.pendingBytes != 0 {
		t.Errorf("in memory: %v, callbacks %d, bytes %d", s.futures["p"], s.callbacks, s.pendingBytes)
	}
	b := s.takeBatch(2)
	if len(b.Dropped) > 0 || len(b.Futures) != 1 || b.Futures[0] != (record.FutureChange{Was: was}) {
		t.Errorf("%d dropped, changes %v", len(b.Dropped), b.Futures)
	}
}

// The last message of a stream of a future says until when its receiver is left alone, as a read does.
func TestTheEndOfAStreamShowsTheCallback(t *testing.T) {
	inHouse(t, DefaultLimits(), func(h *house) {
		for i := range CircuitStreakMax {
			id := fmt.Sprint("p", i)
			h.create(toldTo(id, "h"))
			h.happens("+" + id)
			synctest.Wait()
			h.failWith(id+callbackJob, 1, record.FailConnect, -1)
		}
		h.create(toldTo("q", "h"))
		st := h.stream(StreamRequest{Future: "q"})
		h.happens("+q")
		news, err := st.Next(h.Context(), nil)
		if err != nil || len(news.Items) == 0 {
			h.Fatal(news, err)
		}
		told, read := news.Items[len(news.Items)-1].(View), h.future("q")
		if at := told.Callback.NextAttemptAt; at == 0 || at != read.Callback.NextAttemptAt {
			h.Errorf("the stream says %d, a read %d", at, read.Callback.NextAttemptAt)
		}
		st.Leave()
	})
}
