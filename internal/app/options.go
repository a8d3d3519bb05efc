package app

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/webhook"
)

// Options are the settings of a server. Flag, environment variable (AWAITD_…) and field share a name; the tags say
// meaning and default, and a command line reads them. All faults are reported together by New.
type Options struct {
	Addr           string `default:"127.0.0.1:8080" help:"Listen here. Port 0 takes a free one. Without --api-keys-file only a loopback address is taken."`
	APIKeysFile    string `placeholder:"FILE" type:"path" help:"Ask every caller for a key. One id:sha256-of-key a line; 'awaitd key new' makes one."`
	InsecureListen bool   `help:"Listen on any address without keys. Whoever reaches it may fetch, read and cancel everything: for a closed network only."`

	DataDir string `default:"./awaitd-data" type:"path" help:"Keep everything in this directory: what was answered survives a crash and a power failure."`
	Sync    bool   `default:"true" negatable:"" help:"Wait for the disk before each answer. Without it (--sync=false) a crash may take back the last tenth of a second."`
	Memory  bool   `help:"Keep everything in memory and lose it at the end, instead of in --data-dir."`

	AllowTarget      []string      `placeholder:"TARGET" help:"Let fetches reach this too: a CIDR, an address, a host name, or one of these with a port. Repeatable. Nothing private is reachable without it."`
	EgressReportOnly bool          `help:"Fetch from targets that the rules refuse, too, and log what they would have been refused for. For moving an installation to the rules; until then it is open to its whole network."`
	Workers          int           `default:"256" help:"Attempts under way at once. Further fetches queue, hosts taking turns."`
	HostConcurrency  int           `default:"0" help:"Attempts under way at one host at once. 0 is half of --workers, so that a host that hangs leaves the others theirs."`
	WebhookSecret    []string      `placeholder:"whsec_…" help:"Sign callbacks with this secret: whsec_ and 24 to 64 bytes in base64. Repeatable, so that one can replace another. Without it a secret is made at the first start, kept in the data directory and shown once, in the log."`
	MaxWait          time.Duration `default:"60s" help:"Longest time that a caller is held. Longer wishes are clipped."`
	MaxBody          Bytes         `default:"16MiB" help:"Longest answer of a target that is kept. Longer ones fail with too_large."`
	FutureTTL        time.Duration `default:"24h" help:"How long a settled future is kept when its submit does not say."`
	EventTTL         time.Duration `default:"24h" help:"How long an event is remembered that is not set and not waited for."`
	IdempotencyTTL   time.Duration `default:"24h" help:"How long an Idempotency-Key is remembered."`
	MaxPending       int           `default:"1000000" help:"Futures that are not settled. More are refused with 429."`
	MaxWaiters       int           `default:"100000" help:"Callers held at once. More are refused with 429."`
	Grace            time.Duration `default:"10s" help:"After SIGTERM, time for running attempts to end."`

	MaxMemory       Bytes `default:"1GiB" help:"With --memory: bytes that are kept, answers of targets included. Near that, new work is refused with 507."`
	MaxPendingBytes Bytes `default:"1GiB" help:"Bytes that the requests of pending futures may take. More are refused with 429."`

	LogLevel  slog.Level `default:"info" help:"Log from this level on: debug, info, warn or error."`
	LogFormat string     `default:"auto" enum:"auto,text,json" help:"How to log: ${enum}. auto is text for a terminal, else json."`
	Debug     bool       `help:"Check that only the loop touches what is the loop's, and time every callback. Costs about a microsecond a call."`

	Version string `kong:"-"` // of the program, for User-Agent and the metrics
}

// Bytes is a size. As text it is a number with an optional unit: B, KiB, MiB, GiB (or k, M, G for the same).
type Bytes int64

var bytesText = regexp.MustCompile(`^(\d+)\s*(?i:(b|k|kib|m|mib|g|gib)?)$`)

// UnmarshalText reads "16MiB" and the like.
func (b *Bytes) UnmarshalText(text []byte) error {
	m := bytesText.FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("%q is no size: write a number and B, KiB, MiB or GiB, such as 16MiB", text)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	name := strings.TrimSuffix(strings.ToLower(m[2]), "ib")
	unit := map[string]int64{"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[name]
	if err != nil || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is too large a size", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// bodyBytesMost is the largest MaxBody that makes sense while answers pass through memory.
const bodyBytesMost = 1 << 30

func (o *Options) validate() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	need(o.Memory || o.DataDir != "", "--data-dir is empty: name a directory, or say --memory")
	need(o.Workers >= 1 && o.Workers <= 100_000, "--workers is %d, must be from 1 to 100000", o.Workers)
	need(o.HostConcurrency >= 0, "--host-concurrency is %d, must be 0 or more", o.HostConcurrency)
	need(o.MaxWait > 0 && o.MaxWait <= time.Hour, "--max-wait is %v, must be more than 0 and at most 1h", o.MaxWait)
	need(o.MaxBody > 0 && o.MaxBody <= bodyBytesMost, "--max-body is %d bytes, must be from 1B to 1GiB", o.MaxBody)
	need(o.FutureTTL > 0, "--future-ttl is %v, must be more than 0", o.FutureTTL)
	need(o.EventTTL > 0, "--event-ttl is %v, must be more than 0", o.EventTTL)
	need(o.IdempotencyTTL > 0, "--idempotency-ttl is %v, must be more than 0", o.IdempotencyTTL)
	need(o.MaxPending >= 1, "--max-pending is %d, must be at least 1", o.MaxPending)
	need(o.MaxMemory >= 1<<20, "--max-memory is %d bytes, must be at least 1MiB", o.MaxMemory)
	need(o.MaxPendingBytes >= 1, "--max-pending-bytes is %d, must be at least 1B", o.MaxPendingBytes)
	need(o.MaxWaiters >= 1, "--max-waiters is %d, must be at least 1", o.MaxWaiters)
	need(o.Grace >= 0 && o.Grace <= time.Hour, "--grace is %v, must be from 0s to 1h", o.Grace)
	for _, secret := range o.WebhookSecret {
		if _, err := webhook.ParseSecret(secret); err != nil {
			faults = append(faults, fmt.Errorf("--webhook-secret: %w", err))
		}
	}
	if err := o.validateAddr(); err != nil {
		faults = append(faults, err)
	}
	if _, err := fetch.NewGuard(fetch.GuardOptions{AllowTargets: o.AllowTarget}); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// validateAddr refuses to be open to a network without asking who calls.
func (o *Options) validateAddr() error {
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return fmt.Errorf("--addr is %q: write HOST:PORT, such as 127.0.0.1:8080", o.Addr)
	}
	if o.APIKeysFile != "" || o.InsecureListen || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("--addr is %s, which others can reach, but there are no keys: whoever reaches it could fetch "+
		"from inside your network. Give --api-keys-file (see 'awaitd key new'), or listen on 127.0.0.1, or, in a "+
		"closed network, say --insecure-listen", o.Addr)
}

// isLoopback reports whether nobody but this machine can reach host.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
