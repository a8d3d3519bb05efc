package app

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
)

// gate answers for the server until it has recovered: it is alive and not ready.
type gate struct {
	open atomic.Bool
	next http.Handler
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.open.Load() {
		g.next.ServeHTTP(w, r)
		return
	}
	shut(w, r)
}

// shut answers while the gate is. It is a function of its own so that its variables lie on no stack but its own.
func shut(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
		return
	}
	p := api.NewProblem(api.CodeNotReady, "The server is reading what it remembers, and will answer soon.")
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(p.Status)
	_ = json.MarshalWrite(w, p) // a caller who has gone needs no answer
}

// progressEvery is how often a long recovery says how far it is.
const progressEvery = time.Second

// recoverGCPercent is GOGC while the server recovers. Hardly anything that it reads is garbage by the next collection,
// and with the usual 100 as much memory again would be taken for nothing.
const recoverGCPercent = 25

// recover brings back what the store remembers, and says how far it is when that takes long.
func (a *App) recover() error {
	usual := debug.SetGCPercent(recoverGCPercent)
	defer debug.SetGCPercent(usual)
	if usual < recoverGCPercent { // GOGC=off, too: somebody has set it, perhaps with GOMEMLIMIT
		debug.SetGCPercent(usual)
	}
	began := time.Now()
	said, facts := began, 0
	err := a.kernel.Recover(func(n int) {
		if facts = n; time.Since(said) >= progressEvery {
			said = time.Now()
			a.log.Info("recovering", "facts", n)
		}
	})
	if err == nil && facts > 0 {
		a.log.Info("recovered", "facts", facts, "took", time.Since(began))
	}
	if err != nil && !a.options.Memory {
		err = fmt.Errorf("what is in %s: %w", a.options.DataDir, err)
	}
	return err
}
