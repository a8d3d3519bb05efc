package fetch

import (
	"net/netip"
	"slices"
	"testing"
)

// The goal: a single label is found in the hosts file, where localhost stands, and asks no DNS there.
func TestASingleLabelIsLookedForInTheHostsFile(t *testing.T) {
	s := newSystem()
	s.dns = s.file // no DNS at all
	addrs, err := s.LookupNetIP(t.Context(), "ip", "localhost.")
	for i, addr := range addrs {
		addrs[i] = addr.Unmap()
	}
	if err != nil || !slices.ContainsFunc(addrs, netip.Addr.IsLoopback) {
		t.Errorf("localhost: %v %v", addrs, err)
	}
	for _, name := range []string{"no-such-label.", "no-such.example."} {
		if addrs, err := s.LookupNetIP(t.Context(), "ip", name); err == nil {
			t.Errorf("%s: %v", name, addrs)
		}
	}
}
