package server

import (
	"testing"
	"time"

	"github.com/awaitd/awaitd/internal/await"
)

// A group is read, awaited and listed like everything else: with its ETag, its links, in pages.
func TestAGroupIsReadLikeEverythingElse(t *testing.T) {
	h := newHouse(t, plans{limits: func(l *await.Limits) { l.GroupsMax = 3 }})
	moment := time.Now().Add(3 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	made := h.want(201, h.post("/groups", `{"deadline":"`+moment+`","labels":{"a":"1"}}`, "Idempotency-Key: k"))
	id := made.text("id")
	if made.header.Get("Location") != "/groups/"+id || made.text("deadline_at") != moment {
		t.Errorf("made %v %s", made.header, made.body)
	}
	again := h.want(201, h.post("/groups", `{"deadline":"`+moment+`","labels":{"a":"1"}}`, "Idempotency-Key: k"))
	if again.text("id") != id || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again %v %s", again.header, again.body)
	}
	h.wantProblem(422, "idempotency-mismatch", h.post("/groups", `{}`, "Idempotency-Key: k"))
	h.want(304, h.get("/groups/"+id, "If-None-Match: "+made.header.Get("ETag")))
	if r := h.want(202, h.get("/groups/"+id+"?wait=1ms")); r.header.Get("Retry-After") == "" {
		t.Errorf("held: %v", r.header)
	}
	h.want(202, h.get("/groups/"+id, "Prefer: wait=0"))
	second := h.want(201, h.post("/groups", `{"labels":{"a":"1","b":"2"}}`)).text("id")
	h.want(201, h.post("/groups", ""))
	h.wantProblem(429, "too-many-groups", h.post("/groups", ""))
	first := h.want(200, h.get("/groups?label=a:1&limit=1"))
	rest := h.want(200, h.get("/groups?label=a:1&cursor="+first.text("next_cursor")))
	if first.text("groups.0.id") != second || rest.text("groups.0.id") != id || rest.count("groups") != 1 {
		t.Errorf("pages %s %s", first.body, rest.body)
	}
	if r := h.want(200, h.get("/groups?label=a:1&label=b:2")); r.count("groups") != 1 {
		t.Errorf("two labels: %s", r.body)
	}
	for _, bad := range []string{
		"/groups?limit=0", "/groups?label=x", "/groups?cursor=x", "/groups/g", "/groups/g?wait=1s",
	} {
		h.wantProblem(400, "invalid-request", h.get(bad))
	}
	h.wantProblem(400, "invalid-request", h.get("/groups/"+id+"?wait=x"))
	h.wantProblem(400, "invalid-request", h.get("/futures?group=g"))
	h.wantProblem(400, "invalid-request", h.post("/groups/g/cancel", ""))
	h.wantProblem(400, "invalid-request", h.post("/groups/g/renew", ""))
	h.wantProblem(404, "unknown-group", h.post("/groups/"+someGroup+"/cancel", ""))
	h.wantProblem(404, "unknown-group", h.post("/groups/"+someGroup+"/renew", ""))
	h.wantProblem(404, "unknown-group", h.get("/wait?all=group:"+someGroup))
}

// A group that nobody joins is forgotten after its ttl; the key that made it outlives it.
func TestAForgottenGroupIsUnknown(t *testing.T) {
	h := newHouse(t)
	id := h.want(201, h.post("/groups", `{"ttl":"0s"}`, "Idempotency-Key: k")).text("id")
	for h.get("/groups/"+id).status != 404 {
	}
	h.wantProblem(404, "unknown-group", h.post("/groups", `{"ttl":"0s"}`, "Idempotency-Key: k"))
}

// The members of a group as a stream.
func TestTheMembersOfAGroupAsAStream(t *testing.T) {
	h := newHouse(t)
	id := h.want(201, h.post("/groups", "")).text("id")
	l := h.listen("GET", "/futures?group="+id+"&state=succeeded", "")
	h.want(201, h.post("/futures", `{"kind":"promise","id":"p","group":"`+id+`"}`))
	h.want(201, h.post("/futures", `{"kind":"promise","id":"q"}`))
	h.want(200, h.post("/futures/q/resolve", `{"value":1}`))
	h.want(200, h.post("/futures/p/resolve", `{"value":1}`))
	l.want("future", "id p", "group "+id)
}
