package contract

import (
	stdjson "encoding/json" // what the validator's numbers know
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/api"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// wireTypes is the Go type of each schema of an object. A schema that is one of several forms of a type stands under
// the name of the whole.
var wireTypes = map[string]reflect.Type{
	"FetchRequest": reflect.TypeFor[api.FetchRequest](), "Retry": reflect.TypeFor[api.Retry](),
	"Limit": reflect.TypeFor[api.Limit](), "Callback": reflect.TypeFor[api.Callback](),
	"BatchRequest": reflect.TypeFor[api.BatchRequest](), "BatchAnswer": reflect.TypeFor[api.BatchAnswer](),
	"FutureRequest": reflect.TypeFor[api.FutureRequest](), "ResolveRequest": reflect.TypeFor[api.ResolveRequest](),
	"RejectRequest": reflect.TypeFor[api.RejectRequest](), "Future": reflect.TypeFor[api.Future](),
	"Attempt": reflect.TypeFor[api.Attempt](), "RequestView": reflect.TypeFor[api.RequestView](),
	"FutureError": reflect.TypeFor[api.FutureError](), "FutureLinks": reflect.TypeFor[api.FutureLinks](),
	"FuturePage": reflect.TypeFor[api.FuturePage](), "Event": reflect.TypeFor[api.Event](),
	"Payload": reflect.TypeFor[api.Payload](), "EventLinks": reflect.TypeFor[api.EventLinks](),
	"EventPage": reflect.TypeFor[api.EventPage](), "WaitRequest": reflect.TypeFor[api.WaitRequest](),
	"WaitAnswer": reflect.TypeFor[api.WaitAnswer](), "Leaf": reflect.TypeFor[api.Leaf](),
	"LoopState": reflect.TypeFor[api.LoopState](), "SlowCallbacks": reflect.TypeFor[api.SlowCallbacks](),
	"SlowCallback": reflect.TypeFor[api.SlowCallback](), "LoopLag": reflect.TypeFor[api.LoopLag](),
	"LoopInbox": reflect.TypeFor[api.LoopInbox](), "LoopFutures": reflect.TypeFor[api.LoopFutures](),
	"LoopWorkers": reflect.TypeFor[api.LoopWorkers](), "LoopCommit": reflect.TypeFor[api.LoopCommit](),
	"LoopWait": reflect.TypeFor[api.LoopWait](), "Health": reflect.TypeFor[api.Health](),
	"Problem": reflect.TypeFor[api.Problem](), "FieldError": reflect.TypeFor[api.FieldError](),
	"LimitPage": reflect.TypeFor[api.LimitPage](), "LimitState": reflect.TypeFor[api.LimitState](),
	"Circuit": reflect.TypeFor[api.Circuit](), "CircuitLinks": reflect.TypeFor[api.CircuitLinks](),
	"CallbackView": reflect.TypeFor[api.CallbackView](), "CallbackMessage": reflect.TypeFor[api.CallbackMessage](),
	"WebhookKeys": reflect.TypeFor[api.WebhookKeys](), "WebhookKey": reflect.TypeFor[api.WebhookKey](),
	"ProblemPage": reflect.TypeFor[api.ProblemPage](), "GroupRequest": reflect.TypeFor[api.GroupRequest](),
	"Group": reflect.TypeFor[api.Group](), "GroupMembers": reflect.TypeFor[api.GroupMembers](),
	"GroupLinks": reflect.TypeFor[api.GroupLinks](), "GroupPage": reflect.TypeFor[api.GroupPage](),
}

// handRead is the schemas whose Go type reads and writes itself, and the forms of a type that is in wireTypes: Expr's
// round trip and the request types' own tests speak for them.
var handRead = []string{
	"EventExpr", "FutureExpr", "GroupExpr", "SleepExpr", "UntilExpr", "AllExpr", "AnyExpr", "AtLeastExpr", "SettledExpr",
	"PromiseRequest", "TimerRequest", "DurableWaitRequest", "FetchResult", "ValueResult",
	"RequestHeaders", "AnswerHeaders", "Labels",
}

// shape is what a schema and a Go struct have in common: for each field whether it is always present and whether it
// may be null.
type shape map[string]struct{ Required, Nullable bool }

// Each Go type has exactly the fields of its schema, required and nullable where the schema says so.
func TestEveryGoTypeMatchesItsSchema(t *testing.T) {
	s := load(t)
	for name, wire := range wireTypes {
		if diff := cmp.Diff(schemaShape(s.at("components", "schemas", name)), goShape(wire)); diff != "" {
			t.Errorf("%s (-schema +Go):\n%s", name, diff)
		}
	}
	// A Result is one of three forms, so nothing in it is always there.
	forms := shape{}
	for _, name := range []string{"FetchResult", "ValueResult", "WaitAnswer"} {
		maps.Copy(forms, schemaShape(s.at("components", "schemas", name)))
	}
	for name := range forms {
		forms[name] = struct{ Required, Nullable bool }{}
	}
	result := goShape(reflect.TypeFor[api.Result]())
	maps.Copy(result, goShape(reflect.TypeFor[api.WaitAnswer]()))
	for name := range result {
		result[name] = struct{ Required, Nullable bool }{}
	}
	if diff := cmp.Diff(forms, result); diff != "" {
		t.Errorf("Result (-schemas +Go):\n%s", diff)
	}
}

// A schema of an object that no Go type stands for cannot be forgotten.
func TestEveryObjectSchemaHasAGoType(t *testing.T) {
	s := load(t)
	for name, value := range s.at("components", "schemas").object() {
		schema := value.(map[string]any)
		if schema["type"] == "object" && wireTypes[name] == nil && !slices.Contains(handRead, name) {
			t.Errorf("schema %s has no Go type", name)
		}
	}
}

// schemaShape is the properties of an object, or of all forms of a union together.
func schemaShape(n node) shape {
	all := shape{}
	if forms, ok := n.object()["oneOf"].([]any); ok && n.object()["properties"] == nil {
		counts := map[string]int{}
		for i := range forms {
			form := n.spec.resolve(forms[i].(map[string]any)["$ref"].(string))
			for name, f := range schemaShape(form) {
				if f.Required {
					counts[name]++
				}
				f.Required = counts[name] == len(forms)
				all[name] = f
			}
		}
		return all
	}
	required, _ := n.object()["required"].([]any)
	for name := range n.get("properties").object() {
		property := n.get("properties").get(name)
		all[name] = struct{ Required, Nullable bool }{slices.Contains(required, any(name)), nullable(property)}
	}
	return all
}

func nullable(property node) bool {
	types, _ := property.object()["type"].([]any)
	forms, _ := property.object()["oneOf"].([]any)
	return slices.Contains(types, any("null")) || slices.ContainsFunc(forms, func(form any) bool {
		return form.(map[string]any)["type"] == "null"
	})
}

// goShape is the fields of a struct: without omitzero always present, and then null when a nil pointer.
func goShape(t reflect.Type) shape {
	all := shape{}
	for f := range t.Fields() {
		name, options, tagged := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			continue
		}
		if name == "" || tagged && options != "omitzero" {
			panic(fmt.Sprintf("%s.%s has the tag %q", t, f.Name, f.Tag))
		}
		all[name] = struct{ Required, Nullable bool }{!tagged, !tagged && f.Type.Kind() == reflect.Pointer}
	}
	return all
}

// Every object in an answer or a request is closed: a stray field is a fault.
func TestEveryObjectIsClosed(t *testing.T) {
	s := load(t)
	for name, value := range s.at("components", "schemas").object() {
		schema := value.(map[string]any)
		if schema["type"] == "object" && schema["additionalProperties"] == nil {
			t.Errorf("schema %s takes any field", name)
		}
	}
}

// walk visits every object of the OpenAPI file; pointer is a JSON pointer.
func walk(pointer jsontext.Pointer, value any, visit func(jsontext.Pointer, map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(pointer, v)
		for name, member := range v {
			walk(pointer.AppendToken(name), member, visit)
		}
	case []any:
		for i, item := range v {
			walk(pointer.AppendToken(strconv.Itoa(i)), item, visit)
		}
	}
}

// Every reference leads somewhere, and every component is reached by one.
func TestReferencesResolveAndComponentsAreUsed(t *testing.T) {
	s := load(t)
	used := map[string]bool{
		// What is answered on every path, operation or not.
		"#/components/responses/MethodNotAllowed": true,
		"#/components/responses/CrossOrigin":      true,
	}
	walk("", s.doc, func(at jsontext.Pointer, object map[string]any) {
		ref, ok := object["$ref"].(string)
		if !ok {
			return
		}
		used[ref] = true
		if s.resolve(ref).value == nil {
			t.Errorf("%s: %s leads nowhere", at, ref)
		}
	})
	for _, kind := range []string{"schemas", "responses", "parameters", "headers"} {
		for name := range s.at("components", kind).object() {
			if ref := "#/components/" + kind + "/" + name; !used[ref] {
				t.Errorf("nothing refers to %s", ref)
			}
		}
	}
}

// Every schema compiles, not only those on the way to an operation, and every example is of its schema.
func TestEveryExampleIsValid(t *testing.T) {
	s := load(t)
	examples := 0
	check := func(schema node, at jsontext.Pointer, example any) {
		examples++
		compiled, err := schema.compile()
		if err != nil {
			t.Errorf("%s: %v", at, err)
		} else if err := compiled.Validate(example); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	for name, value := range s.at("components", "schemas").object() {
		if _, err := s.Schema(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		walk(jsontext.Pointer("/components/schemas/"+name), value, func(at jsontext.Pointer, object map[string]any) {
			list, _ := object["examples"].([]any)
			for _, example := range list {
				check(s.resolve("#"+string(at)), at, example)
			}
		})
	}
	walk("", s.doc, func(at jsontext.Pointer, object map[string]any) {
		if object["schema"] == nil {
			return
		}
		schema := s.resolve("#" + string(at) + "/schema")
		if example := object["example"]; example != nil {
			// A list in a query stands in an example as it is written there.
			if text, ok := example.(string); ok && schema.object()["type"] == "array" {
				example = []any{text}
			}
			check(schema, at, example)
		}
		named, _ := object["examples"].(map[string]any)
		for name, example := range named {
			check(schema, at.AppendToken(name), example.(map[string]any)["value"])
		}
	})
	if examples < 40 {
		t.Errorf("only %d examples were found", examples)
	}
}

// The examples of answers are what the Go types read and write, to the letter but for white space.
func TestExamplesPassThroughTheGoTypes(t *testing.T) {
	s := load(t)
	passed := 0
	for name, wire := range wireTypes {
		examples, _ := s.at("components", "schemas", name).object()["examples"].([]any)
		for _, example := range examples {
			raw, err := stdjson.Marshal(example)
			want := canonical(t, raw, err)
			value := reflect.New(wire).Interface()
			if err := json.Unmarshal(want, value, json.RejectUnknownMembers(true)); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			out, err := json.Marshal(value)
			if diff := cmp.Diff(string(want), string(canonical(t, out, err))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			passed++
		}
	}
	if passed < 5 {
		t.Errorf("only %d examples passed", passed)
	}
}

func canonical(t *testing.T, v jsontext.Value, err error) jsontext.Value {
	t.Helper()
	if err == nil {
		err = v.Canonicalize()
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The file and the catalogue name the same problems, with the same statuses.
func TestProblemsAreThoseOfTheCatalogue(t *testing.T) {
	s := load(t)
	listed := s.at("components", "schemas", "ProblemCode").object()["enum"].([]any)
	statuses := map[string]string{} // by code, as the responses name them
	for name := range s.at("components", "responses").object() {
		schema := s.at("components", "responses", name, "content", api.ProblemMediaType, "schema", "properties")
		if schema.value == nil {
			continue
		}
		codes, _ := schema.get("code").object()["enum"].([]any)
		if code := schema.get("code").object()["const"]; code != nil {
			codes = append(codes, code)
		}
		if len(codes) == 0 {
			t.Errorf("response %s names no code", name)
		}
		for _, code := range codes {
			statuses[code.(string)] = fmt.Sprint(schema.get("status").object()["const"])
		}
	}
	want := map[string]string{}
	for _, page := range api.ProblemPages() {
		want[string(page.Code)] = strconv.Itoa(page.Status)
		if !slices.Contains(listed, any(string(page.Code))) {
			t.Errorf("ProblemCode does not list %s", page.Code)
		}
	}
	if len(listed) != len(want) {
		t.Errorf("ProblemCode lists %d codes, the catalogue %d", len(listed), len(want))
	}
	if diff := cmp.Diff(want, statuses); diff != "" {
		t.Errorf("(-catalogue +responses):\n%s", diff)
	}
}

// Responses stand in an operation under the status that their problem has.
func TestProblemsStandUnderTheirStatus(t *testing.T) {
	s := load(t)
	for template := range s.at("paths").object() {
		for method, op := range s.at("paths", template).object() {
			if method == "parameters" {
				continue
			}
			for status := range op.(map[string]any)["responses"].(map[string]any) {
				r := s.at("paths", template, method, "responses", status)
				is := r.get("content").get(api.ProblemMediaType).get("schema").get("properties").get("status")
				if got := is.object()["const"]; got != nil && fmt.Sprint(got) != status {
					t.Errorf("%s %s: status %v under %s", method, template, got, status)
				}
			}
		}
	}
}

// The words that Go code compares with are those that the file lists.
func TestEnumerationsAreTheSame(t *testing.T) {
	s := load(t)
	for name, want := range map[string][]any{
		"Kind":         {api.KindFetch, api.KindPromise, api.KindTimer, api.KindWait},
		"State":        {api.StatePending, api.StateRunning, api.StateSucceeded, api.StateFailed, api.StateCancelled},
		"SettledState": {api.StateSucceeded, api.StateFailed, api.StateCancelled},
		"Reason": {
			api.ReasonDelayed, api.ReasonQueued, api.ReasonRateLimited, api.ReasonCircuitOpen, api.ReasonBackoff,
			api.ReasonWaiting,
		},
		"Outcome": {api.OutcomePending, api.OutcomeSatisfied, api.OutcomeFailed},
		"Results": {api.ResultsFull, api.ResultsState, api.ResultsNone},
	} {
		compareEnum(t, s, name, want)
	}
	var types []any
	for _, word := range api.ErrorTypes() {
		types = append(types, word)
	}
	compareEnum(t, s, "ErrorType", types)
	var methods []any
	for _, word := range api.Methods() {
		methods = append(methods, word)
	}
	if diff := cmp.Diff(fmt.Sprint(methods...), fmt.Sprint(s.at("components", "schemas", "FetchRequest", "properties",
		"method").object()["enum"].([]any)...)); diff != "" {
		t.Errorf("methods (-Go +file):\n%s", diff)
	}
}

func compareEnum(t *testing.T, s *Spec, name string, want []any) {
	t.Helper()
	got := s.at("components", "schemas", name).object()["enum"].([]any)
	if diff := cmp.Diff(fmt.Sprint(want...), fmt.Sprint(got...)); diff != "" {
		t.Errorf("%s (-Go +file):\n%s", name, diff)
	}
}

// The bounds that Go code holds are those that the file names.
func TestBoundsAreTheSame(t *testing.T) {
	s := load(t)
	for _, c := range []struct {
		want int64
		path string
	}{
		{api.LeavesMax, "schemas/Exprs/maxItems"},
		{api.FetchesMax, "schemas/BatchRequest/properties/fetches/maxItems"},
		{api.URLBytesMax, "schemas/TargetURL/maxLength"},
		{api.HeadersMax, "schemas/RequestHeaders/maxProperties"},
		{api.LabelsMax, "schemas/Labels/maxProperties"},
		{api.LabelRunesMax, "schemas/Labels/additionalProperties/maxLength"},
		{api.StatusesMax, "schemas/Statuses/maxItems"},
		{api.RedactMax, "schemas/FetchRequest/properties/redact/maxItems"},
		{api.NameRunesMax, "schemas/FetchRequest/properties/redact/items/maxLength"},
		{api.MessageRunesMax, "schemas/RejectRequest/properties/message/maxLength"},
		{api.CursorBytesMax, "schemas/Cursor/maxLength"},
		{api.LimitKeyBytesMax, "schemas/LimitKey/maxLength"},
		{api.WaitCursorBytesMax, "schemas/WaitCursor/maxLength"},
		{api.ConcurrencyMax, "schemas/Limit/properties/concurrency/maximum"},
		{api.RateMax, "schemas/Limit/properties/rate/maximum"},
		{api.AttemptsMax, "schemas/Retry/properties/max_attempts/maximum"},
		{api.DefaultAttempts, "schemas/Retry/properties/max_attempts/default"},
		{api.RedirectsMax, "schemas/FetchRequest/properties/max_redirects/maximum"},
		{api.DefaultRedirects, "schemas/FetchRequest/properties/max_redirects/default"},
		{api.CountMax, "schemas/EventExpr/properties/times/maximum"},
		{int64(api.DurationMax.Seconds()), "schemas/DurationNumber/maximum"},
		{api.PageMax, "parameters/Limit/schema/maximum"},
		{api.PageDefault, "parameters/Limit/schema/default"},
		{api.LoopWaitsMax, "schemas/LoopState/properties/waits/maxItems"},
	} {
		got := s.at(append([]string{"components"}, strings.Split(c.path, "/")...)...).value
		if fmt.Sprint(got) != strconv.FormatInt(c.want, 10) {
			t.Errorf("%s is %v, in Go %d", c.path, got, c.want)
		}
	}
}
