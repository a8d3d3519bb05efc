package server

import (
	"context"
	"testing"
)

// leave begins a call that is held, and cuts it once it is.
func (h *house) leave(method, path, body string, headers ...string) {
	h.t.Helper()
	ctx, cut := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := h.send(ctx, h.plain, method, path, body, headers...)
		ended <- err
	}()
	h.parked(1)
	cut()
	if err := <-ended; err == nil {
		h.t.Errorf("%s %s was answered", method, path)
	}
	h.parked(0)
}

// A caller who leaves cancels what only it waited for, if it said so, whatever form its waiting had.
func TestACallerWhoLeavesCancelsIfItSaidSo(t *testing.T) {
	h := newHouse(t)
	hang := func(more string) string { return `{"url":"https://target.test/hang"` + more + `}` }
	newest := func() string {
		h.t.Helper()
		r := h.want(200, h.get("/futures?limit=1"))
		return r.text("futures.0.id")
	}
	for _, c := range []struct {
		cancels   bool
		call      func(id string)
		submitted bool // by the call itself
	}{
		{true, func(id string) { h.leave("POST", "/wait", `{"for":"`+id+`","on_disconnect":"cancel"}`) }, false},
		{false, func(id string) { h.leave("POST", "/wait", `{"for":"`+id+`","on_disconnect":"keep"}`) }, false},
		{false, func(id string) { h.leave("POST", "/wait", `{"for":"`+id+`"}`) }, false},
		{true, func(id string) { h.leave("GET", "/wait?any="+id+"&on_disconnect=cancel", "") }, false},
		{true, func(id string) { h.leave("GET", "/wait?any="+id+"&on_disconnect=cancel", "", wantsEvents) }, false},
		{true, func(string) { h.leave("POST", "/fetch?wait=50s", hang(`,"on_disconnect":"cancel"`)) }, true},
		{true, func(string) { h.leave("POST", "/fetch", hang(`,"on_disconnect":"cancel"`), "Prefer: wait=50") }, true},
		{true, func(string) { h.leave("POST", "/fetch", hang(`,"on_disconnect":"cancel"`), wantsEvents) }, true},
		{false, func(string) { h.leave("POST", "/fetch", hang(""), wantsEvents) }, true},
		{false, func(string) { h.leave("POST", "/fetch?wait=50s", hang("")) }, true},
	} {
		id := ""
		if !c.submitted {
			id = h.submit("/hang")
		}
		c.call(id)
		if c.submitted {
			id = newest()
		}
		want := "running"
		r := h.get("/futures/" + id)
		if c.cancels {
			want = "cancelled"
			r = h.get("/futures/" + id + "?wait=20s")
		}
		if r.text("state") != want {
			t.Errorf("%s, want %s", r.text("state"), want)
		}
		if !c.cancels {
			h.targets.release(id)
		}
	}
	h.wantProblem(400, "invalid-request", h.post("/wait", `{"for":"event:a","on_disconnect":"no"}`))
	h.wantProblem(400, "invalid-request", h.post("/fetch", hang(`,"on_disconnect":"no"`)))
	h.wantProblem(400, "invalid-request", h.get("/wait?all=a&on_disconnect=no"))
	h.wantProblem(403, "cross-origin", h.get("/wait?all=a&on_disconnect=cancel", "Sec-Fetch-Site: cross-site"))
}

// The graph of waits is shown in /loop.
func TestTheLoopShowsWhoWaitsForWhat(t *testing.T) {
	h := newHouse(t)
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p"}`))
	w := h.want(201, h.post("/futures", `{"kind":"wait","for":{"all":["event:a","event:b"]}}`)).text("id")
	h.want(200, h.post("/events/b/set", ""))
	l := h.listen("GET", "/wait?all=future:p,"+w, "")
	r := h.want(200, h.get("/loop"))
	if r.text("waits.0.kind") != "future" || r.text("waits.0.future") != w || r.at("waits.0.orphan") != true ||
		r.at("waits.0.done") != 1.0 || r.text("waits.1.kind") != "stream" || r.at("waits.1.orphan") != nil ||
		compact(t, r.at("waits.0.leaves")) != `["pending","satisfied"]` || r.at("futures.unawaited") != 0.0 ||
		compact(t, r.at("unawaited")) != `[]` {
		t.Errorf("waits: %v, futures: %v", r.at("waits"), r.at("futures"))
	}
	l.close()
	h.parked(0)
	if r = h.want(200, h.get("/loop")); r.at("futures.unawaited") != 2.0 ||
		compact(t, r.at("unawaited")) != `["p","`+w+`"]` {
		t.Errorf("futures: %v, unawaited: %v", r.at("futures"), r.at("unawaited"))
	}
}
