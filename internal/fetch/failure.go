package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// failure is one way in which an attempt ends badly: what the caller is told, and whether another attempt could
// do better. As an error it says no more than the caller may read; errors of net/http hold the query.
type failure struct {
	kind    record.FailureType
	message string
	final   bool // no further attempt could do better
}

func (f *failure) Error() string { return f.message }

func (f *failure) record() *record.Failure { return &record.Failure{Type: f.kind, Message: f.message} }

// The failures that say the same each time.
var (
	failDenied   = &failure{record.FailEgressDenied, (*Refusal)(nil).Error(), true}
	failAborted  = &failure{record.FailCancelled, "The attempt was cancelled.", true}
	failClosing  = &failure{record.FailCancelled, "The server stopped before the attempt ended.", false}
	failDeadline = &failure{record.FailDeadline, "The deadline passed during the attempt.", true}
	failTime     = &failure{record.FailTimeout, "The attempt did not end within its time.", false} // see spelled
	failSlow     = &failure{record.FailTimeout, "The body came slower than 1 KiB/s.", false}
	failHeader   = &failure{record.FailTimeout, "The answer's headers took over " + HeaderTimeMax.String() + ".", false}
	failSwitch   = &failure{record.FailProtocol, "The target switched protocols.", true}
	failClosed   = &failure{record.FailProtocol, "The target broke off before its answer was complete.", false}
	failInvalid  = &failure{record.FailProtocol, "The answer is not valid HTTP or its headers exceed 64 KiB.", false}
	failHeaders  = &failure{record.FailProtocol, "The head of the answer has more than 1000 lines.", true}
	failStore    = &failure{record.FailProtocol, "The answer could not be stored.", false}
	failPanic    = &failure{record.FailProtocol, "The attempt could not be carried out.", true}
	failCompose  = &failure{record.FailProtocol, "The message could not be composed.", false}
	failRequest  = &failure{record.FailProtocol, "The stored request does not keep the rules for a fetch.", true}
)

// ours reports whether the target had no part in f.
func (f *failure) ours() bool {
	return f == failStore || f == failPanic || f == failCompose || f == failRequest
}

func failTimeout(after time.Duration) *failure {
	return &failure{record.FailTimeout, fmt.Sprintf("The attempt did not end within %s.", after), false}
}

func failStatus(status int) *failure {
	return &failure{record.FailHTTPStatus, fmt.Sprintf("The target answered %d.", status), true}
}

func failTooLarge(bytesMax int64) *failure {
	return &failure{record.FailTooLarge, fmt.Sprintf("The body is larger than %d bytes.", bytesMax), true}
}

func failRedirect(why string) *failure { return &failure{record.FailRedirect, why, true} }

var errNoAddress = errors.New("no address")

// dnsFailure is never final: names come and go.
func dnsFailure(err error) *failure {
	why := "The name of the target could not be resolved."
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, errors.Is(err, errNoAddress):
		why = "The name of the target does not exist."
	case isTimeout(err):
		why = "The name of the target was not resolved in time."
	}
	return &failure{record.FailDNS, why, false}
}

func connectFailure(err error) *failure {
	why := "The target cannot be reached."
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "The target refused the connection."
	case isTimeout(err):
		why = "No connection to the target was made in time."
	}
	return &failure{record.FailConnect, why, false}
}

// tlsFailure: a certificate does not mend itself within the life of a fetch; a broken handshake may.
func tlsFailure(err error) *failure {
	f := &failure{kind: record.FailTLS, message: "The TLS handshake with the target failed."}
	var certificate *tls.CertificateVerificationError
	if !errors.As(err, &certificate) {
		if isTimeout(err) {
			f.message = "The TLS handshake with the target did not end in time."
		}
		return f
	}
	f.final, f.message = true, "The certificate of the target is not valid."
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &name):
		f.message = "The certificate of the target is for another name."
	case errors.As(err, &authority):
		f.message = "The certificate of the target is signed by an unknown authority."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.message = "The certificate of the target has expired."
	}
	return f
}

// exchangeFailure names an error of net/http after the connection was made. Our own failures pass through: those
// of the dialler, and the cause of a context that ended.
func exchangeFailure(err error) *failure {
	var own *failure
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		return failDenied
	case errors.As(err, &own):
		return own
	case isTimeout(err):
		return failHeader
	case isClosed(err):
		return failClosed
	}
	return failInvalid
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// isClosed reports the ways in which a peer goes away.
func isClosed(err error) bool {
	for _, closed := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, http.ErrBodyReadAfterClose,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED,
	} {
		if errors.Is(err, closed) {
			return true
		}
	}
	// net/http exports no name for this one: a pooled connection that the target closed while we wrote to it.
	return strings.Contains(err.Error(), "server closed idle connection")
}
