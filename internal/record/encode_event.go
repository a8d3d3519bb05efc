package record

// The field numbers in this file are on disk. A new field takes a new number; a number is never reused.

func (ev *Event) fields(e *encoder) {
	e.string(1, ev.Name)
	e.bool(2, ev.Set)
	e.uint(3, ev.Generation)
	e.uint(4, ev.Version)
	e.time(5, ev.SetAt)
	e.time(6, ev.ExpiresAt)
	if ev.Payload != nil {
		e.message(7, ev.Payload.fields)
	}
	e.time(8, ev.ClearedAt)
	e.uint(9, ev.Serial)
}

// DecodeEvent reads what EncodeEvent wrote. ErrCorrupt and ErrVersion say why it cannot.
func DecodeEvent(b []byte) (*Event, error) {
	body, err := open(b)
	if err != nil {
		return nil, err
	}
	ev := &Event{}
	if err := decode(body, "event", ev.take); err != nil {
		return nil, err
	}
	return ev, nil
}

func (ev *Event) take(in field) (bool, error) {
	switch in.n {
	case 1:
		ev.Name = in.string()
	case 2:
		ev.Set = in.num != 0
	case 3:
		ev.Generation = in.num
	case 4:
		ev.Version = in.num
	case 5:
		ev.SetAt = in.time()
	case 6:
		ev.ExpiresAt = in.time()
	case 7:
		ev.Payload = &Payload{}
		return true, decode(in.raw, "payload", ev.Payload.take)
	case 8:
		ev.ClearedAt = in.time()
	case 9:
		ev.Serial = in.num
	default:
		return false, nil
	}
	return true, nil
}

func (p *Payload) fields(e *encoder) {
	e.string(1, p.ContentType)
	e.bytes(2, p.Data)
}

func (p *Payload) take(in field) (bool, error) {
	switch in.n {
	case 1:
		p.ContentType = in.string()
	case 2:
		p.Data = in.bytes()
	default:
		return false, nil
	}
	return true, nil
}
