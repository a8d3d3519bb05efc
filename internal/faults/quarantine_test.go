package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// fetchOf orders one fetch and returns its id.
func fetchOf(t *testing.T, c *client, method, path string) (id string) {
	t.Helper()
	var f shownFuture
	body := fmt.Sprintf(`{"url":%q,"method":%q}`, c.target.URL+path, method)
	if err := json.Unmarshal(ask(t, c, "POST", "/fetch", body, http.StatusAccepted), &f); err != nil {
		t.Fatal(err)
	}
	return f.ID
}

// end waits for a future to be settled.
func end(t *testing.T, c *client, id string) (f shownFuture) {
	t.Helper()
	if err := json.Unmarshal(ask(t, c, "GET", "/futures/"+id+"?wait=60s", "", http.StatusOK), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// A fetch that is under way each time the server dies is taken for the cause and not tried a third time; one that
// merely stood behind it in the queue goes on.
func TestAFetchThatSeesTheServerDieTwiceIsQuarantined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir(), "--workers", "1")
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	l := w.live(t.Context())
	suspect := fetchOf(t, c, "GET", "/hang/suspect")
	<-w.target.arrival("/hang/suspect")
	innocent := fetchOf(t, c, "GET", "/quick/innocent")
	for n := 2; n <= 3; n++ {
		l.kill()
		l = w.live(t.Context())
		if n == 2 {
			eventually(t, func() bool { return w.target.count("/hang/suspect") == n }, "it is not tried again")
		}
	}
	if f := end(t, c, suspect); f.State != "failed" || f.Error.Type != "quarantined" {
		t.Errorf("the suspect %s", f.ending())
	}
	if f := end(t, c, innocent); f.State != "succeeded" {
		t.Errorf("the innocent %s", f.ending())
	}
	if n := w.target.count("/hang/suspect"); n != 2 {
		t.Errorf("the suspect was tried %d times", n)
	}
}

// A POST that was under way when the server died may have been acted on: it is not made again, and says so.
func TestAPostThatWasCutIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, binary, "--data-dir", t.TempDir())
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	l := w.live(t.Context())
	once := fetchOf(t, c, "POST", "/hang/once")
	again := fetchOf(t, c, "PUT", "/hang/again")
	<-w.target.arrival("/hang/once")
	<-w.target.arrival("/hang/again")
	l.kill()
	w.target.soothe()
	w.live(t.Context())
	if f := end(t, c, once); f.State != "failed" || f.Error.Type != "outcome_unknown" {
		t.Errorf("the POST %s", f.ending())
	}
	if f := end(t, c, again); f.State != "succeeded" {
		t.Errorf("the PUT %s", f.ending())
	}
	if once, again := w.target.count("/hang/once"), w.target.count("/hang/again"); once != 1 || again != 2 {
		t.Errorf("the target was asked %d times by POST and %d times by PUT", once, again)
	}
}
