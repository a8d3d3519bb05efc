package loop

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Goal: in every race the loop does what CPython 3.12 does. The rows were written by CPython itself, playing the same
// scenes: testdata/races.py.
func TestRacesEndAsInCPython(t *testing.T) {
	want, err := os.ReadFile("testdata/races.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range races {
		l := newTestLoop(t)
		s := &scene{t: t, l: l}
		answer, err := RunUntilComplete(l, CreateTask(l, func() (string, error) { return r.play(s), nil }))
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		got = append(got, r.name+": "+answer)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), got); diff != "" {
		t.Errorf("(-CPython +loop):\n%s", diff)
	}
}

// Goal: the same with every check of the debug mode on.
func TestRacesInDebugMode(t *testing.T) {
	want, err := os.ReadFile("testdata/races.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range races {
		l := newTestLoop(t, func(o *Options) {
			o.Debug = true
			o.OnSlow = func(string, time.Duration) {} // scenes push their clock on
		})
		s := &scene{t: t, l: l}
		answer, err := RunUntilComplete(l, CreateTask(l, func() (string, error) { return r.play(s), nil }))
		if err != nil || !strings.Contains(string(want), r.name+": "+answer+"\n") {
			t.Errorf("%s: %s, %v", r.name, answer, err)
		}
	}
}

// scene is what races.py has: the loop, and a few ways to set things up.
type scene struct {
	t *testing.T
	l *Loop
}

type awaitFunc[T any] func() (T, error)

func (f awaitFunc[T]) Await() (T, error) { return f() }

var errBroken = errors.New("broken")

func (s *scene) gives(after, value int) awaitFunc[int] {
	return func() (int, error) { return Sleep(s.l, time.Duration(after)*time.Second, value) }
}

func (s *scene) fails(after int, text string) awaitFunc[int] {
	return func() (int, error) {
		if _, err := s.gives(after, 0)(); err != nil {
			return 0, err
		}
		return 0, errors.New(text)
	}
}

func (s *scene) stubborn(value int) awaitFunc[int] {
	return func() (int, error) {
		if _, err := s.gives(100, 0)(); errors.Is(err, ErrCancelled) {
			return s.gives(1, value)()
		}
		return value, nil
	}
}

func (s *scene) breaksWhenCancelled(text string) awaitFunc[int] {
	return func() (int, error) {
		_, err := s.gives(100, 0)()
		if errors.Is(err, ErrCancelled) {
			err = errors.New(text)
		}
		return 0, err
	}
}

func (s *scene) future() *Future[int] { return CreateFuture[int](s.l) }

func (s *scene) set(f *Future[int]) func() {
	return func() {
		if !f.Done() {
			s.must(f.SetResult(1))
		}
	}
}

func (s *scene) must(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

func (s *scene) later(seconds int, fn func()) {
	s.l.CallLater(time.Duration(seconds)*time.Second, fn)
}

func (s *scene) both(first, second func()) {
	s.l.CallSoon(first)
	s.l.CallSoon(second)
}

// due makes time jump to the given second over everything that is due until then, so that it is due in one turn.
func (s *scene) due(second int) {
	s.l.CallLater(500*time.Millisecond, func() { s.l.clock.(*virtualClock).now = time.Duration(second) * time.Second })
}

func (s *scene) turns(n int) {
	for range n {
		s.must(s.l.Yield())
	}
}

func start[T any](s *scene, coro awaitFunc[T]) *Task[T] {
	task := CreateTask(s.l, coro)
	s.turns(2)
	return task
}

// ended is the outcome of an awaitable as races.py writes it.
func ended[T any](aw Awaitable[T]) string {
	value, err := aw.Await()
	if err != nil {
		return spell(err)
	}
	return spell(value)
}

func spell(v any) string {
	switch v := v.(type) {
	case struct{}, nil:
		return "None"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case []int:
		return list(v...)
	case error:
		return spellError(v)
	}
	return fmt.Sprint(v)
}

func spellError(err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return strings.ReplaceAll(list(joined.Unwrap()...), ",", "")
	}
	for cause, name := range map[error]string{
		ErrCancelled: "cancelled", ErrTimeout: "timeout", ErrInvalidState: "invalid state",
	} {
		if errors.Is(err, cause) {
			return name
		}
	}
	return err.Error()
}

func list[T any](items ...T) string {
	var texts []string
	for _, item := range items {
		texts = append(texts, spell(item))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func tuple(items ...any) string { return "(" + strings.Trim(list(items...), "[]") + ")" }

func nested(items ...any) string {
	text := list(items...)
	return "(" + text[1:len(text)-1] + ")"
}

func done(tasks ...*Task[int]) string { return each(tasks, (*Task[int]).Done) }

func wasCancelled(tasks ...*Task[int]) string { return each(tasks, (*Task[int]).Cancelled) }

func each(tasks []*Task[int], ask func(*Task[int]) bool) string {
	var answers []bool
	for _, task := range tasks {
		answers = append(answers, ask(task))
	}
	return list(answers...)
}
