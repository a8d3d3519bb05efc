package fetch

import (
	"fmt"
	"net/netip"
	"strings"
)

// opening is one thing that the operator allows beyond the ordinary: a network or a name, on one port or on all.
type opening struct {
	network netip.Prefix // valid when it is a network or a single address
	name    string       // else the canonical name of a host
	port    uint16       // 0 for all ports
}

// opens reports whether o allows addr, reached under name (empty for a URL with an address), on port.
func (o opening) opens(name string, addr netip.Addr, port uint16) bool {
	if o.port != 0 && o.port != port {
		return false
	}
	if o.name != "" {
		return o.name == name
	}
	return o.network.Contains(addr)
}

// parseOpening reads CIDR, address, address:port, host or host:port. An address of IPv6 with a port is written
// in brackets.
func parseOpening(s string) (opening, error) {
	if strings.Contains(s, "/") {
		network, err := parseNetwork(s)
		return opening{network: network}, err
	}
	if pair, err := netip.ParseAddrPort(s); err == nil {
		network, err := networkOf(pair.Addr())
		if err == nil && pair.Port() == 0 {
			err = fmt.Errorf("port 0 cannot be dialled")
		}
		return opening{network: network, port: pair.Port()}, err
	}
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		network, err := networkOf(addr)
		return opening{network: network}, err
	}
	return parseNamed(s)
}

func parseNetwork(s string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return network, fmt.Errorf("this is not a CIDR such as 10.0.0.0/8, an address, or host[:port]")
	case network.Addr().Is4In6():
		return network, fmt.Errorf("write the IPv4 network itself, mapped addresses are judged as IPv4")
	case network != network.Masked():
		return network, fmt.Errorf("there are bits set beyond the prefix; is %s meant?", network.Masked())
	}
	return network, nil
}

func networkOf(addr netip.Addr) (netip.Prefix, error) {
	if addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("an address with a zone is never dialled")
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func parseNamed(s string) (opening, error) {
	host, portText, hasPort := strings.Cut(s, ":")
	name, _, err := parseHost(host)
	if err != nil {
		return opening{}, fmt.Errorf("this is not a CIDR, an address, or host[:port]")
	}
	o := opening{name: name}
	if hasPort {
		if o.port, err = parsePort(portText); err != nil {
			return opening{}, fmt.Errorf("the port is not a number from 1 to 65535")
		}
	}
	return o, nil
}
