package loop

import (
	"strings"
	"time"
)

// races are the scenes of testdata/races.py, in its order.
var races = []struct {
	name string
	play func(s *scene) string
}{
	{"result before timeout", func(s *scene) string {
		f := s.future()
		s.later(1, s.set(f))
		return ended(s.waitFor(f, 2))
	}},
	{"timeout before result", func(s *scene) string {
		f := s.future()
		s.later(3, s.set(f))
		return nested(ended(s.waitFor(f, 2)), f.Cancelled())
	}},
	{"result and timeout in one turn", func(s *scene) string {
		f := s.future()
		s.later(1, s.set(f))
		s.due(5)
		return nested(ended(s.waitFor(f, 2)), f.Done())
	}},
	{"timeout and result in one turn", func(s *scene) string {
		f := s.future()
		s.later(3, s.set(f))
		s.due(5)
		return nested(ended(s.waitFor(f, 2)), f.Cancelled())
	}},
	{"timeout of a stubborn task", func(s *scene) string {
		return ended(s.waitFor(CreateTask(s.l, s.stubborn(7)), 2))
	}},
	{"timeout of a task that breaks", func(s *scene) string {
		return ended(s.waitFor(CreateTask(s.l, s.breaksWhenCancelled("broken")), 2))
	}},
	{"timeout zero of a done future", func(s *scene) string {
		f := s.future()
		s.set(f)()
		return ended(s.waitFor(f, 0))
	}},
	{"timeout zero of a pending future", func(s *scene) string {
		f := s.future()
		return nested(ended(s.waitFor(f, 0)), f.Cancelled())
	}},
	{"timeout zero of a stubborn task", func(s *scene) string {
		return ended(s.waitFor(start(s, s.stubborn(7)), 0))
	}},
	{"cancel of one who waits for", func(s *scene) string {
		f := s.future()
		task := start(s, s.waitFor(f, 9))
		task.Cancel()
		return nested(ended(task), f.Cancelled())
	}},
	{"cancel and timeout in one turn", func(s *scene) string {
		task := start(s, s.waitFor(s.future(), 2))
		s.later(1, func() { task.Cancel() })
		s.due(5)
		return nested(ended(task), task.Cancelling())
	}},
	{"timeout and cancel in one turn", func(s *scene) string {
		task := start(s, s.waitFor(s.future(), 2))
		s.later(3, func() { task.Cancel() })
		s.due(5)
		return nested(ended(task), task.Cancelling())
	}},
	{"nested timeouts in one turn", func(s *scene) string {
		var where []string
		s.due(5)
		err := Timeout(s.l, 3*time.Second, func() error {
			err := Timeout(s.l, 2*time.Second, func() error { return s.l.sleep(100 * time.Second) })
			if err == ErrTimeout {
				where = append(where, "inner")
			}
			return err
		})
		return nested(err, list(where...))
	}},
	{"timeout swallowed by the body", func(s *scene) string {
		var task *Task[int]
		task = CreateTask(s.l, func() (int, error) {
			s.must(Timeout(s.l, time.Second, func() error {
				_ = s.l.sleep(100 * time.Second)
				return nil
			}))
			s.turns(1)
			return task.Cancelling(), nil
		})
		return ended(task)
	}},
	{"result and cancel in one turn", func(s *scene) string {
		f := s.future()
		task := start(s, outcomeOf(f))
		s.both(s.set(f), func() { task.Cancel() })
		return ended(task)
	}},
	{"cancel and result in one turn", func(s *scene) string {
		f := s.future()
		task := start(s, outcomeOf(f))
		s.both(func() { task.Cancel() }, s.set(f))
		return nested(ended(task), f.Cancelled())
	}},
	{"set and cancel in one turn", func(s *scene) string {
		e := NewEvent(s.l)
		task := start(s, outcomeOf(e))
		s.both(e.Set, func() { task.Cancel() })
		return ended(task)
	}},
	{"cancel and set in one turn", func(s *scene) string {
		e := NewEvent(s.l)
		task := start(s, outcomeOf(e))
		s.both(func() { task.Cancel() }, e.Set)
		return ended(task)
	}},
	{"end of sleep and cancel in one turn", func(s *scene) string {
		task := start(s, outcomeOf(s.gives(1, 1)))
		s.later(2, func() { task.Cancel() })
		s.due(5)
		return ended(task)
	}},
	{"cancel and end of sleep in one turn", func(s *scene) string {
		task := CreateTask(s.l, outcomeOf(s.gives(2, 1)))
		s.later(1, func() { task.Cancel() })
		s.due(5)
		return ended(task)
	}},
	{"cancel before the first step", func(s *scene) string {
		var ran []int
		task := CreateTask(s.l, func() (int, error) { ran = append(ran, 1); return 0, nil })
		task.Cancel()
		return nested(ended(task), list(ran...))
	}},
	{"cancel of itself before it awaits", func(s *scene) string {
		e := NewEvent(s.l)
		return s.selfCancelling(func() string { return tuple(ended(e), ended(s.gives(1, 1))) })
	}},
	{"cancel of itself before it awaits a future", func(s *scene) string {
		f := s.future()
		return nested(s.selfCancelling(func() string { return ended(f) }), f.Cancelled())
	}},
	{"cancel of itself before it returns", func(s *scene) string {
		return s.selfCancelling(func() string { return "1" })
	}},
	{"cancel of itself before it fails", func(s *scene) string {
		return ended(CreateTask(s.l, func() (int, error) {
			s.l.CurrentTask().Cancel()
			return 0, errBroken
		}))
	}},
	{"cancel of a task that awaits a task", func(s *scene) string {
		inner := start(s, s.gives(9, 1))
		task := start(s, inner.Await)
		task.Cancel()
		return nested(ended(task), inner.Cancelled())
	}},
	{"cancel that is caught", func(s *scene) string {
		task := start(s, s.stubborn(7))
		task.Cancel()
		return nested(ended(task), task.Cancelling(), task.Cancelled())
	}},
	{"cancel twice in one turn", func(s *scene) string {
		f := s.future()
		task := start(s, func() (string, error) { return tuple(ended(f), ended(s.gives(1, 1))), nil })
		task.Cancel()
		task.Cancel()
		return nested(ended(task), task.Cancelling())
	}},
	{"cancel twice of one who waits for an event", func(s *scene) string {
		e := NewEvent(s.l)
		task := start(s, func() (string, error) { return tuple(ended(e), ended(s.gives(1, 1))), nil })
		task.Cancel()
		task.Cancel()
		return nested(ended(task), task.Cancelling())
	}},
	{"cancel in two turns", func(s *scene) string {
		task := start(s, func() (string, error) { return tuple(ended(s.gives(9, 0)), ended(s.gives(9, 0))), nil })
		task.Cancel()
		s.turns(1)
		task.Cancel()
		return nested(ended(task), task.Uncancel(), task.Uncancel(), task.Uncancel())
	}},
	{"cancel of a done task", func(s *scene) string {
		task := start(s, s.gives(0, 1))
		ended(task)
		return nested(task.Cancel(), task.Cancelling())
	}},
	{"settle twice", settleTwice},
	{"gather with a failed child", func(s *scene) string {
		late := CreateTask(s.l, s.gives(5, 5))
		first := ended(Gather(s.l, s.gives(1, 1), s.fails(2, "two"), s.fails(3, "three"), Awaitable[int](late)))
		return nested(first, late.Done(), ended(late))
	}},
	{"gather with a cancelled child", func(s *scene) string {
		child := CreateTask(s.l, s.gives(5, 5))
		s.later(1, func() { child.Cancel() })
		group := Gather(s.l, s.gives(2, 2), Awaitable[int](child))
		return nested(ended(group), group.Cancelled())
	}},
	{"gather of outcomes", func(s *scene) string {
		child := CreateTask(s.l, s.gives(5, 5))
		s.later(1, func() { child.Cancel() })
		results, err := GatherOutcomes(s.l, s.gives(3, 3), s.fails(2, "two"), Awaitable[int](child)).Await()
		s.must(err)
		var texts []string
		for _, r := range results {
			if r.Err != nil {
				texts = append(texts, spell(r.Err))
			} else {
				texts = append(texts, spell(r.Value))
			}
		}
		return list(texts...)
	}},
	{"gather that is cancelled", func(s *scene) string {
		a, b := start(s, s.gives(5, 5)), start(s, s.gives(5, 5))
		group := Gather[int](s.l, a, b)
		s.later(1, func() { group.Cancel() })
		return nested(ended(group), wasCancelled(a, b))
	}},
	{"gather of outcomes that is cancelled", func(s *scene) string {
		a, b := start(s, s.gives(5, 5)), start(s, s.stubborn(7))
		group := GatherOutcomes[int](s.l, a, b)
		s.later(1, func() { group.Cancel() })
		return nested(ended(group), wasCancelled(a, b))
	}},
	{"gather of done ones that is cancelled", func(s *scene) string {
		f := s.future()
		s.set(f)()
		group := Gather[int](s.l, f)
		return nested(group.Cancel(), ended(group))
	}},
	{"gather of nothing", func(s *scene) string { return ended(Gather[int](s.l)) }},
	{"gather awaited by a task that is cancelled", func(s *scene) string {
		a, b := start(s, s.gives(5, 5)), start(s, s.stubborn(7))
		task := start(s, func() ([]int, error) { return Gather[int](s.l, a, b).Await() })
		task.Cancel()
		return nested(ended(task), task.Cancelled(), done(a, b))
	}},
	{"wait for the first exception with a cancelled one", func(s *scene) string {
		child := CreateTask(s.l, s.gives(9, 9))
		s.later(1, func() { child.Cancel() })
		tasks := []*Task[int]{child, CreateTask(s.l, s.fails(2, "two")), CreateTask(s.l, s.gives(3, 3))}
		answer := s.wait(tasks, FirstException, 0)
		_ = tasks[1].Exception()
		return answer
	}},
	{"wait for the first exception and there is none", func(s *scene) string {
		tasks := []*Task[int]{CreateTask(s.l, s.gives(1, 1)), CreateTask(s.l, s.gives(2, 2))}
		return s.wait(tasks, FirstException, 0)
	}},
	{"wait for the first with a cancelled one", func(s *scene) string {
		child := CreateTask(s.l, s.gives(9, 9))
		s.later(1, func() { child.Cancel() })
		return s.wait([]*Task[int]{child, CreateTask(s.l, s.gives(3, 3))}, FirstCompleted, 0)
	}},
	{"wait with a timeout", func(s *scene) string {
		tasks := []*Task[int]{CreateTask(s.l, s.gives(1, 1)), CreateTask(s.l, s.gives(9, 9))}
		return nested(s.wait(tasks, AllCompleted, 2), wasCancelled(tasks...))
	}},
	{"wait for two that end in one turn", func(s *scene) string {
		futures := []Waitable{s.future(), s.future(), s.future()}
		s.both(s.set(futures[2].(*Future[int])), s.set(futures[0].(*Future[int])))
		done, rest, err := Wait(s.l, futures, FirstCompleted, 0)
		s.must(err)
		return list(len(done), len(rest))
	}},
	{"wait that is cancelled", func(s *scene) string {
		child := start(s, s.gives(9, 9))
		task := start(s, func() (int, error) {
			_, _, err := Wait(s.l, []Waitable{child}, AllCompleted, 0)
			return 0, err
		})
		task.Cancel()
		return nested(ended(task), child.Done())
	}},
	{"set then clear in one turn", func(s *scene) string {
		e := NewEvent(s.l)
		var tasks []*Task[bool]
		for range 3 {
			tasks = append(tasks, start(s, e.Await))
		}
		e.Set()
		e.Clear()
		late := start(s, e.Await)
		return nested(list(tasks[0].Done(), tasks[1].Done(), tasks[2].Done()), late.Done())
	}},
	{"shield that is cancelled", func(s *scene) string {
		inner := start(s, s.gives(5, 5))
		task := start(s, outcomeOf(Shield(s.l, inner)))
		task.Cancel()
		return nested(ended(task), inner.Done(), ended(inner))
	}},
	{"shield whose inside is cancelled", func(s *scene) string {
		inner := start(s, s.gives(5, 5))
		outer := Shield(s.l, inner)
		inner.Cancel()
		return nested(ended(outer), outer.Cancelled())
	}},
	{"shield whose inside fails", func(s *scene) string { return ended(Shield(s.l, s.fails(1, "inside"))) }},
	{"group whose tasks succeed", func(s *scene) string { return ended(s.group(nil, s.gives(1, 1), s.gives(2, 2))) }},
	{"group with a failed task", func(s *scene) string {
		return ended(s.group(nil, s.fails(1, "one"), s.gives(9, 9), s.breaksWhenCancelled("two")))
	}},
	{"group whose body is interrupted", func(s *scene) string {
		return ended(s.group(s.gives(9, 9), s.fails(1, "one")))
	}},
	{"group whose body fails", func(s *scene) string {
		return ended(s.group(s.fails(1, "body"), s.gives(9, 9), s.breaksWhenCancelled("child")))
	}},
	{"group that is cancelled", func(s *scene) string {
		task := start(s, s.group(nil, s.gives(9, 9), s.gives(8, 8)))
		task.Cancel()
		return nested(ended(task), task.Cancelled(), task.Cancelling())
	}},
	{"group that is cancelled and fails", func(s *scene) string {
		task := start(s, s.group(nil, s.breaksWhenCancelled("child")))
		task.Cancel()
		return nested(ended(task), task.Cancelled())
	}},
	{"group with a cancelled task", func(s *scene) string {
		var value int
		s.must(RunGroup(s.l, func(g *TaskGroup) (err error) {
			CreateTaskIn(g, s.gives(9, 9)).Cancel()
			value, err = CreateTaskIn(g, s.gives(1, 1)).Await()
			return err
		}))
		return spell(value)
	}},
	{"group that fails and is cancelled in one turn", func(s *scene) string {
		task := start(s, s.group(s.gives(9, 9), s.fails(1, "one")))
		s.later(2, func() { task.Cancel() })
		s.due(5)
		return nested(ended(task), task.Cancelling())
	}},
}

func (s *scene) waitFor(aw Awaitable[int], seconds int) awaitFunc[int] {
	return func() (int, error) { return WaitFor(s.l, aw, time.Duration(seconds)*time.Second) }
}

func outcomeOf[T any](aw Awaitable[T]) awaitFunc[string] {
	return func() (string, error) { return ended(aw), nil }
}

func (s *scene) selfCancelling(rest func() string) string {
	return ended(CreateTask(s.l, func() (string, error) {
		s.l.CurrentTask().Cancel()
		return rest(), nil
	}))
}

func (s *scene) wait(tasks []*Task[int], until ReturnWhen, seconds int) string {
	done, rest, err := Wait(s.l, tasks, until, time.Duration(seconds)*time.Second)
	s.must(err)
	return list(len(done), len(rest))
}

func (s *scene) group(body awaitFunc[int], children ...awaitFunc[int]) awaitFunc[struct{}] {
	return func() (struct{}, error) {
		return struct{}{}, RunGroup(s.l, func(g *TaskGroup) error {
			for _, c := range children {
				CreateTaskIn(g, c)
			}
			if body == nil {
				return nil
			}
			_, err := body()
			return err
		})
	}
}

func settleTwice(s *scene) string {
	var answers []string
	verbs := []func(f *Future[int]) string{
		func(f *Future[int]) string { return spell(f.SetResult(1)) },
		func(f *Future[int]) string { return spell(f.SetException(errBroken)) },
		func(f *Future[int]) string { return spell(f.Cancel()) },
	}
	for _, first := range verbs {
		for _, second := range verbs {
			f := s.future()
			answers = append(answers, first(f), second(f))
			_ = f.Exception()
		}
	}
	return strings.Join(answers, ",")
}
