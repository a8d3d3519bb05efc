package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What asyncio's documentation says of its vocabulary (https://docs.python.org/3/library/asyncio-task.html,
// asyncio-future.html and asyncio-sync.html), shown over HTTP. docs/asyncio.md maps every name.

// promises makes them.
func (h *house) promises(ids ...string) {
	h.t.Helper()
	for _, id := range ids {
		h.want(201, h.post("/futures", `{"kind":"promise","id":"`+id+`"}`))
	}
}

func (h *house) resolve(id string) {
	h.t.Helper()
	h.want(200, h.post("/futures/"+id+"/resolve", `{"value":"`+id+`"}`))
}

func (h *house) reject(id string) {
	h.t.Helper()
	h.want(200, h.post("/futures/"+id+"/reject", `{"message":"No."}`))
}

// done is the refs of an answer's decided leaves, failed ones with a minus, and the pending ones in brackets.
func (r reply) done() string {
	var out []string
	list, _ := r.at("done").([]any)
	for _, l := range list {
		leaf := l.(map[string]any)
		ref := strings.TrimPrefix(fmt.Sprint(leaf["ref"]), "future:")
		if leaf["outcome"] == "failed" {
			ref = "-" + ref
		}
		out = append(out, ref)
	}
	list, _ = r.at("pending").([]any)
	for _, l := range list {
		out = append(out, "("+strings.TrimPrefix(fmt.Sprint(l.(map[string]any)["ref"]), "future:")+")")
	}
	return strings.Join(out, " ")
}

func (h *house) wantState(id, want string) {
	h.t.Helper()
	if got := h.get("/futures/" + id).text("state"); got != want {
		h.t.Errorf("%s is %s, want %s", id, got, want)
	}
}

// "The order of result values corresponds to the order of awaitables in aws". Here each result comes with the name of
// what it is of, in the order in which they happened, whether somebody was held meanwhile or not.
func TestAsyncioGatherNamesEachOfItsArguments(t *testing.T) {
	h := newHouse(t)
	h.promises("p", "q", "r")
	held := h.background(1, "GET", "/wait?all=future:p,future:q,future:r&results=none", "")
	h.resolve("r")
	h.resolve("p")
	h.resolve("q")
	if got := h.want(200, <-held).done(); got != "r p q" {
		t.Errorf("held: %s", got)
	}
	again := h.want(200, h.get("/wait?all=future:p,future:q,future:r"))
	if got := inNames(again.done()); got != "p q r" {
		t.Errorf("gathered: %s", again.body)
	}
	for i := range 3 {
		ref, result := again.text(fmt.Sprintf("done.%d.ref", i)), again.text(fmt.Sprintf("done.%d.future.result.json", i))
		if ref != "future:"+result {
			t.Errorf("%s brought %s", ref, result)
		}
	}
}

// inNames puts what done says, which may have happened in one millisecond, into the order of the names.
func inNames(done string) string {
	names := strings.Fields(done)
	slices.Sort(names)
	return strings.Join(names, " ")
}

// "The first raised exception is immediately propagated to the task that awaits on gather(). Other awaitables in the
// aws sequence won't be cancelled and will continue to run"; with return_exceptions they are results like others.
func TestAsyncioGatherLeavesTheSiblingsRunning(t *testing.T) {
	h := newHouse(t)
	h.promises("p", "q", "r")
	held := h.background(1, "GET", "/wait?all=future:p,future:q,future:r&results=none", "")
	h.reject("q")
	if r := h.want(200, <-held); r.text("outcome") != "failed" || r.done() != "-q (p) (r)" {
		t.Errorf("gather: %s", r.body)
	}
	h.wantState("p", "pending")
	h.resolve("p")
	h.resolve("r")
	r := h.want(200, h.post("/wait",
		`{"for":{"all":[{"settled":"future:p"},{"settled":"future:q"},{"settled":"future:r"}]}}`))
	if r.text("outcome") != "satisfied" || inNames(r.done()) != "-q p r" {
		t.Errorf("return_exceptions: %s", r.body)
	}
}

// wait() "returns two sets of Tasks/Futures: (done, pending)", at the first that is completed, at the first exception,
// or when all are; and "unlike wait_for(), does not cancel the futures when a timeout occurs".
func TestAsyncioWaitSplitsDoneFromPending(t *testing.T) {
	h := newHouse(t)
	h.promises("p", "q", "r")
	settled := `{"settled":"future:p"},{"settled":"future:q"},{"settled":"future:r"}`
	first := h.background(1, "POST", "/wait", `{"for":{"any":[`+settled+`]},"results":"none"}`)
	exception := h.background(2, "POST", "/wait", `{"for":{"all":["future:p","future:q","future:r"]},"results":"none"}`)
	all := h.background(3, "POST", "/wait", `{"for":{"all":[`+settled+`]},"results":"none"}`)
	h.resolve("q")
	if got := h.want(200, <-first).done(); got != "q (p) (r)" {
		t.Errorf("FIRST_COMPLETED: %s", got)
	}
	h.reject("p")
	if got := h.want(200, <-exception).done(); got != "q -p (r)" {
		t.Errorf("FIRST_EXCEPTION: %s", got)
	}
	h.resolve("r")
	if got := h.want(200, <-all).done(); got != "q -p r" {
		t.Errorf("ALL_COMPLETED: %s", got)
	}
	h.promises("s")
	if got := h.want(202, h.get("/wait?all=future:s,future:q&timeout=1ms")).done(); got != "q (s)" {
		t.Errorf("timeout: %s", got)
	}
	h.wantState("s", "pending")
}

// wait_for(): "If a timeout occurs, it cancels the task and raises TimeoutError."
func TestAsyncioWaitForCancelsAtItsTimeout(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	r := h.want(200, h.post("/wait", `{"for":{"any":["`+id+`","sleep:1ms"]},"cancel_rest":true,"results":"none"}`))
	if got := r.done(); got != "sleep:1ms ("+id+")" {
		t.Errorf("answer: %s", got)
	}
	if r := h.want(200, h.get("/futures/"+id+"?wait=20s")); r.text("error.type") != "cancelled" {
		t.Errorf("the task: %s", r.body)
	}
	h.promises("p")
	h.resolve("p")
	h.want(200, h.post("/wait", `{"for":{"any":["future:p","sleep:1h"]},"cancel_rest":true}`))
	h.wantState("p", "succeeded")
}

// shield(): if whoever awaits is cancelled, "the Task running in something() is not cancelled"; it is the default here.
// Without a shield is on_disconnect.
func TestAsyncioShieldIsTheDefault(t *testing.T) {
	h := newHouse(t)
	id := h.submit("/hang")
	outer := h.want(201, h.post("/futures", `{"kind":"wait","for":"`+id+`"}`)).text("id")
	h.want(200, h.post("/futures/"+outer+"/cancel", ""))
	h.leave("GET", "/futures/"+id+"?wait=50s", "")
	h.wantState(id, "running")
	h.leave("POST", "/wait", `{"for":"`+id+`","on_disconnect":"cancel"}`)
	h.want(200, h.get("/futures/"+id+"?wait=20s"))
	h.wantState(id, "cancelled")
}

// as_completed() yields "in the order they finish", failed ones too.
func TestAsyncioAsCompletedTellsInTheOrderOfCompletion(t *testing.T) {
	h := newHouse(t)
	h.promises("p", "q", "r")
	l := h.listen("POST", "/wait",
		`{"for":{"all":[{"settled":"future:p"},{"settled":"future:q"},{"settled":"future:r"}]},"results":"state"}`)
	h.resolve("r")
	l.want("completed", "ref future:r")
	h.reject("p")
	l.want("completed", "ref future:p", "outcome failed")
	h.resolve("q")
	l.want("completed", "ref future:q")
	l.want("decided", "outcome satisfied")
	l.end()
}

// Event.wait(): "If the event is set, return True immediately. Otherwise block until another task calls set()";
// clear(): "Tasks awaiting on wait() will now block until the set() method is called again". Who was woken stays
// woken.
func TestAsyncioEventIsALevel(t *testing.T) {
	h := newHouse(t)
	h.want(200, h.post("/events/e/set", ""))
	h.want(200, h.get("/events/e?wait=20s"))
	h.want(200, h.get("/wait?all=e"))
	h.want(200, h.post("/events/e/clear", ""))
	h.want(202, h.get("/events/e?wait=1ms"))
	one := h.background(1, "GET", "/events/e?wait=20s", "")
	two := h.background(2, "GET", "/wait?all=e&timeout=20s", "")
	if r := h.want(200, h.post("/events/e/set", "")); r.at("woken") != 2.0 {
		t.Errorf("set: %s", r.body)
	}
	h.want(200, h.post("/events/e/clear", ""))
	h.want(200, <-one)
	h.want(200, <-two)
}

// Future.cancel(): "If the Future is already done or cancelled, return False. Otherwise, change the Future's state to
// cancelled ... and return True."
func TestAsyncioCancelOfADoneFutureChangesNothing(t *testing.T) {
	h := newHouse(t)
	h.promises("p", "q", "r")
	h.resolve("p")
	r := h.wantProblem(409, "already-settled", h.post("/futures/p/cancel", ""))
	if r.text("future.state") != "succeeded" {
		t.Errorf("refusal: %s", r.body)
	}
	h.want(200, h.post("/futures/q/cancel", ""))
	h.want(200, h.post("/futures/q/cancel", "")) // the wish is granted already
	h.wantProblem(409, "already-settled", h.post("/futures/q/resolve", `{"value":1}`))
	// set_result(): "Raises an InvalidStateError if the Future is already done."
	h.reject("r")
	h.wantProblem(409, "already-settled", h.post("/futures/r/resolve", `{"value":1}`))
}

// TaskGroup: "The first time any of the tasks belonging to the group fails with an exception other than
// asyncio.CancelledError, the remaining tasks in the group are cancelled. No further tasks can then be added".
func TestAsyncioTaskGroupCancelsTheRemainingTasks(t *testing.T) {
	h := newHouse(t)
	group := h.want(201, h.post("/groups", `{"cancel_on_failure":true}`)).text("id")
	task := func(id string) {
		h.want(201, h.post("/futures", `{"kind":"promise","id":"`+id+`","group":"`+group+`"}`))
	}
	task("p")
	task("q")
	task("r")
	h.want(200, h.post("/futures/q/cancel", "")) // is no failure
	h.wantState("p", "pending")
	held := h.background(1, "GET", "/groups/"+group+"?wait=20s", "")
	h.reject("r")
	if r := h.want(200, <-held); r.text("outcome") != "failed" || r.at("members.cancelled") != 2.0 {
		t.Errorf("group: %s", r.body)
	}
	h.wantState("p", "cancelled")
	h.wantProblem(409, "group-closed", h.post("/futures", `{"kind":"promise","group":"`+group+`"}`))
}
