package fetch

import (
	"context"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/hashicorp/go-retryablehttp"
)

// RetryAfterMax is the longest Retry-After that is obeyed; a longer one leaves our own back-off in force. The
// library would wait 122 years, or overflow to no wait at all.
const RetryAfterMax = time.Hour

var (
	_ retryablehttp.CheckRetry = (*attempt)(nil).checkRetry
	_ retryablehttp.Backoff    = (*attempt)(nil).backoff
)

// decide says whether another attempt follows resp or err, and after which wait. One that could start only after
// the deadline does not.
func (a *attempt) decide(resp *http.Response, err error) (retry bool, wait time.Duration) {
	if a.job.Callback != nil {
		return a.decideCallback(resp, err)
	}
	again, _ := a.client.CheckRetry(a.ctx, resp, err)
	if !again || a.job.N >= a.asked.Retry.AttemptsMax {
		return false, 0
	}
	wait = a.client.Backoff(a.client.RetryWaitMin, a.client.RetryWaitMax, a.job.N-1, resp)
	if !a.job.DeadlineAt.IsZero() && !a.f.options.Now().Add(wait).Before(a.job.DeadlineAt) {
		return false, 0
	}
	return true, wait
}

// checkRetry is this attempt's retryablehttp.CheckRetry: whether another attempt is worth it and harmless.
func (a *attempt) checkRetry(_ context.Context, resp *http.Response, err error) (bool, error) {
	r := a.asked
	switch {
	case err != nil:
		return !a.failureOf(err).final && a.harmless(), nil
	case record.Has(r.AcceptStatus, resp.StatusCode):
		return false, nil
	}
	return record.Has(r.Retry.OnStatus, resp.StatusCode) && a.harmless(), nil
}

// harmless reports whether repeating cannot make the target act twice against the caller's will.
func (a *attempt) harmless() bool {
	r := a.asked
	return !isNonIdempotent(r.Method) || r.Retry.NonIdempotent || !a.sent.Load()
}

// isNonIdempotent: RFC 9110 9.2.2, of the methods that CheckMethod allows.
func isNonIdempotent(method string) bool {
	return method == http.MethodPost || method == http.MethodPatch
}

// backoff is this attempt's retryablehttp.Backoff, with least ≤ most: a Retry-After the target gave, else a wait
// drawn evenly between least and least·2ⁿ⁺¹ or most, n counting from 0. Both spread what failed together.
func (a *attempt) backoff(least, most time.Duration, n int, resp *http.Response) time.Duration {
	if resp != nil {
		if wait, ok := retryAfter(resp.Header["Retry-After"], a.f.options.Now()); ok {
			return a.between(wait, wait+least)
		}
	}
	ceiling := most
	if shift := n + 1; shift < bits.LeadingZeros64(uint64(least)) {
		ceiling = min(most, least<<shift)
	}
	return a.between(least, ceiling)
}

// between draws a duration of [low, high]. The bias of the remainder is below 2⁻¹³ even for a day.
func (a *attempt) between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(a.f.options.Rand()%(uint64(high-low)+1))
}

// retryAfter reads a Retry-After (RFC 9110 10.2.3): seconds, or a date, which in the past means at once. What is
// malformed, negative or beyond RetryAfterMax is not for us.
func retryAfter(values []string, now time.Time) (time.Duration, bool) {
	if len(values) == 0 {
		return 0, false
	}
	text := strings.TrimSpace(values[0])
	wait := time.Duration(0)
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, false // more seconds than 68 years have
		}
		wait = time.Duration(seconds) * time.Second
	} else {
		date, err := http.ParseTime(text)
		if err != nil {
			return 0, false
		}
		wait = max(0, date.Sub(now))
	}
	return wait, wait <= RetryAfterMax
}
