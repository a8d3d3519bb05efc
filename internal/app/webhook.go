package app

import (
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/webhook"
)

// webhookFile holds, in the data directory, what callbacks are signed with when --webhook-secret does not say it: a
// secret and a private key, one a line, and a sum of both. The first versions wrote no sum.
const webhookFile = "webhook-keys"

// buildSigner reads the keys of callbacks, or makes them at the first start and says the secret, once.
func (a *App) buildSigner() error {
	kept, made, err := a.webhookKeys()
	if err != nil {
		return err
	}
	secrets := a.options.WebhookSecret
	if len(secrets) == 0 {
		secrets = kept[:1]
		if made {
			a.log.Warn("a secret for verifying callbacks was made; it is shown only now", "webhook_secret", kept[0])
		}
	}
	if a.signer, err = webhook.NewSigner(secrets, kept[1]); err != nil { // those of the flag have been checked
		return fmt.Errorf("%s: %w", filepath.Join(a.options.DataDir, webhookFile), err)
	}
	return nil
}

// keysSum shows that the keys of callbacks are those that were written.
func keysSum(keys []string) string {
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	return hex.EncodeToString(sum[:8])
}

// webhookKeys is the secret and the private key that belong to the data. In memory they are new at each start.
func (a *App) webhookKeys() (keys []string, made bool, err error) {
	path := filepath.Join(a.options.DataDir, webhookFile)
	if !a.options.Memory {
		text, err := os.ReadFile(path)
		if err == nil {
			keys = strings.Fields(string(text))
			switch {
			case len(keys) != 2 && len(keys) != 3:
				err = fmt.Errorf("%s has %d lines, must have a secret, a private key and their sum", path, len(keys))
			case len(keys) == 3 && keys[2] != keysSum(keys[:2]):
				err = fmt.Errorf("%s is damaged. Restore it from a copy; or remove it: then new keys are made, and receivers "+
					"must be told", path)
			}
			return keys, false, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, false, fmt.Errorf("read the keys of callbacks: %w", err)
		}
	}
	var random [64]byte
	_, _ = crand.Read(random[:]) // it never fails
	keys = []string{webhook.Secret(random[:32]), webhook.Private(random[32:])}
	if !a.options.Memory {
		err = writeWhole(path, strings.Join(append(keys, keysSum(keys)), "\n")+"\n")
	}
	return keys, true, err
}

// writeWhole makes a file that nobody else may read, and that after a crash is either there in full or not at all.
func writeWhole(path, text string) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the keys of callbacks: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write the keys of callbacks: %w", err)
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// compose makes the message of a callback, signed for now: by the wall clock, as its receiver will see it.
func (a *App) compose(f *record.Future) (fetch.Message, error) {
	body, err := a.server.CallbackMessage(f)
	if err != nil {
		return fetch.Message{}, err
	}
	headers := a.signer.Headers(webhook.ID(f.ID, f.CreatedAt), time.Now(), body)
	headers = append(headers, record.Header{Name: "Content-Type", Values: []string{"application/json"}})
	return fetch.Message{Body: body, Headers: headers}, nil
}
