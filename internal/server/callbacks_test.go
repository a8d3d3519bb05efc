package server

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/go-json-experiment/json"
)

// A callback that failed says why and when it is tried again, while its future is settled.
func TestACallbackShowsHowItStands(t *testing.T) {
	h := newHouse(t)
	body := `{"url":"https://target.test/503","callback":{"url":"https://target.test/again"}}`
	id := h.want(202, h.post("/fetch", body)).text("id")
	r := h.get("/futures/" + id)
	for r.at("callback.attempts") != 1.0 {
		runtime.Gosched()
		r = h.get("/futures/" + id)
	}
	if r.status != 200 || r.text("state") != "failed" || r.at("expires_at") != nil ||
		r.text("callback.state") != "pending" || r.text("callback.last_error.type") != "timeout" ||
		r.at("callback.last_status") != nil || r.text("callback.next_attempt_at") == "" {
		t.Errorf("%s", r.body)
	}
	if list := h.get("/futures"); list.text("futures.0.callback.state") != "pending" {
		t.Errorf("%s", list.body)
	}
	job := h.targets.last()
	request := job.Request.Open()
	if job.Callback == nil || request.Method != "POST" || len(request.Headers) != 0 {
		t.Errorf("job %+v", request)
	}
}

// The receiver of a callback is judged like the target of a fetch, before anything is stored.
func TestARefusedReceiverIsRefusedAtSubmit(t *testing.T) {
	h := newHouse(t, plans{options: func(o *Options) {
		o.Admit = func(u *url.URL) error {
			if u.Hostname() == "inside.test" {
				return &fetch.Refusal{Reason: "planted"}
			}
			return nil
		}
	}})
	for path, body := range map[string]string{
		"/fetch":       `{"url":"https://target.test/ok","callback":{"url":"https://inside.test/"}}`,
		"/fetch/batch": `{"fetches":[{"url":"https://target.test/ok","callback":{"url":"https://inside.test/"}}]}`,
		"/futures":     `{"kind":"promise","callback":{"url":"https://inside.test/"}}`,
	} {
		r := h.wantProblem(403, "egress-denied", h.post(path, body))
		want := "/callback/url"
		if path == "/fetch/batch" {
			want = "/fetches/0/callback/url"
		}
		if got := r.text("errors.0.pointer"); got != want {
			t.Errorf("%s: pointer %q", path, got)
		}
	}
	h.wantNothing()
}

// The message is the future as a read shows it, in the form of the contract, with as much of the body as a read has.
func TestTheMessageIsTheFutureAsARead(t *testing.T) {
	h := newHouse(t)
	schema, err := spec.Schema("CallbackMessage")
	if err != nil {
		t.Fatal(err)
	}
	h.want(201, h.post("/futures", `{"kind":"promise","id":"long"}`))
	h.want(200, h.post("/futures/long/resolve", `{"value":"`+strings.Repeat("x", 200_000)+`"}`))
	for _, target := range []string{"/ok", "/503", "/refuse", "/ok?type=text/plain&body=x", "long"} {
		f := reply{}
		if target == "long" {
			f = h.want(200, h.get("/futures/long?wait=20s"))
		} else {
			f = h.want(200, h.post("/fetch?wait=20s", `{"url":"https://target.test`+target+`","labels":{"a":"b"}}`))
		}
		fact, err := h.store.Future(f.text("id"))
		if err != nil {
			t.Fatal(err)
		}
		told := *fact
		told.Callback, told.ExpiresAt = &record.Callback{State: record.CallbackPending}, 0
		message, err := h.server.CallbackMessage(&told)
		if err != nil {
			t.Fatal(err)
		}
		var m any
		if err := json.Unmarshal(message, &m); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(m); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		var typed api.CallbackMessage
		if err := json.Unmarshal(message, &typed); err != nil {
			t.Fatal(err)
		}
		if typed.Type != "future."+f.text("state") || typed.Timestamp.String() != f.text("settled_at") {
			t.Errorf("%s: %s at %s", target, typed.Type, typed.Timestamp)
		}
		if data := m.(map[string]any)["data"]; !same(t, data, f.body) {
			t.Errorf("%s: told %v\nread %s", target, data, f.body)
		}
		if len(message) > InlineBytesMax+10_000 {
			t.Errorf("%s: %d bytes", target, len(message))
		}
	}
}

func same(t *testing.T, value any, text string) bool {
	t.Helper()
	var other any
	if err := json.Unmarshal([]byte(text), &other); err != nil {
		t.Fatal(err)
	}
	a, err := json.Marshal(value, json.Deterministic(true))
	b, other2 := json.Marshal(other, json.Deterministic(true))
	return errors.Join(err, other2) == nil && bytes.Equal(a, b)
}

// The public key is given in both spellings that a receiver may know.
func TestTheKeyOfCallbacksIsPublic(t *testing.T) {
	key := ed25519.PublicKey(bytes.Repeat([]byte{7}, 32))
	h := newHouse(t, plans{options: func(o *Options) { o.WebhookKey = key }})
	r := h.want(200, h.get("/.well-known/webhook-keys"))
	x, err := base64.RawURLEncoding.DecodeString(r.text("keys.0.x"))
	if err != nil || !bytes.Equal(x, key) {
		t.Errorf("x: %x, %v", x, err)
	}
	text, found := strings.CutPrefix(r.text("keys.0.standard_webhooks"), "whpk_")
	if again, err := base64.StdEncoding.DecodeString(text); err != nil || !found || !bytes.Equal(again, key) {
		t.Errorf("whpk: %x, %v", again, err)
	}
	h.want(304, h.get("/.well-known/webhook-keys", "If-None-Match: "+r.header.Get("ETag")))
}
