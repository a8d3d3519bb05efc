package fetch

import (
	"net/netip"

	"code.dny.dev/ssrf"
)

// table judges addresses. IPv6 is denied by default outside 2000::/3; IPv4 is allowed outside the registry of
// special-purpose addresses. Of 102 addresses that must be refused the library alone let two networks through,
// which are added here.
var table = ssrf.New(
	ssrf.WithAnyPort(),
	ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")), // a cloud's host agent, in public space
	ssrf.WithDeniedV6Prefixes(netip.MustParsePrefix("3ffe::/16")),        // the 6bone, returned (RFC 3701)
)

// checkAddress refuses every address that is not ordinary public unicast; the error names the network, for the
// log. It fails closed: a zone, which makes each Prefix.Contains false, is refused first. An IPv4-mapped address
// is judged as the IPv4 address that is dialled for it.
func checkAddress(addr netip.Addr) error {
	if !addr.IsValid() || addr.Zone() != "" {
		return ssrf.ErrProhibitedIP
	}
	return table.SafeAddr(addr.Unmap())
}

// embeddedIPv4 gives the IPv4 address at which a packet for addr arrives where addr is translated or tunnelled: by a
// gateway of NAT64 (RFC 6052, well-known prefix), by 6to4 (RFC 3056) or by ISATAP (RFC 5214), whose addresses look like
// those of any network.
func embeddedIPv4(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	switch b := addr.As16(); {
	case ssrf.IPv6NAT64Prefix.Contains(addr), b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

var sixToFour = netip.MustParsePrefix("2002::/16")
