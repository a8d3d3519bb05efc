package record

import (
	"errors"
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// full fills every field of v with a non-zero value, so that a field forgotten in the encoding cannot survive.
func full(v reflect.Value, rnd *rand.Rand) {
	if v.Type() == reflect.TypeFor[Packed]() {
		var r Request
		full(reflect.ValueOf(&r).Elem(), rnd)
		v.SetString(string(r.Pack()))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		full(v.Elem(), rnd)
	case reflect.Struct:
		for i := range v.NumField() {
			full(v.Field(i), rnd)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rnd.Intn(3), 3))
		for i := range v.Len() {
			full(v.Index(i), rnd)
		}
	case reflect.String:
		v.SetString(string(rune('a'+rnd.Intn(26))) + "…")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1 + uint64(rnd.Intn(200)))
	default:
		v.SetInt(1 + rnd.Int63n(1<<40))
	}
}

// What is stored is what comes back: every field of every fact, whatever it holds.
func TestEveryFieldOfAFactSurvivesEncoding(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for range 200 {
		var f Future
		full(reflect.ValueOf(&f).Elem(), rnd)
		got, err := DecodeFuture(EncodeFuture(&f))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&f, got); diff != "" {
			t.Fatalf("future changed (-stored +read):\n%s", diff)
		}
		var key Key
		full(reflect.ValueOf(&key).Elem(), rnd)
		again, err := DecodeKey(AppendKey(nil, &key))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&key, again); diff != "" {
			t.Fatalf("key changed (-stored +read):\n%s", diff)
		}
		var limit Limit
		full(reflect.ValueOf(&limit).Elem(), rnd)
		same, err := DecodeLimit(AppendLimit(nil, &limit))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&limit, same); diff != "" {
			t.Fatalf("limit changed (-stored +read):\n%s", diff)
		}
		var leaf Leaf
		full(reflect.ValueOf(&leaf).Elem(), rnd)
		decided, err := DecodeLeaf(AppendLeaf(nil, &leaf))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&leaf, decided); diff != "" {
			t.Fatalf("leaf changed (-stored +read):\n%s", diff)
		}
		var group Group
		full(reflect.ValueOf(&group).Elem(), rnd)
		kept, err := DecodeGroup(AppendGroup(nil, &group))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&group, kept); diff != "" {
			t.Fatalf("group changed (-stored +read):\n%s", diff)
		}
		var ev Event
		full(reflect.ValueOf(&ev).Elem(), rnd)
		back, err := DecodeEvent(EncodeEvent(&ev))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&ev, back); diff != "" {
			t.Fatalf("event changed (-stored +read):\n%s", diff)
		}
	}
}

// A fact with nothing set, and one whose body is present but empty, are told apart.
func TestAbsentAndEmptyStayDifferent(t *testing.T) {
	for _, f := range []*Future{
		{},
		{Result: &Result{Body: Body{Inline: []byte{}}}},
		{Result: &Result{}},
		{Request: (&Request{Headers: []Header{{Name: "X-Empty", Values: []string{""}}}}).Pack()},
	} {
		got, err := DecodeFuture(EncodeFuture(f))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Errorf("(-stored +read):\n%s", diff)
		}
	}
}

// No single damaged bit of a stored fact goes unnoticed.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	stored := EncodeFuture(
		&Future{ID: "fut_1", Kind: KindFetch, Request: (&Request{Method: "GET", URL: "http://a.example/"}).Pack()},
	)
	for i := range stored {
		for bit := range 8 {
			damaged := append([]byte(nil), stored...)
			damaged[i] ^= 1 << bit
			if _, err := DecodeFuture(damaged); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("byte %d bit %d: err = %v, want ErrCorrupt", i, bit, err)
			}
		}
	}
	for n := range stored {
		if _, err := DecodeFuture(stored[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d bytes: err = %v, want ErrCorrupt", n, err)
		}
	}
}

// Bytes of a newer version (another version byte, or a field this one does not know) are refused, not skipped.
func TestBytesOfANewerVersionAreRefused(t *testing.T) {
	versioned := seal(nil, func(e *encoder) { (*e)[0] = FormatVersion + 1 })
	if _, err := DecodeEvent(versioned); !errors.Is(err, ErrVersion) {
		t.Errorf("version byte: err = %v, want ErrVersion", err)
	}
	for name, write := range map[string]func(*encoder){
		"top":    func(e *encoder) { e.uint(999, 1) },
		"nested": func(e *encoder) { e.message(16, func(e *encoder) { e.uint(999, 1) }) },
		"usual":  func(e *encoder) { e.message(16, func(e *encoder) { e.uint(requestUsual, uint64(usualEnd)) }) },
		"header": func(e *encoder) {
			e.message(16, func(e *encoder) { e.message(3, func(e *encoder) { e.uint(3, uint64(len(headerNames))) }) })
		},
	} {
		if _, err := DecodeFuture(seal(nil, write)); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: err = %v, want ErrVersion", name, err)
		}
	}
	fixed := seal(nil, func(e *encoder) { *e = protowire.AppendTag(*e, 1, protowire.Fixed32Type) })
	if _, err := DecodeFuture(fixed); !errors.Is(err, ErrCorrupt) {
		t.Errorf("unknown wire type: err = %v, want ErrCorrupt", err)
	}
}

// Decoding never panics, whatever lies under a valid checksum.
func TestDecodingNeverPanics(t *testing.T) {
	check := func(garbage []byte) bool {
		b := seal(nil, func(e *encoder) { *e = append(*e, garbage...) })
		_, _ = DecodeFuture(b)
		_, _ = DecodeEvent(b)
		_, _ = DecodeLimit(b)
		return true
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 5000}); err != nil {
		t.Fatal(err)
	}
}

// Adding a positive duration always moves time: a 1 ns delay is 1 ms, not nothing.
func TestTimeRoundsUp(t *testing.T) {
	start := TimeOf(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	moved := map[time.Duration]Time{0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Hour: 3_600_000}
	for d, want := range moved {
		if got := start.Add(d) - start; got != want {
			t.Errorf("Add(%v) moved %d ms, want %d", d, got, want)
		}
	}
	if got := start.Add(time.Minute).Sub(start); got != time.Minute {
		t.Errorf("Sub = %v", got)
	}
	if !Time(0).Time().IsZero() || TimeOf(start.Time()) != start {
		t.Error("Time and TimeOf do not undo each other")
	}
}
