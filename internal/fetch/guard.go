package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of a look-up.
const (
	LookupTimeMax    = 3 * time.Second
	LookupAnswersMax = 32
)

// portsOpen are the ports of any public target.
var portsOpen = []uint16{80, 443, 8080, 8443}

// namesInside are the names, and the ends of names, that mean something only inside a network.
var namesInside = []string{
	localhost, "local", "internal", "lan", "intranet", "corp", "home.arpa", "localdomain", "svc", "cluster.local",
	"onion",
}

// localhost is the one name inside that need not be listed, see AllowTargets.
const localhost = "localhost"

// Refusal says that a target is not allowed. To the caller every refusal reads the same, so that nobody can map
// the network behind the service; Reason is for the operator's log and holds names and addresses.
type Refusal struct{ Reason string }

// Error is the one text of all refusals.
func (*Refusal) Error() string { return "The target is not allowed." }

// GuardOptions are the settings of a Guard.
type GuardOptions struct {
	// AllowTargets opens what is refused otherwise. Each entry is one of
	//   10.0.0.0/8, fd00::/8          all addresses of a network, on all ports;
	//   127.0.0.1, ::1                one address, on all ports;
	//   127.0.0.1:9000, [::1]:9000    one address, on that port;
	//   db.internal, api:9000         a host by name, on all ports or on that one, at whatever address it
	//                                 resolves to: the operator vouches for its DNS.
	// A name of the inside (a single label, *.internal, …) needs an entry by name. The exception is localhost and
	// the names under it: they are allowed when each address they resolve to is opened by an entry with an
	// address, so 127.0.0.1/32 allows http://localhost:9000/ where localhost is 127.0.0.1 alone.
	// An opened target is reached on its opened ports only, a public one on 80, 443, 8080 and 8443 as well.
	AllowTargets []string
	// DeniedTargets are our own listeners and those of the store. They are refused unless an entry of
	// AllowTargets names them with their port. The unspecified address stands for all of this machine.
	DeniedTargets []netip.AddrPort
	// ReportOnly lets fetches reach what is refused, and has each attempt that does say so in the log. How a URL may be
	// spelt, and that a socket reaches what was looked up, stays as it is.
	ReportOnly bool
	// Resolver is nil for Go's own with the system's settings.
	Resolver Resolver
}

// Guard decides which targets may be reached. It is immutable and may be used by any goroutine. One policy is one
// Guard with one transport: a pooled connection would carry one tenant into another's target.
type Guard struct {
	openings   []opening
	denied     []netip.AddrPort
	reportOnly bool
	resolver   Resolver
}

// NewGuard reports all faults of o together.
func NewGuard(o GuardOptions) (*Guard, error) {
	g := &Guard{denied: o.DeniedTargets, reportOnly: o.ReportOnly, resolver: o.Resolver}
	if g.resolver == nil {
		g.resolver = newSystem()
	}
	var faults []error
	for _, s := range o.AllowTargets {
		opened, err := parseOpening(s)
		if err != nil {
			faults = append(faults, fmt.Errorf("allow-target %q: %w", s, err))
		}
		g.openings = append(g.openings, opened)
	}
	for _, pair := range o.DeniedTargets {
		if !pair.IsValid() || pair.Port() == 0 {
			faults = append(faults, fmt.Errorf("denied target %q: an address and a port are needed", pair))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return g, nil
}

// Admit says without any look-up whether u may ever be reached; the error is a *Refusal, or the fault of its
// spelling. nil is no promise: the addresses of a name are judged when it is dialled.
func (g *Guard) Admit(u *url.URL) error {
	t, err := parseTarget(u.String())
	if err != nil {
		return err
	}
	return g.weigh(context.Background(), g.admit(t))
}

func (g *Guard) admit(t target) *Refusal {
	if t.addr.IsValid() {
		return g.judge("", t.addr, t.port)
	}
	return cmp.Or(g.admitName(t), g.admitPort(t))
}

func (g *Guard) admitName(t target) *Refusal {
	if !isInside(t.name) || g.opened(t.name, netip.Addr{}, t.port) || isLocalhost(t.name) && g.undecided(t.port) {
		return nil
	}
	return &Refusal{fmt.Sprintf("the name %s is one of the inside and not listed", t.name)}
}

func (g *Guard) admitPort(t target) *Refusal {
	if slices.Contains(portsOpen, t.port) || g.opened(t.name, t.addr, t.port) || g.undecided(t.port) {
		return nil
	}
	return &Refusal{fmt.Sprintf("port %d of %s is not open", t.port, cmp.Or(t.name, t.addr.String()))}
}

// undecided reports whether an address that a name resolves to can still open localhost, or the port of any name.
func (g *Guard) undecided(port uint16) bool {
	return slices.ContainsFunc(g.openings, func(o opening) bool {
		return o.network.IsValid() && (o.port == 0 || o.port == port)
	})
}

// opened reports whether the operator opened this target.
func (g *Guard) opened(name string, addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(g.openings, func(o opening) bool { return o.opens(name, addr, port) })
}

// judge decides about one address, reached under name (empty for a URL with an address). It is asked before a
// dial and again by the socket.
func (g *Guard) judge(name string, addr netip.Addr, port uint16) *Refusal {
	if !addr.IsValid() || addr.Zone() != "" {
		return &Refusal{fmt.Sprintf("%s leads to %q, which is no plain address", name, addr)}
	}
	addr = addr.Unmap()
	reason := func(why string) *Refusal {
		return &Refusal{strings.TrimSpace(fmt.Sprintf("%s %s: %s", name, netip.AddrPortFrom(addr, port), why))}
	}
	if g.isOwn(addr, port) && !g.named(name, addr, port) {
		return reason("a listener of this service or of its store")
	}
	// An opened address does not open a name of the inside for it: localhost alone is judged by its addresses.
	inside := isInside(name) && !g.opened(name, netip.Addr{}, port)
	opened := g.opened(name, addr, port)
	if inside && !(opened && isLocalhost(name)) {
		return reason("a name of the inside, not listed")
	}
	if !opened {
		if !slices.Contains(portsOpen, port) {
			return reason("the port is not open")
		}
		if err := checkAddress(addr); err != nil {
			return reason(err.Error())
		}
	}
	if inner, ok := embeddedIPv4(addr); ok {
		return g.judge(name, inner, port)
	}
	return nil
}

// resolve gives the addresses of a target, each of them allowed, at least one. A single refused answer refuses
// the whole name: picking the good ones of a mixed answer would hide the refusal behind a dial error, which is
// tried again until the name answers differently.
func (g *Guard) resolve(ctx context.Context, host string, port uint16) ([]netip.Addr, error) {
	name := host
	addrs := make([]netip.Addr, 1)
	var err error
	if addrs[0], err = netip.ParseAddr(host); err == nil {
		name = ""
	} else if addrs, err = g.lookUp(ctx, host); err != nil {
		return nil, err
	}
	if len(addrs) > LookupAnswersMax {
		many := &Refusal{fmt.Sprintf("%s has %d addresses", host, len(addrs))}
		if err := g.weigh(ctx, many); err != nil {
			return nil, err
		}
	}
	for i, addr := range addrs {
		if err := g.weigh(ctx, g.judge(name, addr, port)); err != nil {
			return nil, err
		}
		addrs[i] = addr.Unmap()
	}
	return addrs, nil
}

// lookUp asks for all addresses of a name, as an absolute one. Its errors are *failure.
func (g *Guard) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, LookupTimeMax)
	defer cancel()
	addrs, err := g.resolver.LookupNetIP(ctx, "ip", host+".")
	if err == nil && len(addrs) == 0 {
		err = errNoAddress
	}
	if err != nil {
		return nil, dnsFailure(err)
	}
	return slices.Clone(addrs), nil
}

// weigh notes a refusal in the verdict of ctx, and gives what it amounts to: nothing where refusals are only reported.
func (g *Guard) weigh(ctx context.Context, refusal *Refusal) error {
	switch v := verdictOf(ctx); {
	case refusal == nil:
		return nil
	case g.reportOnly:
		v.reported.CompareAndSwap(nil, refusal)
		return nil
	default:
		v.refusal.CompareAndSwap(nil, refusal)
		return refusal
	}
}

// isOwn reports whether a connection to addr and port would end at one of the denied targets.
func (g *Guard) isOwn(addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(g.denied, func(d netip.AddrPort) bool {
		if d.Port() != port {
			return false
		}
		own := d.Addr().Unmap()
		// Dialling the unspecified address reaches this machine; listening on it means all its addresses.
		return own == addr || addr.IsUnspecified() || own.IsUnspecified() && isThisMachine(addr)
	})
}

// isThisMachine asks the system anew each time: interfaces come and go. It is asked only about connections to a
// port of our own. When the system does not answer, the address is taken for ours.
func isThisMachine(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(interfaces, func(a net.Addr) bool {
		network, err := netip.ParsePrefix(a.String())
		return err != nil || network.Addr().Unmap().WithZone("") == addr
	})
}

// named reports whether an entry of AllowTargets names this one target with its port.
func (g *Guard) named(name string, addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(g.openings, func(o opening) bool {
		return o.port != 0 && o.opens(name, addr, port) // a network has no port
	})
}

// isInside reports whether name means something only inside a network: a single label, or one of namesInside.
func isInside(name string) bool {
	if name == "" {
		return false
	}
	return !strings.Contains(name, ".") ||
		slices.ContainsFunc(namesInside, func(end string) bool { return under(name, end) })
}

func isLocalhost(name string) bool { return under(name, localhost) }

// under reports whether name is end or a name below it.
func under(name, end string) bool {
	return name == end || strings.HasSuffix(name, end) && name[len(name)-len(end)-1] == '.'
}
