package fetch

import (
	"context"
	"net/netip"
	"testing"
)

// always gives the same addresses to everybody.
type always []netip.Addr

func (a always) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return a, nil }

// BenchmarkGuard is what the rules cost: each submit and each attempt, and each connection that is made besides the
// look-up itself. bench/fetch runs it, beside whole attempts.
func BenchmarkGuard(b *testing.B) {
	g, err := NewGuard(GuardOptions{
		AllowTargets: []string{"127.0.0.1/32", "db.internal:5432", "10.1.0.0/16"},
		Resolver:     always{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("2606:4700::1111")},
	})
	if err != nil {
		b.Fatal(err)
	}
	req := request("https://api.example.com/v1/things?q=1", header("Authorization", "Bearer x"), header("accept", "x/y"))
	b.Run("each_attempt", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, faults := check(req)
			if faults != nil || g.admit(c.target) != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("each_connection", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			addrs, err := g.resolve(ctx, "api.example.com", 443)
			if err != nil {
				b.Fatal(err)
			}
			to := netip.AddrPortFrom(addrs[0], 443)
			if g.checkSocket(ctx, "api.example.com", to)("tcp4", "93.184.216.34:443", nil) != nil {
				b.Fatal("refused")
			}
		}
	})
}
