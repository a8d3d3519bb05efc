package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

func sumOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// What NewKey makes is let in by its line, and by no other.
func TestANewKeyIsLetInByItsLine(t *testing.T) {
	key, line, err := NewKey("ci", strings.NewReader(strings.Repeat("x", keyBytes)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "awk_") || len(key) != 4+43 {
		t.Errorf("key %q", key)
	}
	keys, err := ReadKeys(strings.NewReader("# who may call\n\n" + line + "\nother:" + sumOf("awk_other") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := keys.find([]string{"Bearer " + key}); !ok || id != "ci" {
		t.Errorf("found %q, %v", id, ok)
	}
	if id, ok := keys.find([]string{"Bearer awk_other"}); !ok || id != "other" {
		t.Errorf("found %q, %v", id, ok)
	}
	if _, ok := keys.find([]string{"Bearer " + key + "x"}); ok {
		t.Error("a longer key is let in")
	}
}

// A key is as random as its source; a source that ends makes none.
func TestANewKeyNeedsAnIDAndEnoughChance(t *testing.T) {
	if _, _, err := NewKey("", strings.NewReader(strings.Repeat("x", 100))); err == nil {
		t.Error("a key without an id")
	}
	if _, _, err := NewKey("a:b", strings.NewReader(strings.Repeat("x", 100))); err == nil {
		t.Error("an id with a colon")
	}
	if _, _, err := NewKey("ci", strings.NewReader("too short")); err == nil {
		t.Error("a key of nine bytes")
	}
}

// All faults of a keys file come at once, each with its line, and none repeats what may be a key.
func TestAKeysFileNamesTheLinesOfItsFaults(t *testing.T) {
	good := sumOf("a")
	_, err := ReadKeys(strings.NewReader(strings.Join([]string{
		"good:" + good,
		"awk_a-key-in-clear-text",
		"short:abcd",
		"bad id:" + good,
		"good:" + sumOf("b"),
		"same:" + good,
	}, "\n")))
	if err == nil {
		t.Fatal("no error")
	}
	for n, part := range map[int]string{
		2: "write id:sha256", 3: "64 hexadecimal", 4: "an id has", 5: "twice", 6: "twice",
	} {
		if want := fmt.Sprintf("line %d: ", n); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nlacks %q with %q", err, want, part)
		}
	}
	if strings.Contains(err.Error(), "clear-text") {
		t.Errorf("the error repeats a key: %v", err)
	}
}

// A file that lets nobody in, or cannot be read, is a fault and not an open door.
func TestAKeysFileWithoutKeysIsAFault(t *testing.T) {
	if _, err := ReadKeys(strings.NewReader("# nothing\n\n")); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("error %v", err)
	}
	broken := errors.New("broken")
	if _, err := ReadKeys(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	var many strings.Builder
	for i := range KeysMax + 1 {
		fmt.Fprintf(&many, "id%d:%s\n", i, sumOf(fmt.Sprint(i)))
	}
	if _, err := ReadKeys(strings.NewReader(many.String())); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

// Without keys everybody is nobody.
func TestThePrincipalOfNobodyIsEmpty(t *testing.T) {
	if got := PrincipalOf(context.Background()); got.ID != "" {
		t.Errorf("principal %q", got.ID)
	}
}
