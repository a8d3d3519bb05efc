package docs

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/awaitd/awaitd/api"
)

// A node is a part of the OpenAPI document, its keys in order. The zero node is one that is not there.
type node struct {
	root *yaml.Node
	*yaml.Node
}

func contract(t *testing.T) node {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(api.OpenAPIYAML(), &document); err != nil {
		t.Fatal(err)
	}
	return node{document.Content[0], document.Content[0]}
}

// at follows keys. A $ref on the way is followed, unless the key stands beside it.
func (n node) at(keys ...string) node {
	for _, key := range keys {
		found := n.key(key)
		if found.Node == nil {
			if ref := n.key("$ref"); ref.Node != nil {
				found = node{n.root, n.root}.at(strings.Split(strings.TrimPrefix(ref.Value, "#/"), "/")...).key(key)
			}
		}
		n = found
	}
	return n
}

func (n node) key(key string) node {
	for k, v := range n.pairs() {
		if k == key {
			return v
		}
	}
	return node{n.root, nil}
}

// pairs are the keys and values of a mapping.
func (n node) pairs() func(yield func(string, node) bool) {
	return func(yield func(string, node) bool) {
		if n.Node == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, node{n.root, n.Content[i+1]}) {
				return
			}
		}
	}
}

// items are those of a list.
func (n node) items() []node {
	var all []node
	if n.Node != nil && n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			all = append(all, node{n.root, item})
		}
	}
	return all
}

// text is a value as it is written; nothing if it is not there.
func (n node) text() string {
	switch {
	case n.Node == nil:
		return ""
	case n.Kind == yaml.SequenceNode:
		var parts []string
		for _, item := range n.items() {
			parts = append(parts, item.text())
		}
		return strings.Join(parts, ", ")
	}
	return n.Value
}

// name is the last part of a $ref.
func (n node) name() string { return path.Base(n.key("$ref").text()) }

var methods = []string{"get", "post", "put", "patch", "delete"}

// The page of the API has every call: what it does, with which statuses it is answered, and which problems it may be.
func TestTheCallsAreThoseOfTheContract(t *testing.T) {
	c := contract(t)
	var all strings.Builder
	for _, tag := range c.at("tags").items() {
		rows := newTable("call", "does", "answers", "problems")
		calls := 0
		for path, item := range c.at("paths").pairs() {
			for method, call := range item.pairs() {
				if !slices.Contains(methods, method) || call.at("tags").text() != tag.at("name").text() {
					continue
				}
				calls++
				answers, problems := answersOf(call)
				rows.row(code(strings.ToUpper(method)+" "+path), call.at("summary").text(), answers, problems)
			}
		}
		if calls == 0 {
			t.Errorf("no call has the tag %s", tag.at("name").text())
		}
		name := tag.at("name").text()
		fmt.Fprintf(&all, "### %s\n\n%s\n\n%s\n", strings.ToUpper(name[:1])+name[1:], tag.at("description").text(), rows)
	}
	hold(t, "reference/api.md", "calls", all.String())
}

// answersOf are the statuses of a call that are no problem, with their meaning, and the codes of the problems.
func answersOf(call node) (answers, problems string) {
	var good, codes []string
	for status, answer := range call.at("responses").pairs() {
		if status < "400" {
			good = append(good, status+" "+strings.TrimSuffix(strings.TrimSpace(answer.at("description").text()), "."))
			continue
		}
		properties := answer.at("content", "application/problem+json", "schema").key("properties").at("code")
		for _, one := range append(properties.at("enum").items(), properties.at("const")) {
			if one.Node != nil && !slices.Contains(codes, one.Value) {
				codes = append(codes, one.Value)
			}
		}
	}
	return strings.Join(good, "; "), code(codes...)
}

// objects are the schemas that a caller writes or reads, in the order of the page.
var objects = []string{
	"FetchRequest", "Retry", "Limit", "Callback", "PromiseRequest", "TimerRequest", "DurableWaitRequest", "GroupRequest",
	"WaitRequest", "Future", "Attempt", "FetchResult", "FutureError", "CallbackView", "CallbackMessage", "Event",
	"Payload", "Group", "WaitAnswer", "Leaf", "LimitState", "Circuit", "Problem", "FieldError",
}

// The page of the API has every field of what is sent and answered.
func TestTheFieldsAreThoseOfTheContract(t *testing.T) {
	c := contract(t)
	var all strings.Builder
	for _, name := range objects {
		schema := c.at("components", "schemas", name)
		if schema.Node == nil {
			t.Fatalf("the contract has no %s", name)
		}
		required := schema.at("required").text()
		rows := newTable("field", "is", "default", "meaning")
		for field, value := range schema.at("properties").pairs() {
			shown := code(field)
			if slices.Contains(strings.Split(required, ", "), field) {
				shown += " *"
			}
			rows.row(shown, typeOf(value), code(value.at("default").text()), value.at("description").text())
		}
		fmt.Fprintf(&all, "### %s\n\n", name)
		if says := strings.TrimSpace(schema.at("description").text()); says != "" {
			fmt.Fprintf(&all, "%s\n\n", strings.Join(strings.Fields(says), " "))
		}
		fmt.Fprintf(&all, "%s\n", rows)
	}
	hold(t, "reference/api.md", "fields", all.String())
}

// The page of the API explains every word that it uses for the type of a field.
func TestTheWordsAreThoseOfTheContract(t *testing.T) {
	c := contract(t)
	used := map[string]bool{}
	for _, name := range objects {
		for _, value := range c.at("components", "schemas", name, "properties").pairs() {
			for word := range strings.FieldsSeq(typeOf(value)) {
				used[word] = true
			}
		}
	}
	rows := newTable("word", "is", "meaning")
	for name, schema := range c.at("components", "schemas").pairs() {
		if used[name] && !slices.Contains(objects, name) {
			rows.row(name, typeOf(schema), schema.at("description").text())
		}
	}
	hold(t, "reference/api.md", "words", rows.String())
}

// What is in the contract and not in this version is said on the page of the API, as long as there is such a thing.
func TestWhatIsMissingIsSaid(t *testing.T) {
	var said []string
	for paragraph := range strings.SplitSeq(contract(t).at("info", "description").text(), "\n\n") {
		if strings.Contains(paragraph, "`not-implemented`") {
			said = append(said, strings.Join(strings.Fields(paragraph), " "))
		}
	}
	hold(t, "reference/api.md", "missing", strings.Join(said, "\n\n"))
}

// typeOf says in a word what a value is: the name of a schema, one of several, a list of them, or a plain type.
func typeOf(value node) string {
	switch {
	case value.key("$ref").Node != nil:
		return value.name()
	case value.at("enum").Node != nil:
		return code(strings.Split(value.at("enum").text(), ", ")...)
	case value.at("const").Node != nil:
		return code(value.at("const").text())
	case value.at("oneOf").Node != nil:
		var kinds []string
		for _, one := range value.at("oneOf").items() {
			kinds = append(kinds, typeOf(one))
		}
		return strings.Join(kinds, " or ")
	case value.at("type").text() == "array":
		return "list of " + typeOf(value.at("items"))
	case value.at("type").text() != "":
		return strings.ReplaceAll(value.at("type").text(), ", ", " or ")
	}
	return "any JSON"
}
