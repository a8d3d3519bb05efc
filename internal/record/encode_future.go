package record

// The field numbers in this file are on disk. A new field takes a new number; a number is never reused.

func (f *Future) fields(e *encoder) {
	e.string(1, f.ID)
	e.uint(2, uint64(f.Kind))
	e.uint(3, uint64(f.State))
	e.uint(4, uint64(f.Reason))
	e.uint(5, f.Version)
	e.time(6, f.CreatedAt)
	e.time(7, f.StartedAt)
	e.time(8, f.SettledAt)
	e.time(9, f.ExpiresAt)
	e.time(10, f.NextAttemptAt)
	e.time(11, f.DeadlineAt)
	e.time(12, f.DueAt)
	e.duration(13, f.TTL)
	terms := f.terms()
	for _, l := range terms.Labels {
		e.message(14, l.fields)
	}
	e.string(15, terms.Sets)
	e.string(16, string(f.Request))
	for i := range f.Attempts {
		e.message(17, f.Attempts[i].fields)
	}
	if f.Result != nil {
		e.message(18, f.Result.fields)
	}
	if f.Failure != nil {
		e.message(19, f.Failure.fields)
	}
	e.uint(20, uint64(f.Interrupted))
	if w := f.Wait; w != nil {
		e.bytes(22, w.For)
		for i := range w.Leaves {
			e.message(24, w.Leaves[i].fields)
		}
	}
	e.string(23, terms.Group)
	e.string(40, terms.LimitKey)
	if f.Callback != nil {
		e.message(41, f.Callback.fields)
	}
}

// DecodeFuture reads what EncodeFuture wrote. ErrCorrupt and ErrVersion say why it cannot.
func DecodeFuture(b []byte) (*Future, error) {
	body, err := open(b)
	if err != nil {
		return nil, err
	}
	f := &Future{}
	if err := decode(body, "future", f.take); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Future) take(in field) (bool, error) {
	switch in.n {
	case 1:
		f.ID = in.string()
	case 2:
		f.Kind = Kind(in.num)
	case 3:
		f.State = State(in.num)
	case 4:
		f.Reason = Reason(in.num)
	case 5:
		f.Version = in.num
	case 13:
		f.TTL = in.duration()
	case 15:
		f.takeTerms().Sets = in.string()
	case 20:
		f.Interrupted = uint8(in.num)
	case 21, 22: // 21 was that of a fetch
		f.wait().For = in.bytes()
	case 23:
		f.takeTerms().Group = in.string()
	case 40:
		f.takeTerms().LimitKey = in.string()
	case 14, 16, 17, 18, 19, 24, 41:
		return true, f.takePart(in)
	default:
		return f.takeTime(in), nil
	}
	return true, nil
}

func (f *Future) takeTerms() *Terms {
	if f.Terms == nil {
		f.Terms = &Terms{}
	}
	return f.Terms
}

func (f *Future) wait() *Wait {
	if f.Wait == nil {
		f.Wait = &Wait{}
	}
	return f.Wait
}

func (f *Future) takeTime(in field) bool {
	switch in.n {
	case 6:
		f.CreatedAt = in.time()
	case 7:
		f.StartedAt = in.time()
	case 8:
		f.SettledAt = in.time()
	case 9:
		f.ExpiresAt = in.time()
	case 10:
		f.NextAttemptAt = in.time()
	case 11:
		f.DeadlineAt = in.time()
	case 12:
		f.DueAt = in.time()
	default:
		return false
	}
	return true
}

func (f *Future) takePart(in field) error {
	switch in.n {
	case 14:
		t := f.takeTerms()
		t.Labels = append(t.Labels, Label{})
		return decode(in.raw, "label", t.Labels[len(t.Labels)-1].take)
	case 16:
		f.Request = Packed(in.string())
		return f.Request.check() // what nobody could read later is refused now
	case 17:
		f.Attempts = append(f.Attempts, Attempt{})
		return decode(in.raw, "attempt", f.Attempts[len(f.Attempts)-1].take)
	case 18:
		f.Result = &Result{}
		return decode(in.raw, "result", f.Result.take)
	case 24:
		w := f.wait()
		w.Leaves = append(w.Leaves, Leaf{})
		return decode(in.raw, "leaf", w.Leaves[len(w.Leaves)-1].take)
	case 41:
		f.Callback = &Callback{}
		return decode(in.raw, "callback", f.Callback.take)
	default:
		f.Failure = &Failure{}
		return decode(in.raw, "failure", f.Failure.take)
	}
}

func (l Label) fields(e *encoder) {
	e.string(1, l.Key)
	e.string(2, l.Value)
}

func (l *Label) take(in field) (bool, error) {
	switch in.n {
	case 1:
		l.Key = in.string()
	case 2:
		l.Value = in.string()
	default:
		return false, nil
	}
	return true, nil
}

func (a *Attempt) fields(e *encoder) {
	e.uint(1, uint64(a.N))
	e.time(2, a.At)
	e.duration(3, a.Duration)
	e.int(4, int64(a.Status))
	if a.Failure != nil {
		e.message(5, a.Failure.fields)
	}
}

func (a *Attempt) take(in field) (bool, error) {
	switch in.n {
	case 1:
		a.N = int(in.num)
	case 2:
		a.At = in.time()
	case 3:
		a.Duration = in.duration()
	case 4:
		a.Status = int(in.int())
	case 5:
		a.Failure = &Failure{}
		return true, decode(in.raw, "failure", a.Failure.take)
	default:
		return false, nil
	}
	return true, nil
}

func (f *Failure) fields(e *encoder) {
	e.string(1, string(f.Type))
	e.string(2, f.Message)
}

func (f *Failure) take(in field) (bool, error) {
	switch in.n {
	case 1:
		f.Type = FailureType(in.string())
	case 2:
		f.Message = in.string()
	default:
		return false, nil
	}
	return true, nil
}

func (r *Result) fields(e *encoder) {
	e.int(1, int64(r.Status))
	for i := range r.Headers {
		e.message(2, r.Headers[i].fields)
	}
	e.int(3, r.Body.Bytes)
	e.bytes(4, r.Body.Inline)
	e.string(5, r.Body.Ref)
}

func (r *Result) take(in field) (bool, error) {
	switch in.n {
	case 1:
		r.Status = int(in.int())
	case 2:
		r.Headers = append(r.Headers, Header{})
		return true, decode(in.raw, "header", r.Headers[len(r.Headers)-1].take)
	case 3:
		r.Body.Bytes = in.int()
	case 4:
		r.Body.Inline = in.bytes()
	case 5:
		r.Body.Ref = in.string()
	default:
		return false, nil
	}
	return true, nil
}
