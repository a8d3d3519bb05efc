package record

import "fmt"

// The field numbers in this file are on disk. A new field takes a new number; a number is never reused.

// Those that Packed reads by itself.
const (
	requestMethod      = 1
	requestURL         = 2
	requestTraceparent = 11
	requestUsual       = 12
	requestTrace       = 13
)

func (r *Request) fields(e *encoder) {
	as := r.usual()
	e.uint(requestUsual, uint64(as))
	if as&usualMethod == 0 {
		e.string(requestMethod, r.Method)
	}
	e.string(requestURL, r.URL)
	for i := range r.Headers {
		e.message(3, r.Headers[i].fields)
	}
	e.bytes(4, r.Body)
	if as&usualTimeout == 0 {
		e.duration(5, r.Timeout)
	}
	if as&usualRetry == 0 {
		e.message(6, r.Retry.fields)
	}
	if as&usualAccept == 0 {
		for _, s := range r.AcceptStatus {
			e.message(7, s.fields)
		}
	}
	if as&usualRedirects == 0 {
		e.uint(8, uint64(r.RedirectsMax))
	}
	if as&usualBytes == 0 {
		e.int(9, r.BodyBytesMax)
	}
	for _, name := range r.Redact {
		e.string(10, name)
	}
	if t, ok := traceOf(r.Traceparent); ok {
		e.bytes(requestTrace, t[:])
	} else {
		e.string(requestTraceparent, r.Traceparent)
	}
}

func (r *Request) take(in field) (bool, error) {
	switch in.n {
	case requestMethod:
		r.Method = in.string()
	case requestURL:
		r.URL = in.string()
	case 3:
		r.Headers = append(r.Headers, Header{})
		return true, decode(in.raw, "header", r.Headers[len(r.Headers)-1].take)
	case 4:
		r.Body = in.bytes()
	case 5:
		r.Timeout = in.duration()
	case 6:
		return true, decode(in.raw, "retry", r.Retry.take)
	case 7:
		r.AcceptStatus = append(r.AcceptStatus, StatusRange{})
		return true, decode(in.raw, "status range", r.AcceptStatus[len(r.AcceptStatus)-1].take)
	case 8:
		r.RedirectsMax = int(in.num)
	case 9:
		r.BodyBytesMax = in.int()
	case 10:
		r.Redact = append(r.Redact, in.string())
	case requestTraceparent:
		r.Traceparent = in.string()
	case requestTrace:
		if len(in.raw) != traceBytes {
			return true, fmt.Errorf("%w: request, field %d", ErrCorrupt, in.n)
		}
		r.Traceparent = trace(in.raw).String()
	case requestUsual:
		return r.takeUsual(usually(in.num)), nil
	default:
		return false, nil
	}
	return true, nil
}

func (h *Header) fields(e *encoder) {
	if n, ok := headerNumbers[h.Name]; ok {
		e.uint(3, n)
	} else {
		e.string(1, h.Name)
	}
	for _, v := range h.Values {
		e.bytes(2, []byte(v)) // an empty value is a value
	}
}

func (h *Header) take(in field) (bool, error) {
	switch in.n {
	case 1:
		h.Name = in.string()
	case 2:
		h.Values = append(h.Values, in.string())
	case 3:
		if in.num == 0 || in.num >= uint64(len(headerNames)) {
			return false, nil
		}
		h.Name = headerNames[in.num]
	default:
		return false, nil
	}
	return true, nil
}

func (r *Retry) fields(e *encoder) {
	e.uint(1, uint64(r.AttemptsMax))
	e.duration(2, r.BackoffMin)
	e.duration(3, r.BackoffMax)
	for _, s := range r.OnStatus {
		e.message(4, s.fields)
	}
	e.bool(5, r.NonIdempotent)
}

func (r *Retry) take(in field) (bool, error) {
	switch in.n {
	case 1:
		r.AttemptsMax = int(in.num)
	case 2:
		r.BackoffMin = in.duration()
	case 3:
		r.BackoffMax = in.duration()
	case 4:
		r.OnStatus = append(r.OnStatus, StatusRange{})
		return true, decode(in.raw, "status range", r.OnStatus[len(r.OnStatus)-1].take)
	case 5:
		r.NonIdempotent = in.num != 0
	default:
		return false, nil
	}
	return true, nil
}

func (s StatusRange) fields(e *encoder) {
	e.uint(1, uint64(s.From))
	e.uint(2, uint64(s.To))
}

func (s *StatusRange) take(in field) (bool, error) {
	switch in.n {
	case 1:
		s.From = int(in.num)
	case 2:
		s.To = int(in.num)
	default:
		return false, nil
	}
	return true, nil
}
