package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// listFutures is GET /futures.
func (s *Server) listFutures(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	query := record.FutureQuery{After: q.Get("cursor")}
	labels, faults := filters(q, &query)
	var fault *api.FieldError
	if query.Limit, fault = pageSize(q); fault != nil {
		faults = append(faults, *fault)
	}
	group, fault := memberIn(q)
	if fault != nil {
		faults = append(faults, *fault)
	}
	if len(faults) > 0 {
		return api.InvalidRequest(faults...)
	}
	if group != "" {
		member := store.MemberOf(group)
		query.Label = &member
	}
	if wantsStream(r) {
		return s.streamFutures(w, r, func(f *record.Future) bool {
			return (query.State == 0 || f.State == query.State) && (query.Kind == 0 || f.Kind == query.Kind) &&
				(group == "" || f.Group() == group) && hasAll(f, labels)
		})
	}
	found, next, err := s.kernel.Futures(r.Context(), query)
	if err != nil {
		return err
	}
	v := s.view()
	page := api.FuturePage{Futures: []api.Future{}, NextCursor: nextPage(w, r, next)}
	for _, f := range found {
		if hasAll(f.Future, labels) {
			page.Futures = append(page.Futures, *v.future(f))
		}
	}
	return answer(w, http.StatusOK, page)
}

// filters reads state, kind and label. The first label is looked up by its index; the others are compared.
func filters(q url.Values, query *record.FutureQuery) (labels []record.Label, faults []api.FieldError) {
	fault := func(name, detail string) { faults = append(faults, api.FieldError{Parameter: name, Detail: detail}) }
	if q.Has("state") {
		if query.State = numberOf(stateWords, api.State(q.Get("state"))); query.State == 0 {
			fault("state", "Give pending, running, succeeded, failed or cancelled.")
		}
	}
	if q.Has("kind") {
		if query.Kind = numberOf(kindWords, api.Kind(q.Get("kind"))); query.Kind == 0 {
			fault("kind", "Give fetch, promise, timer or wait.")
		}
	}
	labels, bad := labelsIn(q)
	if len(labels) > 0 {
		query.Label = &labels[0]
	}
	return labels, append(faults, bad...)
}

// labelsIn reads the labels of a list.
func labelsIn(q url.Values) (labels []record.Label, faults []api.FieldError) {
	for _, text := range q["label"] {
		key, value, colon := strings.Cut(text, ":")
		if !colon || !api.ValidLabelKey(key) {
			faults = append(faults, api.FieldError{Parameter: "label", Detail: "Give key:value."})
			continue
		}
		labels = append(labels, record.Label{Key: key, Value: value})
	}
	if len(labels) > api.LabelsMax {
		faults = append(faults, api.FieldError{Parameter: "label", Detail: "Nothing has that many labels."})
	}
	return labels, faults
}

// numberOf is the fact's number for a word of the wire, 0 when there is none.
func numberOf[N comparable, W comparable](words map[N]W, word W) (number N) {
	for n, w := range maps.All(words) {
		if w == word {
			return n
		}
	}
	return number
}

func hasAll(f *record.Future, labels []record.Label) bool {
	return !slices.ContainsFunc(labels, func(l record.Label) bool { return !slices.Contains(f.Labels(), l) })
}

func pageSize(q url.Values) (int, *api.FieldError) {
	if !q.Has("limit") {
		return api.PageDefault, nil
	}
	n, err := strconv.Atoi(q.Get("limit"))
	if err != nil || n < 1 || n > api.PageMax {
		return 0, &api.FieldError{Parameter: "limit", Detail: "Give a number from 1 to " + strconv.Itoa(api.PageMax) + "."}
	}
	return n, nil
}

// nextPage sets the link to the next page, if there is one.
func nextPage(w http.ResponseWriter, r *http.Request, next string) *string {
	if next == "" {
		return nil
	}
	q := r.URL.Query()
	q.Set("cursor", next)
	w.Header().Set("Link", "<"+r.URL.Path+"?"+q.Encode()+`>; rel="next"`)
	return &next
}

// listEvents is GET /events.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	var faults []api.FieldError
	prefix := q.Get("prefix")
	if prefix != "" && !api.ValidEventName(prefix) {
		faults = append(faults, api.FieldError{Parameter: "prefix", Detail: "No event has a name that begins so."})
	}
	limit, fault := pageSize(q)
	if fault != nil {
		faults = append(faults, *fault)
	}
	if len(faults) > 0 {
		return api.InvalidRequest(faults...)
	}
	found, next, err := s.kernel.Events(prefix, q.Get("cursor"), limit)
	if err != nil {
		return err
	}
	v := s.view()
	page := api.EventPage{Events: []api.Event{}, NextCursor: nextPage(w, r, next)}
	for _, e := range found {
		page.Events = append(page.Events, *v.event(e))
	}
	return answer(w, http.StatusOK, page)
}
