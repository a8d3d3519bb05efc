package api_test

import (
	stdjson "encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/awaitd/awaitd/api"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// Every page says what happened and what to do, under a slug of its own; pages stand by status.
func TestTheCatalogueIsComplete(t *testing.T) {
	slug := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[api.Code]bool{}
	last := 0
	for _, page := range api.ProblemPages() {
		switch {
		case seen[page.Code]:
			t.Errorf("%s stands there twice", page.Code)
		case !slug.MatchString(string(page.Code)):
			t.Errorf("%s is no slug", page.Code)
		case page.Status < last || page.Status < 400 || page.Status > 599:
			t.Errorf("%s has status %d after %d", page.Code, page.Status, last)
		case page.Title == "" || strings.HasSuffix(page.Title, "."):
			t.Errorf("%s has the title %q", page.Code, page.Title)
		case !strings.HasSuffix(page.Description, ".") || strings.Contains(page.Description, "  "):
			t.Errorf("%s is described as %q", page.Code, page.Description)
		}
		seen[page.Code], last = true, page.Status
		got, ok := api.ProblemPageOf(page.Code)
		if diff := cmp.Diff(page, got); !ok || diff != "" {
			t.Errorf("%s is not found: %s", page.Code, diff)
		}
	}
	if _, ok := api.ProblemPageOf("teapot"); ok {
		t.Error("a page that is not there was found")
	}
}

// A caller that changes its copy of the catalogue changes nobody else's.
func TestTheCatalogueIsACopy(t *testing.T) {
	api.ProblemPages()[0].Title = "mine"
	if api.ProblemPages()[0].Title == "mine" {
		t.Error("the catalogue was changed")
	}
}

// A problem has type, title and status from the catalogue, and is the JSON of RFC 9457.
func TestProblemsTakeTheirWordsFromTheCatalogue(t *testing.T) {
	p := api.NewProblem(api.CodeBusy, "")
	want := `{"type":"/problems/busy","title":"The server is busy","status":429,"detail":"The server is busy.",` +
		`"code":"busy"}`
	if got := string(marshal(t, p)); got != want {
		t.Errorf("got %s", got)
	}
	p = api.InvalidRequest(api.FieldError{Pointer: "/url", Detail: "The URL is required."})
	want = `{"type":"/problems/invalid-request","title":"The request is not as it should be","status":400,` +
		`"detail":"/url: The URL is required.","code":"invalid-request",` +
		`"errors":[{"pointer":"/url","detail":"The URL is required."}]}`
	if got := string(marshal(t, p)); got != want {
		t.Errorf("got %s", got)
	}
	if got := p.Error(); got != "invalid-request: /url: The URL is required." {
		t.Errorf("got %s", got)
	}
	if got := (api.FieldError{Parameter: "wait", Detail: "No."}).Error(); got != "wait: No." {
		t.Errorf("got %s", got)
	}
	mustBe(t, schema(t, "Problem"), marshal(t, api.NewProblem(api.CodeInternal, "It is our fault.")))
}

// A code without a page is a mistake of the program, not of the caller.
func TestAProblemWithoutAPagePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	api.NewProblem("teapot", "")
}

// The JSON file holds exactly what the YAML file does, in its order; a caller's copy is its own.
func TestTheContractAsJSONIsTheContract(t *testing.T) {
	var fromYAML, fromJSON any
	if err := yaml.Unmarshal(api.OpenAPIYAML(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if err := stdjson.Unmarshal(api.OpenAPIJSON(), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(plain(fromYAML), plain(fromJSON)) {
		t.Error("the two differ")
	}
	keys := regexp.MustCompile(`^\{"openapi":"3\.1\.0","info":\{"title":"awaitd","version":`)
	if !keys.Match(api.OpenAPIJSON()) {
		t.Errorf("the order is lost: %.100s", api.OpenAPIJSON())
	}
	api.OpenAPIJSON()[0] = 'x'
	api.OpenAPIYAML()[0] = 'x'
	if api.OpenAPIJSON()[0] != '{' || api.OpenAPIYAML()[0] != 'o' {
		t.Error("the embedded files were changed")
	}
}

// plain makes the numbers of YAML and JSON comparable.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case int:
		return float64(v)
	}
	return v
}
