package server

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/awaitd/awaitd/api"
)

//go:embed pages
var pageFiles embed.FS

// pages are the few pages for people: no script, nothing from elsewhere, and a policy that allows just their style.
type pages struct {
	templates *template.Template
	policy    string
}

// newPages panics when an embedded page is broken; every test would show it.
func newPages() *pages {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		panic("server: " + err.Error())
	}
	functions := template.FuncMap{"style": func() template.CSS { return template.CSS(style) }}
	sum := sha256.Sum256(style)
	return &pages{
		templates: template.Must(template.New("").Funcs(functions).ParseFS(pageFiles, "pages/*.html")),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

func (p *pages) write(w http.ResponseWriter, name string, of any) error {
	var page bytes.Buffer
	if err := p.templates.ExecuteTemplate(&page, name, of); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Security-Policy", p.policy)
	w.Header().Set("Cache-Control", "no-cache")
	write(w, http.StatusOK, "text/html; charset=utf-8", page.Bytes())
	return nil
}

// Console has the files of the web console, by the paths of their requests.
type Console interface {
	http.Handler
	Has(path string) bool
}

// console is GET / and everything below /console/.
func (s *Server) console(w http.ResponseWriter, r *http.Request) error {
	if !s.Console.Has(r.URL.Path) {
		return api.NewProblem(api.CodeNotFound, "The console has no such file.")
	}
	s.Console.ServeHTTP(w, r)
	return nil
}

// prefers is the first of the offers that r's Accept names, or the last offer when it names none.
func prefers(r *http.Request, offers ...string) string {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	best, at := offers[len(offers)-1], len(accept)
	for _, offer := range offers {
		if i := strings.Index(accept, offer); i >= 0 && i < at {
			best, at = offer, i
		}
	}
	return best
}
