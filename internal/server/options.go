package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/prometheus/client_golang/prometheus"
)

// Defaults of Options.
const (
	WaitMaxDefault      = 60 * time.Second
	BodyBytesMaxDefault = 16 << 20
)

// Bodies opens the bodies that answers brought home.
type Bodies interface {
	OpenBody(record.Body) (io.ReadSeekCloser, error)
}

// Options are what a Server is made of. Kernel, Bodies, Console and Metrics are needed; the rest has defaults.
type Options struct {
	Kernel  *await.Kernel
	Bodies  Bodies
	Console Console
	Metrics *prometheus.Registry // served at /metrics; the metrics of HTTP are registered with it

	// Keys says who may call; nil: everybody.
	Keys *Keys
	// HostsAllowed are the hosts, without port, that a request may name beside localhost and the loopback addresses;
	// nil: any. A server that asks for no keys must name them, even as an empty list: else a web page whose own name
	// was made to resolve to this machine (DNS rebinding) could call it.
	HostsAllowed []string
	// Admit says at submit whether a target may ever be reached, without any look-up; nil: that is left to the
	// attempt. An error of it is not shown to the caller.
	Admit func(*url.URL) error
	// Room is nil, or says that the store has no room for what a call would create (store.ErrFull).
	Room func() error
	// Spare is nil, or says that it has no room even for what is under way.
	Spare func() error
	// Ready is nil, or says why the server cannot take work although its loop turns.
	Ready func() error

	WebhookKey ed25519.PublicKey // that callbacks can be verified with; nil: none

	WaitMax      time.Duration // the longest that an answer is held; 0: WaitMaxDefault
	KeyTTL       time.Duration // how long an idempotency key is kept; 0: KeyTTLDefault
	BodyBytesMax int64         // the highest max_bytes of a fetch; 0: BodyBytesMaxDefault

	Log     *slog.Logger     // nil: silence
	Entropy io.Reader        // of ids; nil: the system's. It is read under a lock
	Now     func() time.Time // the wall clock; nil: the system's. Called by several goroutines
}

func (o *Options) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("server: "+what))
		}
	}
	need(o.Kernel != nil, "no kernel given")
	need(o.Bodies != nil, "no store of bodies given")
	need(o.Console != nil, "no console given")
	need(o.Metrics != nil, "no registry of metrics given")
	need(o.WaitMax >= 0, fmt.Sprintf("WaitMax is %v, must not be negative", o.WaitMax))
	need(o.KeyTTL >= 0, fmt.Sprintf("KeyTTL is %v, must not be negative", o.KeyTTL))
	need(o.BodyBytesMax >= 0, fmt.Sprintf("BodyBytesMax is %d, must not be negative", o.BodyBytesMax))
	return errors.Join(faults...)
}

func (o *Options) fillIn() {
	if o.WaitMax == 0 {
		o.WaitMax = WaitMaxDefault
	}
	if o.BodyBytesMax == 0 {
		o.BodyBytesMax = BodyBytesMaxDefault
	}
	if o.KeyTTL == 0 {
		o.KeyTTL = KeyTTLDefault
	}
	if o.Room == nil {
		o.Room = func() error { return nil }
	}
	if o.Spare == nil {
		o.Spare = func() error { return nil }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Admit == nil {
		o.Admit = func(*url.URL) error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}
