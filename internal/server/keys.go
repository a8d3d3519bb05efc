package server

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// keyPrefix makes a key recognisable to people and to scanners for leaked secrets.
const keyPrefix = "awk_"

// keyBytes is the chance in a key: as much as its hash has.
const keyBytes = 32

// KeysMax is the number of keys that a file may hold: each call is compared with all of them.
const KeysMax = 1000

var keyID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Keys are the keys of those who may call, each known by its SHA-256 alone. Immutable; any goroutine.
type Keys struct{ list []keyHash }

type keyHash struct {
	id  string
	sum [sha256.Size]byte
}

// ReadKeys reads one `id:sha256` a line, the hash in hexadecimal digits; empty lines and those that begin with # do not
// count. All faults are reported together, each with its line. A file without any key is a fault, too.
func ReadKeys(file io.Reader) (*Keys, error) {
	k := &Keys{}
	var faults []error
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := k.add(line); err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("read the keys: %w", err))
	}
	if len(k.list) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("there is no key in it: nobody could call"))
	}
	return k, errors.Join(faults...)
}

// add reads one line. Its faults do not repeat it: somebody may have written a key instead of a hash.
func (k *Keys) add(line string) error {
	id, digits, _ := strings.Cut(line, ":")
	if !keyID.MatchString(id) {
		return errors.New("write id:sha256; an id has 1 to 64 of the characters A-Z a-z 0-9 _ . and -")
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != sha256.Size {
		return errors.New("write id:sha256, the hash of the key as 64 hexadecimal digits")
	}
	for _, other := range k.list {
		if other.id == id || other.sum == [sha256.Size]byte(sum) {
			return fmt.Errorf("the id or the key of %s is given twice", id)
		}
	}
	if len(k.list) == KeysMax {
		return fmt.Errorf("there are more than %d keys", KeysMax)
	}
	k.list = append(k.list, keyHash{id, [sha256.Size]byte(sum)})
	return nil
}

// find is the id of the key in the Authorization headers of a request. How long it takes does not depend on the key.
func (k *Keys) find(authorization []string) (id string, ok bool) {
	if len(authorization) != 1 {
		return "", false
	}
	scheme, key, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
	for i := range k.list {
		if subtle.ConstantTimeCompare(k.list[i].sum[:], sum[:]) == 1 {
			id, ok = k.list[i].id, true
		}
	}
	return id, ok
}

// NewKey makes a key for the caller called id, and the line of the keys file that lets it in. The key is to be shown
// once and kept nowhere.
func NewKey(id string, entropy io.Reader) (key, line string, err error) {
	if !keyID.MatchString(id) {
		return "", "", errors.New("an id has 1 to 64 of the characters A-Z a-z 0-9 _ . and -")
	}
	chance := make([]byte, keyBytes)
	if _, err := io.ReadFull(entropy, chance); err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(chance)
	sum := sha256.Sum256([]byte(key))
	return key, id + ":" + hex.EncodeToString(sum[:]), nil
}
