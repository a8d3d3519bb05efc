package contract

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// node is a place in the OpenAPI file. References are followed as it is reached.
type node struct {
	spec    *Spec
	pointer string // as a URI fragment
	value   any    // nil when there is nothing at this place
}

func (s *Spec) at(names ...string) node {
	n := node{spec: s, value: s.doc}
	for _, name := range names {
		n = n.get(name)
	}
	return n
}

// get is the member name of an object, or the item with that number of a list. A $ref is followed only where it
// stands alone: in a schema with other keywords beside it, it is a keyword like them.
func (n node) get(name string) node {
	token := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	n.pointer += "/" + url.PathEscape(token)
	n.value = n.member(name)
	if ref, ok := n.object()["$ref"].(string); ok && len(n.object()) == 1 {
		return n.spec.resolve(ref)
	}
	return n
}

// member is the value of the member name of an object, or of the item with that number of a list.
func (n node) member(name string) any {
	list, isList := n.value.([]any)
	if i, err := strconv.Atoi(name); isList && err == nil && 0 <= i && i < len(list) {
		return list[i]
	}
	return n.object()[name]
}

func (n node) object() map[string]any {
	object, _ := n.value.(map[string]any)
	return object
}

// resolve is the place that a reference names. A reference that leads nowhere has no value; compile reports it.
func (s *Spec) resolve(ref string) node {
	n := node{spec: s, value: s.doc}
	for token := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		n = n.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
	}
	return n
}

// compile makes the schema at this place ready.
func (n node) compile() (*jsonschema.Schema, error) {
	if n.value == nil {
		return nil, fmt.Errorf("nothing at #%s", n.pointer)
	}
	return n.spec.compiler.Compile(location + "#" + n.pointer)
}

func (n node) operation() (*operation, error) {
	body := n.get("requestBody")
	op := &operation{responses: make(map[int]*response)}
	op.bodyRequired, _ = body.object()["required"].(bool)
	var err error
	if op.body, err = body.contents(); err != nil {
		return nil, err
	}
	for name := range n.get("responses").object() {
		status, err := strconv.Atoi(name)
		if err != nil {
			return nil, fmt.Errorf("status %q: %w", name, err)
		}
		if op.responses[status], err = n.get("responses").get(name).response(); err != nil {
			return nil, fmt.Errorf("status %d: %w", status, err)
		}
	}
	return op, nil
}

func (n node) response() (*response, error) {
	if n.value == nil {
		return nil, fmt.Errorf("nothing at #%s", n.pointer)
	}
	r := &response{headers: make(map[string]header)}
	var err error
	if r.content, err = n.contents(); err != nil {
		return nil, err
	}
	for name := range n.get("headers").object() {
		h := n.get("headers").get(name)
		schema, err := h.get("schema").compile()
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		required, _ := h.object()["required"].(bool)
		integer := h.get("schema").object()["type"] == "integer"
		r.headers[name] = header{required, integer, schema}
	}
	return r, nil
}

func (n node) contents() (contents, error) {
	content := n.get("content")
	if content.value == nil {
		return nil, nil
	}
	all := make(contents)
	for media := range content.object() {
		schema := content.get(media).get("schema")
		if schema.value == nil {
			all[media] = nil
			continue
		}
		compiled, err := schema.compile()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", media, err)
		}
		all[media] = compiled
	}
	return all, nil
}
