package loop

import (
	"runtime"
	"sync/atomic"
)

// lostFailure reports the exception of a future that became garbage before anybody asked for it: a task that failed
// and was forgotten would otherwise fail in silence. As in asyncio the moment is the collector's choice.
type lostFailure struct {
	loop   *Loop
	err    error
	source string
	heard  atomic.Bool
}

func newLostFailure(b *futureBase, err error) *lostFailure {
	if err == ErrCancelled {
		return nil
	}
	f := &lostFailure{loop: b.loop, err: err, source: "future"}
	if t, ok := b.owner.(*taskCore); ok {
		f.source = t.Name()
	}
	runtime.AddCleanup(b, (*lostFailure).collected, f)
	return f
}

// found says that somebody has asked.
func (f *lostFailure) found() {
	if f != nil {
		f.heard.Store(true)
	}
}

// collected runs on a goroutine of the runtime's.
func (f *lostFailure) collected() {
	if !f.heard.Load() {
		_ = f.loop.inbox.post(f) // a closed loop has nobody to tell
	}
}

// Run tells it, on the loop.
func (f *lostFailure) Run() {
	f.loop.report(Exception{Message: "an exception was never retrieved", Err: f.err, Source: f.source})
}
