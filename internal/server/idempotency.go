package server

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// KeyTTLDefault is how long an idempotency key is kept.
const KeyTTLDefault = 24 * time.Hour

// IdempotencyKeyBytesMax is the longest key, without the quotes it may stand in.
const IdempotencyKeyBytesMax = 255

// once is the idempotency key of a call that creates, and the body that came with it.
type once struct {
	key  string
	body []byte
}

// keyOf reads the Idempotency-Key of a call that creates; empty when there is none. A key may be plain or, as the
// IETF draft has it, a quoted string of structured fields (RFC 8941): "a" and a are the same key.
func keyOf(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(key[1 : len(key)-1])
	}
	printable := strings.IndexFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) < 0
	if len(values) > 1 || key == "" || len(key) > IdempotencyKeyBytesMax || !printable {
		return "", api.NewProblem(api.CodeIdempotencyKeyInvalid,
			"Send one Idempotency-Key of 1 to 255 printable ASCII characters, plain or as a quoted string.")
	}
	return key, nil
}

// fingerprint tells requests apart that came under one key: what is asked for, and how it was written. How long the
// caller wants to wait for the answer is not part of it.
func fingerprint(r *http.Request, body []byte) []byte {
	query := r.URL.Query()
	query.Del("wait")
	sum := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, query.Encode(), r.Header.Get("Content-Type")} {
		_, _ = sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	_, _ = sum.Write(body)
	return sum.Sum(nil)
}

// keyFor is the idempotency key of a call that creates, as the kernel keeps it; nil when there is none.
func (s *Server) keyFor(w http.ResponseWriter, r *http.Request) (*record.Key, time.Duration) {
	o := w.(*exchange).once
	if o == nil {
		return nil, 0
	}
	name := url.QueryEscape(PrincipalOf(r.Context()).ID) + "/" + o.key
	return &record.Key{Name: name, Fingerprint: fingerprint(r, o.body)}, s.KeyTTL
}

// submit gives the futures their ids and creates them, all or none; or finds those that the same request made before
// under the same idempotency key, as they are now.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, futures ...record.NewFuture) ([]await.View, error) {
	made, err := s.ids.take("fut_", s.Now(), len(futures))
	if err != nil {
		return nil, err
	}
	for i := range futures {
		if futures[i].ID == "" {
			futures[i].ID = made[i]
		}
	}
	c := &record.Submit{Futures: futures}
	c.Key, c.KeyTTL = s.keyFor(w, r)
	answer, err := s.kernel.SubmitOnce(r.Context(), c)
	if err != nil {
		return nil, err
	}
	if answer.Replayed != nil {
		w.Header().Set("Idempotent-Replayed", "true")
		return s.replayed(r.Context(), answer.Replayed)
	}
	views := make([]await.View, len(answer.Futures))
	for i, f := range answer.Futures {
		views[i] = await.View{Future: f}
	}
	return views, nil
}

// replayed reads what was made before. A future that has been forgotten meanwhile is unknown: the key outlived it.
func (s *Server) replayed(ctx context.Context, ids []string) ([]await.View, error) {
	views := make([]await.View, len(ids))
	for i, id := range ids {
		var err error
		if views[i], err = s.kernel.Future(ctx, id); err != nil {
			return nil, err
		}
	}
	return views, nil
}
