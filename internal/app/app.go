package app

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/console"
	"github.com/awaitd/awaitd/internal/fetch"
	"github.com/awaitd/awaitd/internal/loop"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/sequence"
	"github.com/awaitd/awaitd/internal/server"
	"github.com/awaitd/awaitd/internal/store"
	"github.com/awaitd/awaitd/internal/webhook"
)

// App is one server. Several can live in one process: each has its own loop, registry and listener.
type App struct {
	options  Options
	log      *slog.Logger
	keys     *server.Keys // nil: nobody is asked for one
	listener net.Listener
	store    *store.Store
	guard    *fetch.Guard
	fetcher  *fetch.Fetcher
	kernel   *await.Kernel
	signer   *webhook.Signer
	server   *server.Server
	http     *http.Server
	gate     gate
	closers  []closer
}

// closer undoes one step of New.
type closer struct {
	name  string
	close func() error
}

// New checks the options, reporting all faults together, and builds the server up to its listener: Addr says where
// it will answer. Nothing runs yet. Close it if Run is never called.
func New(o Options, log *slog.Logger) (*App, error) {
	keys, err := readKeys(o.APIKeysFile)
	if err := errors.Join(o.validate(), err); err != nil {
		return nil, err
	}
	a := &App{options: o, log: log, keys: keys}
	if err := a.build(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) build() (err error) {
	a.listener, err = net.Listen("tcp", a.options.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", a.options.Addr, err)
	}
	a.onClose("listener", func() error {
		if err := a.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	registry := newRegistry(a.options.Version)
	if err = a.openStore(); err != nil {
		return err
	}
	a.onClose("store", a.store.Close)
	position, err := a.store.Position()
	if err != nil {
		return err
	}
	if err = a.buildSigner(); err != nil {
		return err
	}
	if err = a.buildFetcher(); err != nil {
		return err
	}
	a.onClose("fetcher", func() error { return a.fetcher.Close(context.Background()) })
	limits := await.DefaultLimits()
	limits.WorkersMax = a.options.Workers
	if limits.HostAttemptsMax = a.options.HostConcurrency; limits.HostAttemptsMax == 0 {
		limits.HostAttemptsMax = (limits.WorkersMax + 1) / 2
	}
	limits.FuturesPendingMax = a.options.MaxPending
	limits.PendingBytesMax = int64(a.options.MaxPendingBytes)
	limits.WaitersMax = a.options.MaxWaiters
	limits.TTLDefault = a.options.FutureTTL
	limits.EventTTL = a.options.EventTTL
	clock := loop.NewClock()
	a.kernel, err = await.New(await.Options{
		Limits: limits, Store: a.store, Sequencer: sequence.NewLocal(position), Fetcher: a.fetcher,
		Clock: clock, Wall: time.Now().Add(-clock.Now()), Metrics: registry, Log: a.log, Debug: a.options.Debug,
	})
	if err != nil {
		return err
	}
	a.onClose("loop", a.kernel.Close)
	return a.buildServer(registry)
}

func (a *App) openStore() (err error) {
	if a.options.Memory {
		a.store = store.OpenMemoryWithin(int64(a.options.MaxMemory))
		return nil
	}
	a.store, err = store.Open(store.Options{Dir: a.options.DataDir, Sync: a.options.Sync, Log: a.log})
	return err
}

func (a *App) onClose(name string, f func() error) { a.closers = append(a.closers, closer{name, f}) }

// newRegistry is the registry of one server, with what is true of the process.
func newRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "awaitd_build_info", Help: "Always 1; the version is in the label.",
	}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	registry.MustRegister(build, collectors.NewGoCollector(), process)
	return registry
}

func (a *App) buildFetcher() (err error) {
	a.guard, err = fetch.NewGuard(fetch.GuardOptions{
		AllowTargets:  a.options.AllowTarget,
		DeniedTargets: []netip.AddrPort{a.listener.Addr().(*net.TCPAddr).AddrPort()},
		ReportOnly:    a.options.EgressReportOnly,
	})
	if err != nil {
		return err
	}
	a.fetcher, err = fetch.New(fetch.Options{
		WorkersMax: a.options.Workers,
		Guard:      a.guard,
		UserAgent:  "awaitd/" + a.options.Version,
		Bodies:     bodies{a.store},
		Done:       func(o *record.Outcome) { a.kernel.Outcome(o) },
		Rand:       random,
		Now:        func() time.Time { return a.kernel.Wall() },
		Compose:    a.compose,
		Log:        a.log,
	})
	return err
}

// random is 64 bits of the system's randomness.
func random() uint64 {
	var b [8]byte
	_, _ = crand.Read(b[:]) // it never fails
	return binary.LittleEndian.Uint64(b[:])
}

// bodies is the store as the fetcher sees it.
type bodies struct{ store *store.Store }

func (b bodies) Create() (fetch.BodyWriter, error) { return b.store.NewBody() }

func (a *App) buildServer(registry *prometheus.Registry) error {
	var hosts []string
	if a.keys == nil && !a.options.InsecureListen {
		hosts = []string{}
	}
	var err error
	a.server, err = server.New(server.Options{
		Kernel: a.kernel, Bodies: a.store, Metrics: registry, Keys: a.keys, HostsAllowed: hosts,
		Now: a.kernel.Wall, Admit: a.guard.Admit,
		Room: a.store.Room, Ready: a.writable, Spare: a.store.Spare, WaitMax: a.options.MaxWait,
		WebhookKey:   a.signer.Public(),
		KeyTTL:       a.options.IdempotencyTTL,
		BodyBytesMax: int64(a.options.MaxBody), Console: console.New(), Log: a.log,
	})
	if err != nil {
		return err
	}
	a.http = a.server.HTTPServer()
	a.gate.next = a.http.Handler
	a.http.Handler = &a.gate
	return nil
}

// writable says why the server cannot take work: its store writes no more, and the process is about to end.
func (a *App) writable() error {
	select {
	case <-a.store.Failed():
		return errStoreFailed
	default:
		return nil
	}
}

var errStoreFailed = errors.New("the store cannot write any more")

// readKeys reads the keys file; without one there are no keys.
func readKeys(path string) (*server.Keys, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the keys file: %w", err)
	}
	defer func() { _ = file.Close() }()
	keys, err := server.ReadKeys(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return keys, nil
}

// Addr is where the server answers, its port known.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Run serves until ctx is done, then drains and closes: whoever is held is answered at once, running attempts get
// the grace time. It returns nil after an ordered end, and the reason when the loop or the listener failed.
func (a *App) Run(ctx context.Context) error {
	serving := make(chan error, 1)
	go func() { serving <- a.http.Serve(a.listener) }()
	if err := a.recover(); err != nil {
		_ = a.http.Close()
		return errors.Join(err, a.Close())
	}
	TuneCollector()
	turning := make(chan error, 1)
	go func() { turning <- a.kernel.Run() }()
	a.gate.open.Store(true)
	a.greet()

	var err error
	turns := true
	select {
	case <-ctx.Done():
		a.log.Info("draining", "grace", a.options.Grace)
	case err = <-turning:
		turns = false
		a.log.Error("the loop ended", "error", err)
	case err = <-serving:
		a.log.Error("the listener ended", "error", err)
	case <-a.store.Failed():
		err = errStoreFailed
		a.log.Error("the server ends", "error", err)
	}
	a.drain(turns)
	if turns {
		a.kernel.Finish() // the outcomes of the last attempts may be on their way to the disk
		err = errors.Join(err, <-turning)
	}
	err = errors.Join(err, a.Close())
	a.log.Info("ended")
	return err
}

// answersGrace is the least time for answers that are being written, however short the grace time is.
const answersGrace = time.Second

// drain answers whoever is held, and lets running attempts end within the grace time. Until then the server still
// answers: readers learn what became of those attempts, and whoever brings new work that this server takes none.
func (a *App) drain(turns bool) {
	grace, cancel := context.WithTimeout(context.Background(), a.options.Grace)
	defer cancel()
	if turns {
		if err := a.kernel.Drain(grace); err != nil {
			a.log.Warn("drain", "error", err)
		}
	}
	if err := a.fetcher.Close(grace); err != nil {
		a.log.Warn("attempts were cut at the end of the grace time", "error", err)
	}
	answers, cancel := context.WithTimeout(context.Background(), max(a.options.Grace, answersGrace))
	defer cancel()
	if err := a.http.Shutdown(answers); err != nil {
		a.log.Warn("connections were cut at the end of the grace time", "error", err)
		_ = a.http.Close()
	}
}

// Close undoes New, last first. Run calls it; so does who never runs.
func (a *App) Close() error {
	var faults []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i].close(); err != nil {
			faults = append(faults, fmt.Errorf("close %s: %w", a.closers[i].name, err))
		}
	}
	a.closers = nil
	return errors.Join(faults...)
}

// greet says what a new operator must know.
func (a *App) greet() {
	a.log.Info("listening", "url", "http://"+a.Addr().String(), "version", a.options.Version)
	switch {
	case a.options.Memory:
		a.log.Warn("everything is kept in memory: it is lost when this process ends")
	case !a.options.Sync:
		a.log.Warn("commits do not wait for the disk: a crash may take back the last tenth of a second")
	}
	if a.options.EgressReportOnly {
		a.log.Warn("targets that the rules refuse are fetched from all the same, and only reported here")
	}
	if a.options.APIKeysFile == "" && a.options.InsecureListen {
		a.log.Warn("no keys are asked for: whoever reaches this address may fetch, read and cancel everything")
	}
}
