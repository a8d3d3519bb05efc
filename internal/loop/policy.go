package loop

import "sync/atomic"

// Policy decides which loop a program gets: its factory is the one place that knows the clock, the limits and the
// extensions. There is one current policy in a program, and one current loop in a policy. Any goroutine may use it.
type Policy struct {
	factory func() *Loop
	current atomic.Pointer[Loop]
}

// NewPolicy makes a policy whose loops come from factory; nil means plain loops on the machine's clock.
func NewPolicy(factory func() *Loop) *Policy {
	if factory == nil {
		factory = func() *Loop { return New(Options{}) }
	}
	return &Policy{factory: factory}
}

// NewLoop makes a loop. It does not become the current one.
func (p *Policy) NewLoop() *Loop { return p.factory() }

// EventLoop is the current loop. The first call makes it, and so does one that finds it closed.
func (p *Policy) EventLoop() *Loop {
	l := p.current.Load()
	if l != nil && !l.Closed() {
		return l
	}
	if made := p.factory(); p.current.CompareAndSwap(l, made) {
		return made
	}
	return p.current.Load() // somebody else was faster
}

// SetEventLoop makes l the current loop; nil means that the next EventLoop makes one.
func (p *Policy) SetEventLoop(l *Loop) { p.current.Store(l) }

var (
	defaultPolicy = NewPolicy(nil)
	currentPolicy atomic.Pointer[Policy] // nil means the default
)

// SetPolicy sets the program's policy; nil restores the default.
func SetPolicy(p *Policy) { currentPolicy.Store(p) }

// GetPolicy is the program's policy.
func GetPolicy() *Policy {
	if p := currentPolicy.Load(); p != nil {
		return p
	}
	return defaultPolicy
}

// NewLoop makes a loop as the program's policy says.
func NewLoop() *Loop { return GetPolicy().NewLoop() }

// GetEventLoop is the current loop of the program's policy; see Policy.EventLoop.
func GetEventLoop() *Loop { return GetPolicy().EventLoop() }

// SetEventLoop makes l the current loop of the program's policy.
func SetEventLoop(l *Loop) { GetPolicy().SetEventLoop(l) }
