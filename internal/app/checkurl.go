package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/awaitd/awaitd/internal/fetch"
)

// CheckURL writes to w what each stage of a server with these options says of a fetch of url, one a line, and the
// verdict. It looks names up and connects to nothing. Only the options about targets and the server's own address
// count. The error is ErrRefused, ErrUnknown, or a fault of the options.
func CheckURL(ctx context.Context, w io.Writer, o Options, url string) error {
	guard, err := fetch.NewGuard(fetch.GuardOptions{AllowTargets: o.AllowTarget, DeniedTargets: ownAddresses(o.Addr)})
	if err != nil {
		return err
	}
	stages := guard.Explain(ctx, url)
	verdict := fetch.Summary(stages)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range append(stages, fetch.Verdict{Stage: "verdict", Outcome: verdict}) {
		line := fmt.Sprintf("%s\t%s\t%s", v.Stage, v.Outcome, v.Reason)
		_, _ = fmt.Fprintln(table, strings.TrimRight(line, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	switch verdict {
	case fetch.Allowed:
		return nil
	case fetch.Unknown:
		return ErrUnknown
	default:
		return ErrRefused
	}
}

// The verdicts of CheckURL.
var (
	ErrRefused = errors.New("the target is refused")
	ErrUnknown = errors.New("the name of the target cannot be resolved")
)

// ownAddresses is where a server with this address will listen, if that is written as one.
func ownAddresses(addr string) []netip.AddrPort {
	addr = strings.Replace(addr, "localhost:", "127.0.0.1:", 1)
	if strings.HasPrefix(addr, ":") {
		addr = "[::]" + addr
	}
	own, err := netip.ParseAddrPort(addr)
	if err != nil || own.Port() == 0 {
		return nil
	}
	return []netip.AddrPort{own}
}
