// Package webhook signs callbacks as Standard Webhooks 1.0 says: with a secret that the receiver shares (v1), and with
// a key whose public half anybody may know (v1a).
package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// The prefixes of keys as text, before their base64.
const (
	secretPrefix  = "whsec_"
	privatePrefix = "whsk_"
	publicPrefix  = "whpk_"
)

// The least and most bytes of a secret.
const (
	SecretBytesLeast = 24
	SecretBytesMost  = 64
)

// Signer signs with one private key and with every secret given, so that a secret can be replaced without a pause: the
// receiver accepts the one that it knows. It is immutable and may be used by any goroutine.
type Signer struct {
	secrets [][]byte
	private ed25519.PrivateKey
}

// NewSigner reads secrets (whsec_…) and a private key (whsk_…), and reports all faults together.
func NewSigner(secrets []string, private string) (*Signer, error) {
	s := &Signer{}
	var faults []error
	for _, text := range secrets {
		secret, err := ParseSecret(text)
		faults = append(faults, err)
		s.secrets = append(s.secrets, secret)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(private, privatePrefix))
	if err != nil || !strings.HasPrefix(private, privatePrefix) || len(seed) != ed25519.SeedSize {
		faults = append(faults, fmt.Errorf("webhook: a private key is %s and 32 bytes in base64", privatePrefix))
		return nil, errors.Join(faults...)
	}
	s.private = ed25519.NewKeyFromSeed(seed)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}

// ParseSecret reads a secret: whsec_ and 24 to 64 bytes in base64. The error does not repeat it.
func ParseSecret(text string) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix))
	if err != nil || !strings.HasPrefix(text, secretPrefix) ||
		len(secret) < SecretBytesLeast || len(secret) > SecretBytesMost {
		return nil, fmt.Errorf("a webhook secret is %s and %d to %d bytes in base64",
			secretPrefix, SecretBytesLeast, SecretBytesMost)
	}
	return secret, nil
}

// Secret is the text of a secret.
func Secret(secret []byte) string { return secretPrefix + base64.StdEncoding.EncodeToString(secret) }

// Private is the text of a private key, made of 32 random bytes.
func Private(seed []byte) string { return privatePrefix + base64.StdEncoding.EncodeToString(seed) }

// Public is the key that v1a signatures are verified with.
func (s *Signer) Public() ed25519.PublicKey { return s.private.Public().(ed25519.PublicKey) }

// PublicText is the text of a public key.
func PublicText(key ed25519.PublicKey) string {
	return publicPrefix + base64.StdEncoding.EncodeToString(key)
}

// ID is the id of the message about the end of a future: the same in each attempt, and another when an id of a future
// is used again.
func ID(future string, created record.Time) string {
	sum := sha256.Sum256([]byte(future + "\n" + strconv.FormatInt(int64(created), 10)))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// Headers are those of a message that is sent at that time: webhook-id, webhook-timestamp and webhook-signature. The
// id has no full stop.
func (s *Signer) Headers(id string, at time.Time, body []byte) []record.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return []record.Header{
		{Name: "Webhook-Id", Values: []string{id}},
		{Name: "Webhook-Timestamp", Values: []string{timestamp}},
		{Name: "Webhook-Signature", Values: []string{s.sign(id, timestamp, body)}},
	}
}

// sign is the signatures of a message, one after the other.
func (s *Signer) sign(id, timestamp string, body []byte) string {
	signed := append([]byte(id+"."+timestamp+"."), body...)
	var all []string
	for _, secret := range s.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write(signed)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	all = append(all, "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(s.private, signed)))
	return strings.Join(all, " ")
}
