package server

import (
	"net/http"
	"slices"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
)

// getLoop is GET /loop.
func (s *Server) getLoop(w http.ResponseWriter, r *http.Request) error {
	if wantsStream(r) {
		return s.streamLoop(w, r)
	}
	in, err := s.kernel.Inspect(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, loopOf(in))
}

func loopOf(in *await.Inspection) *api.LoopState {
	shown := &api.LoopState{
		Now:           api.Time{Time: in.Now.Time()},
		UptimeSeconds: in.Uptime.Seconds(),
		Turns:         in.Loop.Turns,
		Callbacks:     in.Loop.Callbacks,
		SlowCallbacks: api.SlowCallbacks{Count: uint64(in.SlowCount), Recent: make([]api.SlowCallback, 0, len(in.Slow))},
		LagMS:         api.LoopLag{Last: milliseconds(in.LagLast), Max: milliseconds(in.LagMax)},
		Ready:         in.Loop.Ready,
		Timers:        in.Loop.Timers,
		Tasks:         in.Loop.Tasks,
		Inbox:         api.LoopInbox{Requests: in.Outstanding, RequestsMax: in.Limits.InboxMax},
		Futures:       api.LoopFutures{Pending: in.Pending, Running: in.Running, Queued: in.Queued, Unawaited: in.Unawaited},
		Workers:       api.LoopWorkers{Busy: in.Running, Max: in.Limits.WorkersMax},
		Waiters:       in.Waiters,
		Events:        in.Events,
		Commit:        api.LoopCommit{InFlight: in.Committing, LastMS: milliseconds(in.CommitLast)},
		Waits:         []api.LoopWait{},
		Unawaited:     in.Loose,
	}
	for _, slow := range slices.Backward(in.Slow) {
		shown.SlowCallbacks.Recent = append(shown.SlowCallbacks.Recent, api.SlowCallback{
			Name: slow.Name, TookMS: milliseconds(slow.Took), At: api.Time{Time: slow.At.Time()},
		})
	}
	leaves := 0
	for _, held := range in.Waits {
		if leaves += held.Done + held.Pending; leaves > api.LeavesMax && len(shown.Waits) > 0 {
			break // a few huge expressions must not make a huge answer
		}
		wait := api.LoopWait{
			Since: api.Time{Time: held.Since.Time()}, Kind: waiterWords[held.Kind], Future: held.Future, For: held.For,
			Outcome: api.OutcomePending, Done: held.Done, Pending: held.Pending, Orphan: held.Orphan,
			Leaves: make([]api.Outcome, len(held.Leaves)),
		}
		for i, outcome := range held.Leaves {
			wait.Leaves[i] = outcomeWords[outcome]
		}
		shown.Waits = append(shown.Waits, wait)
	}
	return shown
}

var waiterWords = map[await.WaiterKind]api.WaitKind{
	await.WaiterCall: api.WaitHTTP, await.WaiterStream: api.WaitStream, await.WaiterFuture: api.WaitFuture,
}
