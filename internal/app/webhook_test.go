package app

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/awaitd/awaitd/internal/webhook"
)

// message is a callback as its receiver got it.
type message struct {
	header http.Header
	body   []byte
}

// receiver is a server for callbacks: it gives them to the test, which says how each is answered.
func receiver(t *testing.T) (url string, got <-chan message, answers chan<- int) {
	t.Helper()
	messages, statuses := make(chan message, 100), make(chan int, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		messages <- message{r.Header, body}
		select {
		case status := <-statuses:
			w.WriteHeader(status)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, messages, statuses
}

// A callback reaches its receiver in the form of Standard Webhooks, verifies with its library and with the public key
// that the server gives, and carries the trace of who submitted the fetch. When it is delivered the future says so.
func TestACallbackVerifies(t *testing.T) {
	target, _ := counting(t)
	hook, got, answers := receiver(t)
	secret := webhook.Secret(bytes.Repeat([]byte{5}, 32))
	o := options()
	o.WebhookSecret = []string{secret}
	r := launch(t, o)
	req, err := http.NewRequest("POST", r.url+"/fetch", strings.NewReader(
		`{"url":"`+target+`/a","callback":{"url":"`+hook+`/hook","headers":{"Authorization":"Bearer abc"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := r.client.Do(req)
	if err != nil || resp.StatusCode != 202 {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	m := <-got
	answers <- 204
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(m.body, m.header); err != nil {
		t.Errorf("v1: %v", err)
	}
	if !verifiesPublicly(r, m) {
		t.Error("v1a does not verify")
	}
	var body struct {
		Type string
		Data struct {
			ID     string
			State  string
			Result struct{ JSON string }
		}
	}
	if err := json.Unmarshal(m.body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Type != "future.succeeded" || body.Data.State != "succeeded" || body.Data.Result.JSON != "/a" {
		t.Errorf("%s", m.body)
	}
	if m.header.Get("Authorization") != "Bearer abc" || m.header.Get("Content-Type") != "application/json" ||
		!strings.HasPrefix(m.header.Get("Traceparent"), "00-0af7651916cd43dd8448eb211c80319c-") {
		t.Errorf("%v", m.header)
	}
	if shown := r.callback(body.Data.ID, "delivered"); shown.Attempts != 1 || shown.LastStatus != 204 {
		t.Errorf("%+v", shown)
	}
}

type callback struct {
	State      string
	Attempts   int
	LastStatus int `json:"last_status"`
}

// callback reads how the callback of a future stands, once it stands so.
func (r *running) callback(id, state string) callback {
	r.Helper()
	for range 100_000 {
		var f struct{ Callback callback }
		r.call("GET", "/futures/"+id, "", &f, 200, 202)
		if f.Callback.State == state {
			return f.Callback
		}
	}
	r.Fatalf("the callback of %s is never %s", id, state)
	return callback{}
}

// verifiesPublicly is what a receiver does who knows no secret.
func verifiesPublicly(r *running, m message) bool {
	var set struct{ Keys []struct{ X string } }
	r.call("GET", "/.well-known/webhook-keys", "", &set, 200)
	key, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	if err != nil {
		return false
	}
	signed := []byte(m.header.Get("webhook-id") + "." + m.header.Get("webhook-timestamp") + "." + string(m.body))
	for signature := range strings.SplitSeq(m.header.Get("webhook-signature"), " ") {
		if text, ok := strings.CutPrefix(signature, "v1a,"); ok {
			sum, err := base64.StdEncoding.DecodeString(text)
			return err == nil && ed25519.Verify(key, signed, sum)
		}
	}
	return false
}

// A server that is stopped while a callback is under way leaves it to the next one, which makes it again with the same
// id, signed with the same secret: that of the data directory, which was shown once. A future whose time is over waits
// for it.
func TestTheNextServerDeliversACallback(t *testing.T) {
	hook, got, answers := receiver(t)
	o := options()
	o.Memory, o.Sync, o.DataDir, o.Grace = false, true, t.TempDir(), time.Millisecond

	var log strings.Builder
	first := launchLogged(t, o, &log)
	first.call("POST", "/futures", `{"kind":"promise","id":"p","ttl":"1ms","callback":{"url":"`+hook+`"}}`, nil, 201)
	first.call("POST", "/futures/p/resolve", `{"value":{"a":1}}`, nil, 200)
	one := <-got
	first.stop()
	if err := <-first.ended; err != nil {
		t.Fatal(err)
	}
	first.ended <- nil // for the clean-up
	secrets := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`).FindAllString(log.String(), -1)
	if len(secrets) != 1 {
		t.Fatalf("the secret is shown %d times", len(secrets))
	}
	keys, err := os.Stat(filepath.Join(o.DataDir, webhookFile))
	if err != nil || keys.Mode().Perm() != 0o600 {
		t.Errorf("the file of keys: %v, %v", keys, err)
	}

	log.Reset()
	second := launchLogged(t, o, &log)
	two := <-got
	answers <- 200
	verifier, err := standardwebhooks.NewWebhook(secrets[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []message{one, two} {
		if err := verifier.Verify(m.body, m.header); err != nil {
			t.Errorf("verify: %v", err)
		}
		if !verifiesPublicly(second, m) {
			t.Error("v1a does not verify")
		}
	}
	id := one.header.Get("webhook-id")
	if id == "" || id != two.header.Get("webhook-id") || !bytes.Equal(one.body, two.body) {
		t.Errorf("two messages: %v\n%s\n%v\n%s", one.header, one.body, two.header, two.body)
	}
	gone := false
	for range 100_000 { // its time is over
		if gone = second.call("GET", "/futures/p", "", nil, 200, 404).StatusCode == 404; gone {
			break
		}
	}
	if !gone {
		t.Error("the future is still there")
	}
	second.stop()
	if err := <-second.ended; err != nil {
		t.Fatal(err)
	}
	second.ended <- nil
	if strings.Contains(log.String(), "whsec_") {
		t.Error("the secret is shown again")
	}
}

// launchLogged is launch with the log in a builder, which may be read when the server has ended.
func launchLogged(t *testing.T, o Options, log *strings.Builder) *running {
	t.Helper()
	a, err := New(o, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return launchApp(t, a)
}

// A flipped bit in the file of keys would make each receiver refuse every callback: it is refused at the start. A file
// of the first versions, without a sum, is taken.
func TestDamagedKeysOfCallbacksAreRefused(t *testing.T) {
	o := options()
	o.Memory, o.DataDir = false, t.TempDir()
	path := filepath.Join(o.DataDir, webhookFile)
	opens := func(text string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := New(o, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = a.Close()
		}
		return err
	}
	a, err := New(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(text); at += 5 {
		if text[at] == '\n' {
			continue
		}
		damaged := slices.Clone(text)
		damaged[at] ^= 1
		if err := opens(string(damaged)); err == nil || !strings.Contains(err.Error(), path) {
			t.Fatalf("byte %d is damaged: %v", at, err)
		}
	}
	lines := strings.Fields(string(text))
	if err := opens(lines[0] + "\n" + lines[1] + "\n"); err != nil {
		t.Errorf("without a sum: %v", err)
	}
}

// A secret that is none, and a file of keys that is not as it was written, are refused at the start.
func TestKeysOfCallbacksAreRefused(t *testing.T) {
	o := options()
	o.WebhookSecret = []string{"secret"}
	if _, err := New(o, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "--webhook-secret") {
		t.Errorf("a wrong secret: %v", err)
	}
	for name, text := range map[string]string{"one line": "whsec_", "no keys": "a\nb\n"} {
		o := options()
		o.Memory, o.DataDir = false, t.TempDir()
		if err := os.WriteFile(filepath.Join(o.DataDir, webhookFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := New(o, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s: taken", name)
			_ = a.Close()
		}
	}
	o = options()
	o.Memory, o.DataDir = false, t.TempDir()
	if err := os.Mkdir(filepath.Join(o.DataDir, webhookFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a folder in the place of the keys is taken")
	}
}
