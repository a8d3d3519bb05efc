// Package contract checks, for tests, that what a server answers is what the OpenAPI file says.
//
// A test loads the Spec once, sends every answer through CheckResponse (or lets Transport do so), and at its end asks
// Unseen which documented answers nothing has shown.
package contract

import (
	"bytes"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/awaitd/awaitd/api"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Spec is the OpenAPI file, ready to check against. It may be used by several goroutines.
type Spec struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
	paths    []path
	anywhere map[string]*response // what is answered on any path, by the name of the component

	mu    sync.Mutex      // of what follows, and of the compiler
	seen  map[string]bool // "POST /fetch 202"
	codes map[api.Code]bool
}

// path is one path template with its operations by method.
type path struct {
	template   string
	segments   []string
	operations map[string]*operation
}

type operation struct {
	bodyRequired bool
	body         contents
	responses    map[int]*response
}

type response struct {
	headers map[string]header
	content contents
}

// contents is the schema for each media type; a nil schema allows anything, and a nil map nothing.
type contents map[string]*jsonschema.Schema

type header struct {
	required bool
	integer  bool
	schema   *jsonschema.Schema
}

const location = "awaitd:///openapi.json"

// New reads the embedded OpenAPI file and compiles every schema in it.
func New() (*Spec, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.OpenAPIJSON()))
	if err != nil {
		return nil, fmt.Errorf("reading the OpenAPI file: %w", err)
	}
	return newSpec(doc)
}

func newSpec(doc any) (*Spec, error) {
	s := &Spec{
		doc:      doc.(map[string]any),
		anywhere: make(map[string]*response),
		compiler: jsonschema.NewCompiler(),
		seen:     make(map[string]bool),
		codes:    make(map[api.Code]bool),
	}
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.AssertFormat()
	s.compiler.AssertContent()
	if err := s.compiler.AddResource(location, doc); err != nil {
		return nil, err
	}
	return s, s.load()
}

// load builds the paths.
func (s *Spec) load() (err error) {
	for _, name := range []string{"NotFound", "MethodNotAllowed", "CrossOrigin"} {
		if s.anywhere[name], err = s.at("components", "responses", name).response(); err != nil {
			return fmt.Errorf("response %s: %w", name, err)
		}
	}
	templates := s.at("paths").object()
	for _, template := range slices.Sorted(maps.Keys(templates)) {
		p := path{template: template, segments: strings.Split(template, "/"), operations: make(map[string]*operation)}
		item := s.at("paths", template)
		for name := range item.object() {
			if name == "parameters" {
				continue
			}
			op, err := item.get(name).operation()
			if err != nil {
				return fmt.Errorf("%s %s: %w", name, template, err)
			}
			p.operations[strings.ToUpper(name)] = op
		}
		s.paths = append(s.paths, p)
	}
	// Literal segments win over templates, so those come first.
	slices.SortStableFunc(s.paths, func(a, b path) int {
		return strings.Count(a.template, "{") - strings.Count(b.template, "{")
	})
	return nil
}

// Schema is the compiled schema of that name in components.
func (s *Spec) Schema(name string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at("components", "schemas", name).compile()
}

// find is the path whose template matches escapedPath, if any.
func (s *Spec) find(escapedPath string) *path {
	segments := strings.Split(escapedPath, "/")
	i := slices.IndexFunc(s.paths, func(p path) bool {
		return slices.EqualFunc(p.segments, segments, func(template, segment string) bool {
			return template == segment || strings.HasPrefix(template, "{") && segment != ""
		})
	})
	if i < 0 {
		return nil
	}
	return &s.paths[i]
}

// operation is what the path has for method; HEAD is GET without a body.
func (p *path) operation(method string) *operation {
	if method == "HEAD" {
		method = "GET"
	}
	return p.operations[method]
}

// Unseen is the documented answers that no call of CheckResponse has shown, as "POST /fetch 202", sorted; those with
// one of the exempt statuses are left out.
func (s *Spec) Unseen(exempt ...int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unseen []string
	for _, p := range s.paths {
		for method, op := range p.operations {
			for status := range op.responses {
				key := answerKey(method, p.template, status)
				if !s.seen[key] && !slices.Contains(exempt, status) {
					unseen = append(unseen, key)
				}
			}
		}
	}
	slices.Sort(unseen)
	return unseen
}

// UnseenCodes is the codes of the catalogue that no problem has shown, in the catalogue's order, without exempt.
func (s *Spec) UnseenCodes(exempt ...api.Code) []api.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unseen []api.Code
	for _, page := range api.ProblemPages() {
		if !s.codes[page.Code] && !slices.Contains(exempt, page.Code) {
			unseen = append(unseen, page.Code)
		}
	}
	return unseen
}

func answerKey(method, template string, status int) string {
	return method + " " + template + " " + strconv.Itoa(status)
}

// escaped is a path as it stands in a request line, without its query.
func escaped(target string) (string, error) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return "", fmt.Errorf("path %q: %w", target, err)
	}
	return u.EscapedPath(), nil
}
