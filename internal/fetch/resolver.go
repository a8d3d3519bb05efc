package fetch

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// Resolver looks names up; *net.Resolver is one. host ends in a dot: no search domain applies.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// system is Go's own resolver, which reads no spelling of an address that net/netip does not. Its hosts file knows
// a single label, such as localhost, only without the dot, and without the dot search domains would apply in the
// DNS. So such a name is looked for in the file alone first.
type system struct{ dns, file *net.Resolver }

func newSystem() *system {
	noDNS := func(context.Context, string, string) (net.Conn, error) { return nil, errNoAddress }
	return &system{dns: &net.Resolver{PreferGo: true}, file: &net.Resolver{PreferGo: true, Dial: noDNS}}
}

func (s *system) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if label := strings.TrimSuffix(host, "."); !strings.Contains(label, ".") {
		if addrs, err := s.file.LookupNetIP(ctx, network, label); err == nil {
			return addrs, nil
		}
	}
	return s.dns.LookupNetIP(ctx, network, host)
}
