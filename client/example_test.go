package client_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/client"
)

// serverURL is where an awaitd server listens, targetURL where something to fetch does.

// Hand over a fetch, do something else, await it.
func Example() {
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	f, err := c.Fetch(ctx, api.FetchRequest{URL: targetURL + "/hello?name=awaitd"})
	if err != nil {
		log.Fatal(err)
	}
	var answer struct{ Hello string }
	if err := f.JSON(ctx, &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println("hello,", answer.Hello)
	// Output: hello, awaitd
}

// One call waits for a fetch, an event that somebody else sets, and a promise that somebody else resolves.
func ExampleAll() {
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	fetched, err := c.Fetch(ctx, api.FetchRequest{URL: targetURL + "/hello?name=all"})
	if err != nil {
		log.Fatal(err)
	}
	approval, err := c.Promise(ctx, "approval:42")
	if err != nil {
		log.Fatal(err)
	}
	paid := c.Event("paid:42")

	// Usually in other programs:
	if _, err := paid.Set(ctx, map[string]any{"amount": 7}); err != nil {
		log.Fatal(err)
	}
	if _, err := c.Future("approval:42").Resolve(ctx, "by Ada"); err != nil {
		log.Fatal(err)
	}

	answer, err := c.Wait(ctx, client.All(fetched, approval, paid))
	if err != nil {
		log.Fatal(err)
	}
	for _, leaf := range answer.Done {
		switch {
		case leaf.Event != nil:
			fmt.Printf("event: %s\n", leaf.Event.Payload.JSON)
		case leaf.Future.Kind == api.KindPromise:
			fmt.Printf("promise: %s\n", leaf.Future.Result.JSON)
		default:
			fmt.Printf("fetch: %s\n", leaf.Future.Result.JSON)
		}
	}
	// Unordered output:
	// fetch: {"hello":"all"}
	// promise: "by Ada"
	// event: {"amount":7}
}

// The first of two is enough, and what is left of the other is cancelled.
func ExampleAny() {
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	slow, err := c.Timer(ctx, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fast, err := c.Fetch(ctx, api.FetchRequest{URL: targetURL + "/hello?name=any"})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := c.Wait(ctx, client.Any(slow, fast), client.CancelRest())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Outcome)
	settled, err := slow.Await(ctx)
	fmt.Println(settled.State, err != nil)
	// Output:
	// satisfied
	// cancelled true
}

// Take each as it completes, whatever the order in which they were named.
func ExampleClient_AsCompleted() {
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	var refs []client.Ref
	for _, region := range []string{"eu", "us", "ap"} {
		refs = append(refs, c.Event("deployed:"+region))
	}
	for _, ref := range slices.Backward(refs) {
		if _, err := ref.(*client.Event).Set(ctx, nil); err != nil {
			log.Fatal(err)
		}
	}
	for leaf, err := range c.AsCompleted(ctx, refs...) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(leaf.Ref, leaf.Outcome)
	}
	// Unordered output:
	// event:deployed:ap satisfied
	// event:deployed:us satisfied
	// event:deployed:eu satisfied
}

// A batch creates all of its futures or none.
func ExampleClient_FetchBatch() {
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	var requests []api.FetchRequest
	for _, name := range []string{"a", "b", "c"} {
		requests = append(requests, api.FetchRequest{URL: targetURL + "/hello?name=" + name})
	}
	futures, err := c.FetchBatch(ctx, requests)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range futures {
		settled, err := f.Await(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", settled.Result.JSON)
	}
	// Output:
	// {"hello":"a"}
	// {"hello":"b"}
	// {"hello":"c"}
}

// A group holds what belongs together: it is awaited, and cancelled, as one.
func ExampleClient_NewGroup() {
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()

	g, err := c.NewGroup(ctx, api.GroupRequest{CancelOnFailure: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := g.Fetch(ctx, api.FetchRequest{URL: targetURL + "/hello?name=" + name}); err != nil {
			log.Fatal(err)
		}
	}
	done, err := g.Await(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(done.Members.Succeeded, "succeeded")
	// Output: 3 succeeded
}

// What the server refuses has a code.
func ExampleCodeOf() {
	c, err := client.New(serverURL)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.Future("no-such-promise").Get(context.Background())
	fmt.Println(client.CodeOf(err) == api.CodeUnknownFuture, err)
	// Output: true unknown-future: There is no future no-such-promise.
}
