package client

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
)

// Problem is how the server refused a call: what is wrong and, in Code, which of the documented problems it is. Code is
// empty when the answer came from something between client and server.
type Problem = api.Problem

// CodeOf is the code of the Problem in err's chain, or "".
func CodeOf(err error) api.Code {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Code
	}
	return ""
}

// FailedError says that what was awaited is decided and failed: a future (failed or cancelled), a group or a wait. One
// of the three is set.
type FailedError struct {
	Future *api.Future
	Group  *api.Group
	Answer *api.WaitAnswer
}

// Error names what failed, and why.
func (e *FailedError) Error() string {
	switch {
	case e.Future != nil:
		return futureFailure(e.Future)
	case e.Group != nil:
		return groupFailure(e.Group)
	}
	var failed []string
	for _, leaf := range e.Answer.Done {
		switch {
		case leaf.Outcome != api.OutcomeFailed:
		case leaf.Future != nil:
			failed = append(failed, futureFailure(leaf.Future))
		case leaf.Group != nil:
			failed = append(failed, groupFailure(leaf.Group))
		default:
			failed = append(failed, leaf.Ref+" failed")
		}
	}
	return "the wait failed: " + strings.Join(failed, "; ")
}

func futureFailure(f *api.Future) string {
	why := ""
	if f.Error != nil {
		why = ": " + string(f.Error.Type) + ": " + f.Error.Message
	}
	return f.ID + " " + string(f.State) + why
}

// failureOf is a FailedError if f settled in any way but success.
func failureOf(f *api.Future) error {
	if !f.State.Settled() || f.State == api.StateSucceeded {
		return nil
	}
	return &FailedError{Future: f}
}

// problemBytesMax is how much is read of an answer that refuses.
const problemBytesMax = 4 << 20

// problemOf reads a refusal. What is no problem of the API is told by its status and its first line.
func problemOf(resp *http.Response) *Problem {
	body, err := io.ReadAll(io.LimitReader(resp.Body, problemBytesMax))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // none is no problem of the API, either
	p := &Problem{}
	if err == nil && media == api.ProblemMediaType && json.Unmarshal(body, p) == nil && p.Code != "" {
		return p
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(body[:min(len(body), 200)])), "\n")
	return &Problem{
		Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode),
		Detail: fmt.Sprintf("the answer is no problem of an awaitd server, but %s: %q", resp.Status, first),
	}
}
