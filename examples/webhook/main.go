// Command webhook stands between the internet and awaitd: it takes webhooks of GitHub and Stripe, checks their
// signatures, and sets an event for each.
//
//	GITHUB_SECRET=… STRIPE_SECRET=whsec_… go run ./examples/webhook [ADDR]      (127.0.0.1:9191)
//
// AWAITD_URL and AWAITD_API_KEY say where the server is and with which key. A push to octo/site becomes the event
// github:push:octo/site, a Stripe event of a checkout session stripe:checkout.session.completed:cs_123. It answers
// 204 only when the event is set, and durable; else the sender is told that the delivery has failed.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

const (
	bodyBytesMax = 25 << 20        // what GitHub sends at most
	answerMax    = 8 * time.Second // GitHub gives a delivery up after 10 s
	signatureAge = 5 * time.Minute // an older signature of Stripe's may have been overheard
)

var errSignature = errors.New("the signature is wrong")

func main() {
	addr := "127.0.0.1:9191"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	awaitd := os.Getenv("AWAITD_URL")
	if awaitd == "" {
		awaitd = "http://127.0.0.1:8080"
	}
	var options []client.Option
	if key := os.Getenv("AWAITD_API_KEY"); key != "" {
		options = append(options, client.APIKey(key))
	}
	c, err := client.New(awaitd, options...)
	if err != nil {
		log.Fatal(err)
	}
	r := &receiver{c}
	if secret := os.Getenv("GITHUB_SECRET"); secret != "" {
		http.Handle("POST /github", r.take(func(h http.Header, body []byte) (string, error) {
			return github(secret, h, body)
		}))
	}
	if secret := os.Getenv("STRIPE_SECRET"); secret != "" {
		http.Handle("POST /stripe", r.take(func(h http.Header, body []byte) (string, error) {
			return stripe(secret, h, body, time.Now())
		}))
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("webhooks on http://%s\n", listener.Addr())
	server := &http.Server{ReadTimeout: answerMax}
	log.Fatal(server.Serve(listener))
}

type receiver struct{ awaitd *client.Client }

// take answers the deliveries of one sender. name checks the signature and names the event.
func (r *receiver) take(name func(http.Header, []byte) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, bodyBytesMax))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		event, err := name(req.Header, body)
		switch {
		case errors.Is(err, errSignature):
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(req.Context(), answerMax)
		defer cancel()
		if _, err := r.awaitd.Event(event).Set(ctx, payload(body)); err != nil {
			log.Printf("%s is not set: %v", event, err)
			http.Error(w, "the event could not be set", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// payload is the body, or, when it is longer than a payload may be, only its length.
func payload(body []byte) any {
	if len(body) > api.PayloadBytesMax {
		return map[string]int{"bytes": len(body)}
	}
	return client.Payload{ContentType: "application/json", Body: body}
}

// github checks X-Hub-Signature-256, the HMAC of the body.
func github(secret string, h http.Header, body []byte) (event string, err error) {
	signature, found := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	if !found || !signs(signature, secret, body) {
		return "", errSignature
	}
	var delivery struct {
		Repository struct {
			FullName string `json:"full_name"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(body, &delivery); err != nil {
		return "", errors.New("choose application/json as the content type of the webhook")
	}
	return strings.TrimSuffix("github:"+h.Get("X-GitHub-Event")+":"+delivery.Repository.FullName, ":"), nil
}

// stripe checks Stripe-Signature: t=SECONDS,v1=HMAC of "SECONDS.body", perhaps several while a secret is replaced.
func stripe(secret string, h http.Header, body []byte, now time.Time) (event string, err error) {
	var seconds string
	var signatures []string
	for part := range strings.SplitSeq(h.Get("Stripe-Signature"), ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			seconds = value
		case "v1":
			signatures = append(signatures, value)
		}
	}
	signed := false
	for _, signature := range signatures {
		signed = signed || signs(signature, secret, []byte(seconds+"."), body)
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if !signed || err != nil || now.Sub(time.Unix(at, 0)).Abs() > signatureAge {
		return "", errSignature
	}
	var delivery struct {
		Type string
		Data struct{ Object struct{ ID string } }
	}
	if err := json.Unmarshal(body, &delivery); err != nil {
		return "", errors.New("the body is no event of Stripe")
	}
	return strings.TrimSuffix("stripe:"+delivery.Type+":"+delivery.Data.Object.ID, ":"), nil
}

// signs reports whether signature, in hexadecimal digits, is the HMAC-SHA256 of the parts. How long it takes does not
// depend on how much of it is right.
func signs(signature, secret string, parts ...[]byte) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range parts {
		mac.Write(part)
	}
	return hmac.Equal(given, mac.Sum(nil))
}
