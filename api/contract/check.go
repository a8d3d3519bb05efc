package contract

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/awaitd/awaitd/api"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// CheckResponse reports how an answer differs from the contract: a status that the operation does not document, a
// required header that is missing, a media type or a body that does not match. Path is as it stood in the request line
// (a query is ignored). On a path or method that the contract does not have it demands 404 not-found or 405. 403
// cross-origin is documented for all paths at once.
func (s *Spec) CheckResponse(method, path string, status int, h http.Header, body []byte) error {
	what := fmt.Sprintf("%s %s → %d", method, path, status)
	target, err := escaped(path)
	if err != nil {
		return err
	}
	p := s.find(target)
	var op *operation
	if p != nil {
		op = p.operation(method)
	}
	switch {
	case status == http.StatusForbidden && (op == nil || op.responses[status] == nil):
		return wrap(what, s.elsewhere("CrossOrigin", status, method, status, h, body))
	case p == nil:
		return wrap(what, s.elsewhere("NotFound", 404, method, status, h, body))
	case op == nil:
		return wrap(what, errors.Join(s.elsewhere("MethodNotAllowed", 405, method, status, h, body), p.allows(h)))
	}
	r := op.responses[status]
	if r == nil {
		return wrap(what, fmt.Errorf("%s does not document this status; body %.300q", p.template, body))
	}
	if err := s.answer(r, method, h, body); err != nil {
		return wrap(what, err)
	}
	if method != http.MethodHead {
		s.mu.Lock()
		s.seen[answerKey(method, p.template, status)] = true
		s.mu.Unlock()
	}
	return nil
}

// elsewhere checks the answer to a request that no operation takes.
func (s *Spec) elsewhere(component string, want int, method string, status int, h http.Header, body []byte) error {
	if status != want {
		return fmt.Errorf("want status %d", want)
	}
	return s.answer(s.anywhere[component], method, h, body)
}

// allows checks that Allow names the methods of the path, and besides at most HEAD and OPTIONS.
func (p *path) allows(h http.Header) error {
	allow := h.Get("Allow")
	var got []string
	for method := range strings.SplitSeq(allow, ",") {
		method = strings.TrimSpace(method)
		if p.operations[method] != nil {
			got = append(got, method)
		} else if method != http.MethodHead && method != http.MethodOptions {
			return fmt.Errorf("header Allow: %q has a method that is not documented", allow)
		}
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(p.operations) {
		return fmt.Errorf("header Allow: %q does not have all documented methods", allow)
	}
	return nil
}

// answer checks headers and body against r.
func (s *Spec) answer(r *response, method string, h http.Header, body []byte) error {
	for name, want := range r.headers {
		if err := want.check(h, name); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	if method == http.MethodHead || r.content == nil {
		if len(body) > 0 {
			return fmt.Errorf("want no body, got %.300q", body)
		}
		return nil
	}
	value, err := r.content.check(h.Get("Content-Type"), body)
	if err != nil {
		return fmt.Errorf("%w\nbody: %.2000s", err, body)
	}
	if strings.HasPrefix(h.Get("Content-Type"), api.ProblemMediaType) {
		return s.problem(value)
	}
	return nil
}

// problem notes the code of a problem whose schema was checked, and checks what a schema cannot say.
func (s *Spec) problem(value any) error {
	problem, _ := value.(map[string]any)
	code, _ := problem["code"].(string)
	if problem["type"] != "/problems/"+code {
		return fmt.Errorf("type %v of a problem with code %s", problem["type"], code)
	}
	s.mu.Lock()
	s.codes[api.Code(code)] = true
	s.mu.Unlock()
	return nil
}

func (want header) check(h http.Header, name string) error {
	values := h.Values(name)
	switch {
	case len(values) == 0 && want.required:
		return errors.New("missing")
	case len(values) == 0:
		return nil
	case len(values) > 1:
		return fmt.Errorf("given %d times", len(values))
	}
	var value any = values[0]
	if want.integer {
		n, err := strconv.Atoi(values[0])
		if err != nil {
			return err
		}
		value = n
	}
	return want.schema.Validate(value)
}

// check validates a body and returns it, if it is JSON.
func (c contents) check(contentType string, body []byte) (any, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		if _, wild := c["*/*"]; wild && contentType == "" {
			return nil, nil
		}
		return nil, fmt.Errorf("Content-Type %q: %w", contentType, err)
	}
	schema, documented := c[media]
	if !documented {
		if _, wild := c["*/*"]; wild {
			return nil, nil
		}
		return nil, fmt.Errorf("media type %s is not documented", media)
	}
	if !strings.HasSuffix(media, "json") || schema == nil {
		return nil, nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return value, schema.Validate(value)
}

// CheckRequestBody reports how the body of a request differs from the contract. A test demands it of every body that
// the server accepted.
func (s *Spec) CheckRequestBody(method, path, contentType string, body []byte) error {
	what := method + " " + path
	target, err := escaped(path)
	if err != nil {
		return err
	}
	p := s.find(target)
	if p == nil || p.operation(method) == nil {
		return wrap(what, errors.New("not documented"))
	}
	op := p.operation(method)
	switch {
	case len(body) == 0 && op.bodyRequired:
		return wrap(what, errors.New("the body is missing"))
	case len(body) == 0:
		return nil
	case op.body == nil:
		return wrap(what, errors.New("no body is documented"))
	}
	_, err = op.body.check(contentType, body)
	return wrap(what, err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
