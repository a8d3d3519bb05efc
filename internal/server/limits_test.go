package server

import "testing"

// Whoever has seen a fetch wait, and asks whether anything is new, learns when it waits for something else: that moves
// without a new version.
func TestTheTagOfAFetchThatWaitsTellsWhy(t *testing.T) {
	h := newHouse(t)
	submit := func(limit string) reply {
		return h.want(202, h.post("/fetch", `{"url":"https://target.test/hang","limit":{"key":"k",`+limit+`}}`))
	}
	submit(`"concurrency":1,"rate":1,"period":"1h"`)
	id := submit(`"concurrency":1,"rate":1,"period":"1h"`).text("id")
	limited := h.want(202, h.get("/futures/"+id))
	tag := limited.header.Get("ETag")
	h.want(304, h.get("/futures/"+id, "If-None-Match: "+tag))
	submit(`"concurrency":1`)
	queued := h.want(202, h.get("/futures/"+id, "If-None-Match: "+tag))
	if limited.text("reason") != "rate_limited" || queued.text("reason") != "queued" {
		t.Errorf("reasons %s, %s", limited.text("reason"), queued.text("reason"))
	}
	if queued.at("version") != limited.at("version") || queued.header.Get("ETag") == tag {
		t.Errorf("versions %v, %v, tags %s, %s", limited.at("version"), queued.at("version"), tag,
			queued.header.Get("ETag"))
	}
}
