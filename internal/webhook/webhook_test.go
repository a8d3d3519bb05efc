package webhook

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var (
	oldSecret = Secret(bytes.Repeat([]byte{1}, 24))
	newSecret = Secret(bytes.Repeat([]byte{2}, 64))
	private   = Private(bytes.Repeat([]byte{3}, 32))
)

func signer(t testing.TB, secrets ...string) *Signer {
	t.Helper()
	s, err := NewSigner(secrets, private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// headers are a message's as a receiver sees them.
func headers(s *Signer, id string, at time.Time, body []byte) http.Header {
	h := http.Header{}
	for _, own := range s.Headers(id, at, body) {
		h[own.Name] = own.Values
	}
	return h
}

// verifyPublic is what a receiver does who has the public key alone.
func verifyPublic(key ed25519.PublicKey, h http.Header, body []byte) bool {
	signed := append([]byte(h.Get("webhook-id")+"."+h.Get("webhook-timestamp")+"."), body...)
	for signature := range strings.SplitSeq(h.Get("webhook-signature"), " ") {
		if text, ok := strings.CutPrefix(signature, "v1a,"); ok {
			sum, err := base64.StdEncoding.DecodeString(text)
			return err == nil && ed25519.Verify(key, signed, sum)
		}
	}
	return false
}

// Whoever has one of the secrets can verify with the library of Standard Webhooks, while a secret is being replaced
// too; whoever has the public key can as well; nobody else.
func TestMessagesVerify(t *testing.T) {
	s := signer(t, newSecret, oldSecret)
	body := []byte(`{"type":"future.succeeded"}`)
	h := headers(s, ID("fut_1", 1000), time.Now(), body)
	for _, secret := range []string{oldSecret, newSecret} {
		receiver, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(body, h); err != nil {
			t.Errorf("verify: %v", err)
		}
		if receiver.Verify([]byte(`{"type":"future.failed"}`), h) == nil {
			t.Error("another body verifies")
		}
		if receiver.Verify(body, headers(s, "msg_1", time.Now().Add(-time.Hour), body)) == nil {
			t.Error("a message of an hour ago verifies")
		}
	}
	stranger, err := standardwebhooks.NewWebhook(Secret(bytes.Repeat([]byte{4}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if stranger.Verify(body, h) == nil {
		t.Error("a secret that signed nothing verifies")
	}
	if !verifyPublic(s.Public(), h, body) {
		t.Error("the public key does not verify")
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if verifyPublic(other, h, body) || verifyPublic(s.Public(), h, append(body, ' ')) {
		t.Error("another key or another body verifies")
	}
}

// The signature is the one that the specification computes for its own example.
func TestTheExampleOfTheSpecification(t *testing.T) {
	s := signer(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	h := headers(s, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got, _, _ := strings.Cut(h.Get("webhook-signature"), " "); got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
}

// An id is that of one future: the same for each attempt, and another when the future's own id is used again.
func TestIDsOfMessages(t *testing.T) {
	if first := ID("p", 1); first != ID("p", 1) || first == ID("p", 2) || ID("p", 11) == ID("p1", 1) {
		t.Error("ids are not of one future each")
	}
	if id := ID("a.b:c", 1); strings.Contains(id, ".") || !strings.HasPrefix(id, "msg_") {
		t.Errorf("id %q", id)
	}
}

// What is no key is refused, all faults together, and none of them repeats a secret.
func TestKeysAreRefused(t *testing.T) {
	_, err := NewSigner([]string{
		"", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!secret!!!",
		Secret(make([]byte, 65)), newSecret,
	}, "whsk_c2hvcnQ=")
	if err == nil || strings.Count(err.Error(), "\n") != 6 || strings.Contains(err.Error(), "secret!!!") {
		t.Errorf("err = %v", err)
	}
	if _, err := NewSigner(nil, private); err != nil {
		t.Errorf("a private key alone: %v", err)
	}
	if _, err := NewSigner(nil, strings.TrimPrefix(private, "whsk_")); err == nil {
		t.Error("a private key without its prefix is taken")
	}
}

// Whatever is signed verifies, in both ways, and with another id or time, or one bit of the body changed, it does not.
func FuzzSignatures(f *testing.F) {
	f.Add("msg_1", int64(1614265330), []byte(`{"test": 2432232314}`), uint(3))
	f.Add("", int64(0), []byte{}, uint(0))
	f.Add("msg_2", int64(-5), []byte("\xff\x00."), uint(7))
	s := signer(f, oldSecret)
	receiver, err := standardwebhooks.NewWebhook(oldSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id string, at int64, body []byte, flip uint) {
		if strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || id == "" {
			return // no id of ours
		}
		h := headers(s, id, time.Unix(at, 0), body)
		if err := receiver.VerifyIgnoringTimestamp(body, h); err != nil {
			t.Fatalf("v1: %v", err)
		}
		if !verifyPublic(s.Public(), h, body) {
			t.Fatal("v1a does not verify")
		}
		for name, value := range map[string]string{
			standardwebhooks.HeaderWebhookID: id + "x", standardwebhooks.HeaderWebhookTimestamp: strconv.FormatInt(at^1, 10),
		} {
			other := h.Clone()
			other.Set(name, value)
			if receiver.VerifyIgnoringTimestamp(body, other) == nil || verifyPublic(s.Public(), other, body) {
				t.Fatalf("another %s verifies", name)
			}
		}
		if len(body) == 0 {
			return
		}
		changed := bytes.Clone(body)
		changed[flip/8%uint(len(body))] ^= 1 << (flip % 8)
		if receiver.VerifyIgnoringTimestamp(changed, h) == nil || verifyPublic(s.Public(), h, changed) {
			t.Fatal("a changed body verifies")
		}
	})
}

// Whatever text is given as a key: it is refused, or it signs what verifies.
func FuzzSecrets(f *testing.F) {
	f.Add(oldSecret)
	f.Add("whsec_")
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := NewSigner([]string{text}, private)
		if err != nil {
			return
		}
		receiver, err := standardwebhooks.NewWebhook(text)
		if err != nil {
			t.Fatalf("the library refuses %q: %v", text, err)
		}
		if err := receiver.Verify([]byte("x"), headers(s, "msg_1", time.Now(), []byte("x"))); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
