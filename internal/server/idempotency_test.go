package server

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/awaitd/awaitd/internal/store"
)

// A call that creates may be repeated: with the same key and request it creates once, and every repetition gets the
// same ids, as they are by then.
func TestARepeatedCallCreatesOnce(t *testing.T) {
	h := newHouse(t)
	const key = `Idempotency-Key: "order-42"`
	first := h.want(202, h.post("/fetch", creators["/fetch"], key))
	if first.header.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer calls itself a repetition")
	}
	id := first.text("id")
	h.want(200, h.get("/futures/"+id+"?wait=20s"))
	again := h.want(200, h.post("/fetch", creators["/fetch"], key))
	if again.text("id") != id || again.text("state") != "succeeded" || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repetition: %s", again.body)
	}
	held := h.want(200, h.post("/fetch?wait=5s", creators["/fetch"], "Idempotency-Key: order-42", "Prefer: wait=3"))
	if held.text("id") != id {
		t.Errorf("plain and quoted, held and not, are one key: %s", held.body)
	}
	batch := `{"fetches":[{"url":"https://target.test/ok"},{"url":"https://target.test/hang"}]}`
	one := h.want(202, h.post("/fetch/batch", batch, "Idempotency-Key: b"))
	two := h.want(202, h.post("/fetch/batch", batch, "Idempotency-Key: b"))
	for _, path := range []string{"futures.0.id", "futures.1.id"} {
		if one.text(path) != two.text(path) || one.text(path) == "" {
			t.Errorf("%s: %s, then %s", path, one.text(path), two.text(path))
		}
	}
	promise := h.want(201, h.post("/futures", creators["/futures"], "Idempotency-Key: p")).text("id")
	if got := h.want(201, h.post("/futures", creators["/futures"], "Idempotency-Key: p")).text("id"); got != promise {
		t.Errorf("promise %s, then %s", promise, got)
	}
	if got := h.want(201, h.post("/futures", creators["/futures"])).text("id"); got == promise {
		t.Error("without a key nothing is repeated")
	}
}

// Fifty callers at once with one key are one caller.
func TestOneKeyAtOnceCreatesOnce(t *testing.T) {
	h := newHouse(t)
	ids := make([]string, 50)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() { ids[i] = h.post("/fetch", creators["/fetch"], "Idempotency-Key: k").text("id") })
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("two futures: %s and %s", ids[0], id)
		}
	}
}

// The same key with anything else in the request is a mistake of the caller's, and creates nothing.
func TestAKeyBelongsToOneRequest(t *testing.T) {
	h := newHouse(t)
	const key = "Idempotency-Key: k"
	h.want(202, h.post("/fetch", creators["/fetch"], key))
	h.wantProblem(422, "idempotency-mismatch", h.post("/fetch", `{"url":"https://target.test/ok","method":"HEAD"}`, key))
	h.wantProblem(422, "idempotency-mismatch", h.post("/fetch?url=https://target.test/ok", "", key))
	h.wantProblem(422, "idempotency-mismatch", h.post("/fetch/batch", creators["/fetch/batch"], key))
	h.wantProblem(422, "idempotency-mismatch", h.post("/futures", creators["/futures"], key))
	if page := h.want(200, h.get("/futures")); page.count("futures") != 1 {
		t.Errorf("created: %s", page.body)
	}
}

// A refused call has not used its key.
func TestARefusedCallLeavesItsKey(t *testing.T) {
	h := newHouse(t)
	const key = "Idempotency-Key: k"
	h.wantProblem(400, "invalid-request", h.post("/fetch", `{"url":"nonsense"}`, key))
	h.want(202, h.post("/fetch", creators["/fetch"], key))
}

// A key that outlived its futures does not create them anew.
func TestAKeyOutlivesItsFutures(t *testing.T) {
	h := newHouse(t)
	for path, good := range map[string]string{
		"/fetch": creators["/fetch"], "/fetch/batch": creators["/fetch/batch"], "/futures": `{"kind":"timer","after":0}`,
	} {
		key := "Idempotency-Key: " + path
		made := h.post(path, good, key)
		id := made.text("id") + made.text("futures.0.id")
		h.want(200, h.get("/futures/"+id+"?wait=20s"))
		h.want(204, h.do("DELETE", "/futures/"+id, ""))
		h.wantProblem(404, "unknown-future", h.post(path, good, key))
	}
}

// What cannot be a key is refused, not ignored.
func TestABadKeyIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, key := range []string{`""`, strings.Repeat("x", 256), "caf\xc3\xa9", "a\tb"} {
		h.wantProblem(400, "idempotency-key-invalid", h.post("/fetch", creators["/fetch"], "Idempotency-Key: "+key))
	}
	h.wantProblem(400, "idempotency-key-invalid",
		h.post("/fetch", creators["/fetch"], "Idempotency-Key: a", "Idempotency-Key: b"))
	h.want(202, h.post("/fetch", creators["/fetch"], "Idempotency-Key: "+strings.Repeat("x", 255)))
	if page := h.want(200, h.get("/futures")); page.count("futures") != 1 {
		t.Errorf("created: %s", page.body)
	}
}

// When the store is nearly full nothing new is taken, and everything else goes on; when it is quite full no promise is
// settled either.
func TestAFullStoreTakesNothingNew(t *testing.T) {
	var full, quite atomic.Bool
	unless := func(full *atomic.Bool) func() error {
		return func() error {
			if full.Load() {
				return store.ErrFull
			}
			return nil
		}
	}
	h := newHouse(t, plans{options: func(o *Options) { o.Room, o.Spare = unless(&full), unless(&quite) }})
	for _, id := range []string{"p", "q", "r"} {
		h.want(201, h.post("/futures", `{"kind":"promise","id":"`+id+`"}`))
	}
	id := h.submit("/hang")
	h.started(1)
	full.Store(true)
	for path, good := range creators {
		if path == "/fetch" || path == "/fetch/batch" || path == "/futures" || path == "/groups" {
			h.wantProblem(507, "storage-full", h.post(path, good))
		}
	}
	h.want(200, h.post("/events/a/set", ""))
	h.want(200, h.post("/futures/p/resolve", `{"value":1}`))
	quite.Store(true)
	h.wantProblem(507, "storage-full", h.post("/events/a/set", "a payload"))
	h.wantProblem(507, "storage-full", h.post("/events/a/pulse", "a payload"))
	h.want(200, h.post("/events/a/set", ""))
	h.wantProblem(507, "storage-full", h.post("/futures/q/resolve", `{"value":1}`))
	h.wantProblem(507, "storage-full", h.post("/futures/q/reject", `{"message":"no"}`))
	h.want(200, h.post("/futures/r/cancel", ""))
	h.targets.release(id)
	h.want(200, h.get("/futures/"+id+"?wait=20s"))
}
