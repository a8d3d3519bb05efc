package loop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/awaitd/awaitd/internal/loop"
)

// eventAwaitable is an object with an Await of its own, made of that of an event: asyncio's __await__.
type eventAwaitable struct {
	event *loop.Event
	value string
}

func (a eventAwaitable) Await() (string, error) {
	if err := a.event.Wait(); err != nil {
		return "", err
	}
	return a.value, nil
}

// An awaitable of one's own that waits for one event.
func Example_awaitable() {
	value, err := loop.Run(loop.Options{}, func(l *loop.Loop) (string, error) {
		ready := loop.NewEvent(l)
		l.CallLater(10*time.Millisecond, func() {
			fmt.Println("setting the event")
			ready.Set()
		})
		fmt.Println("waiting")
		return eventAwaitable{ready, "done"}.Await()
	})
	fmt.Println(value, err)
	// Output:
	// waiting
	// setting the event
	// done <nil>
}

// manyEvents waits for all of its events and counts them.
type manyEvents struct{ events *loop.MultiEvent }

func (m manyEvents) Await() (int, error) {
	which, err := m.events.WaitFor(3)
	return len(which), err
}

// An awaitable of one's own that waits for several events, and one that waits for the first of them.
func Example_awaitableOfManyEvents() {
	n, err := loop.Run(loop.Options{Clock: loop.NewVirtualClock()}, func(l *loop.Loop) (int, error) {
		a, b, c := loop.NewEvent(l), loop.NewEvent(l), loop.NewEvent(l)
		all := loop.NewMultiEvent(l, a, b, c)
		for i, event := range []*loop.Event{b, c, a} {
			l.CallLater(time.Duration(i+1)*time.Hour, event.Set)
		}
		first, err := all.WaitAny()
		fmt.Println("first is number", first, "after", l.Now(), err)
		return manyEvents{all}.Await()
	})
	fmt.Println(n, "events", err)
	// Output:
	// first is number 1 after 1h0m0s <nil>
	// 3 events <nil>
}

// fetchJSON is an awaitable that fetches from an external API. Sockets block, so the request is made in the executor,
// and the loop goes on meanwhile.
type fetchJSON struct {
	l   *loop.Loop
	url string
}

func (f fetchJSON) Await() (map[string]any, error) {
	return loop.RunInExecutor(f.l, func(ctx context.Context) (map[string]any, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		var body map[string]any
		return body, json.NewDecoder(response.Body).Decode(&body)
	}).Await()
}

// An awaitable that fetches JSON from an external API; three of them at once.
func Example_fetch() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"path": %q}`, r.URL.Path)
	}))
	defer api.Close()
	bodies, err := loop.Run(loop.Options{}, func(l *loop.Loop) ([]map[string]any, error) {
		return loop.Gather[map[string]any](l,
			fetchJSON{l, api.URL + "/a"}, fetchJSON{l, api.URL + "/b"}, fetchJSON{l, api.URL + "/c"}).Await()
	})
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(bodies, err)
	// Output:
	// [map[path:/a] map[path:/b] map[path:/c]] <nil>
}

// A loop that a program runs by hand: something is scheduled that creates a task, the task stops the loop.
func ExampleLoop_RunForever() {
	l := loop.New(loop.Options{})
	main := func() (struct{}, error) {
		defer l.Stop()
		fmt.Println("the task begins")
		_, err := loop.Sleep(l, 5*time.Millisecond, struct{}{})
		fmt.Println("the task ends")
		return struct{}{}, err
	}
	l.CallSoon(func() { loop.CreateTask(l, main) })
	fmt.Println("run:", l.RunForever())
	fmt.Println("close:", l.Close())
	// Output:
	// the task begins
	// the task ends
	// run: <nil>
	// close: <nil>
}

// countingLoop is a loop extended by embedding. It counts its turns, as it is told of the end of each, and has a kind
// of task of its own.
type countingLoop struct {
	*loop.Loop
	turns int
}

func newCountingLoop() *countingLoop {
	c := &countingLoop{}
	c.Loop = loop.New(loop.Options{
		Clock:     loop.NewVirtualClock(),
		AfterTurn: func(loop.Turn) { c.turns++ },
	})
	return c
}

// timedTask is a task that knows how long it took. It embeds Task and can be given to whatever takes one.
type timedTask[T any] struct {
	*loop.Task[T]
	took time.Duration
}

func createTimedTask[T any](c *countingLoop, coro func() (T, error)) *timedTask[T] {
	t := &timedTask[T]{}
	t.Task = loop.CreateTask(c.Loop, func() (T, error) {
		began := c.Now()
		defer func() { t.took = c.Now() - began }()
		return coro()
	})
	return t
}

// A loop extended by embedding, with a task of its own.
func Example_embedding() {
	c := newCountingLoop()
	fast := createTimedTask(c, func() (string, error) { return loop.Sleep(c.Loop, time.Second, "fast") })
	slow := createTimedTask(c, func() (string, error) { return loop.Sleep(c.Loop, time.Minute, "slow") })
	values, err := loop.RunUntilComplete(c.Loop, loop.Gather[string](c.Loop, fast, slow))
	fmt.Println(values, err)
	fmt.Println(fast.took, slow.took, c.turns > 2, c.Close())
	// Output:
	// [fast slow] <nil>
	// 1s 1m0s true <nil>
}

// A policy whose factory makes loops of one's own kind, and a program that only asks for the event loop.
func ExamplePolicy() {
	var made *countingLoop
	loop.SetPolicy(loop.NewPolicy(func() *loop.Loop {
		fmt.Println("the policy makes a loop")
		made = newCountingLoop()
		return made.Loop
	}))
	defer loop.SetPolicy(nil)

	l := loop.GetEventLoop()
	greeting := loop.CreateTask(l, func() (string, error) { return loop.Sleep(l, time.Hour, "hello") })
	fmt.Println(loop.RunUntilComplete(loop.GetEventLoop(), greeting))
	fmt.Println(l == made.Loop, made.Now(), made.turns > 1, l.Close())
	// Output:
	// the policy makes a loop
	// hello <nil>
	// true 1h0m0s true <nil>
}

// A task factory traces every task of a loop, whoever creates it.
func ExampleLoop_SetTaskFactory() {
	_, err := loop.Run(loop.Options{}, func(l *loop.Loop) (int, error) {
		l.SetTaskFactory(func(task loop.AnyTask, coro func() error) func() error {
			return func() error {
				err := coro()
				fmt.Println(task.Name(), "ended with", err)
				return err
			}
		})
		work := loop.CreateTask(l, func() (int, error) { return 42, nil })
		work.SetName("work")
		return work.Await()
	})
	fmt.Println(err)
	// Output:
	// work ended with <nil>
	// <nil>
}

// Any goroutine may ask the loop something; the answer travels home through a channel.
func ExampleCall() {
	l := loop.New(loop.Options{})
	visits := 0 // owned by the loop
	ended := make(chan error)
	go func() { ended <- l.RunForever() }()
	for range 3 {
		n, err := loop.Call(context.Background(), l, func() int { visits++; return visits })
		fmt.Println(n, err)
	}
	fmt.Println(l.CallSoonThreadsafe(l.Stop), <-ended, l.Close())
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
	// <nil> <nil> <nil>
}

// The first failure of a group cancels the others.
func ExampleRunGroup() {
	_, err := loop.Run(loop.Options{Clock: loop.NewVirtualClock()}, func(l *loop.Loop) (int, error) {
		return 0, loop.RunGroup(l, func(g *loop.TaskGroup) error {
			loop.CreateTaskIn(g, func() (int, error) { return loop.Sleep(l, time.Hour, 1) })
			loop.CreateTaskIn(g, func() (int, error) { return 0, fmt.Errorf("no luck at %v", l.Now()) })
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// no luck at 0s
}
