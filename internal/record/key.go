package record

// Key is the fact of one idempotency key: what was submitted under it, and what that made. It is immutable (see the
// package comment).
type Key struct {
	Name        string   // who used it and what they called it
	Fingerprint []byte   // of the request; the same key with another one is refused
	Futures     []string // ids of what the first request made, in order
	ExpiresAt   Time     // when the key may be used anew
}

// AppendKey appends k to b, in the same envelope as EncodeFuture.
func AppendKey(b []byte, k *Key) []byte { return seal(b, k.fields) }

// DecodeKey reads what AppendKey wrote. ErrCorrupt and ErrVersion say why it cannot.
func DecodeKey(b []byte) (*Key, error) {
	body, err := open(b)
	if err != nil {
		return nil, err
	}
	k := &Key{}
	if err := decode(body, "key", k.take); err != nil {
		return nil, err
	}
	return k, nil
}

// The field numbers below are on disk. A new field takes a new number; a number is never reused.

func (k *Key) fields(e *encoder) {
	e.string(1, k.Name)
	e.bytes(2, k.Fingerprint)
	for _, id := range k.Futures {
		e.bytes(3, []byte(id))
	}
	e.time(4, k.ExpiresAt)
}

func (k *Key) take(in field) (bool, error) {
	switch in.n {
	case 1:
		k.Name = in.string()
	case 2:
		k.Fingerprint = in.bytes()
	case 3:
		k.Futures = append(k.Futures, in.string())
	case 4:
		k.ExpiresAt = in.time()
	default:
		return false, nil
	}
	return true, nil
}
