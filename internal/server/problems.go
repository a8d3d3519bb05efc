package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/awaitd/awaitd/api"
)

// listProblems is GET /problems.
func (s *Server) listProblems(w http.ResponseWriter, r *http.Request) error {
	all := api.ProblemPages()
	w.Header().Set("Vary", "Accept")
	switch prefers(r, "text/html", "application/json", "text/plain") {
	case "text/html":
		return s.pages.write(w, "problems.html", all)
	case "application/json":
		return answer(w, http.StatusOK, all)
	}
	var text strings.Builder
	for _, p := range all {
		fmt.Fprintf(&text, "%d  %-24s %s\n", p.Status, p.Code, p.Title)
	}
	write(w, http.StatusOK, "text/plain; charset=utf-8", []byte(text.String()))
	return nil
}

// getProblem is GET /problems/{slug}.
func (s *Server) getProblem(w http.ResponseWriter, r *http.Request) error {
	page, ok := api.ProblemPageOf(api.Code(segment(w)))
	if !ok {
		return api.NewProblem(api.CodeNotFound, "There is no such problem; /problems lists those there are.")
	}
	w.Header().Set("Vary", "Accept")
	switch prefers(r, "text/html", "application/json", "text/plain") {
	case "text/html":
		return s.pages.write(w, "problem.html", page)
	case "application/json":
		return answer(w, http.StatusOK, page)
	}
	text := fmt.Sprintf("%d %s: %s\n\n%s\n", page.Status, page.Code, page.Title, page.Description)
	write(w, http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}
