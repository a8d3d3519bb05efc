// Command release waits, in one call, for two webhooks and a fetch: a release goes out when the tests have passed,
// the image has been built, and the status page of the target says that all is well.
//
//	go run ./examples/flaky &
//	go run ./cmd/server --allow-target 127.0.0.1/32 &
//	go run ./examples/release &
//	curl -H 'Content-Type: application/json' -d '{"sha":"4f2a"}' http://127.0.0.1:8080/events/tests-passed/set
//	curl -H 'Content-Type: application/json' -d '{"tag":"v1.2"}' http://127.0.0.1:8080/events/image-built/set
//
// AWAITD_URL and TARGET_URL say where the two are.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
)

var (
	awaitd = env("AWAITD_URL", "http://127.0.0.1:8080")
	target = env("TARGET_URL", "http://127.0.0.1:9090")
)

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// wait is the answer to POST /wait, as far as this program reads it.
type wait struct {
	Outcome string
	Done    []struct {
		Ref   string
		Event *struct {
			Payload struct{ JSON json.RawMessage }
		}
		Future *struct {
			Result struct{ JSON json.RawMessage }
		}
	}
	Pending []struct{ Ref string }
}

func main() {
	var status struct{ ID string }
	post("/fetch", map[string]any{"url": target + "/item/3", "retry": map[string]any{"min_backoff": "100ms"}}, &status)
	fmt.Println("waiting for event:tests-passed, event:image-built and", status.ID)

	all := map[string]any{"all": []string{"event:tests-passed", "event:image-built", status.ID}}
	var answer wait
	for answer.Outcome == "" || answer.Outcome == "pending" {
		post("/wait", map[string]any{"for": all, "timeout": "30s"}, &answer)
	}
	for _, leaf := range answer.Done {
		switch {
		case leaf.Event != nil:
			fmt.Printf("%s: %s\n", leaf.Ref, leaf.Event.Payload.JSON)
		case leaf.Future != nil:
			fmt.Printf("the fetch: %s\n", leaf.Future.Result.JSON)
		}
	}
	if answer.Outcome != "satisfied" {
		log.Fatal("no release: ", answer.Outcome)
	}
	fmt.Println("all is well: released")
}

// post sends v as JSON and reads the answer into out. 200 is decided, 202 is still pending.
func post(path string, v, out any) {
	body, err := json.Marshal(v)
	if err != nil {
		log.Fatal(err)
	}
	resp, err := http.Post(awaitd+path, "application/json", bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		var problem struct{ Title, Detail string }
		_ = json.NewDecoder(resp.Body).Decode(&problem)
		log.Fatalf("%s: %s: %s", path, problem.Title, problem.Detail)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		log.Fatal(err)
	}
}
