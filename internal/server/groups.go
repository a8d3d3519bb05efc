package server

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
	"github.com/awaitd/awaitd/internal/record"
)

// groupOf is the id of the group in the path.
func groupOf(w http.ResponseWriter) (string, error) {
	id := segment(w)
	if !api.ValidGroupID(id) {
		return "", badParameter("id", `The id of a group is "grp_" and 26 characters, as the server gave it.`)
	}
	return id, nil
}

func pathOfGroup(id string) string { return "/groups/" + id }

// etagOfGroup is its version: no id comes again.
func etagOfGroup(g *record.Group) string { return `"` + strconv.FormatUint(g.Version, 10) + `"` }

// group shows one group.
func (v *view) group(g *record.Group) *api.Group {
	self := pathOfGroup(g.ID)
	shown := &api.Group{
		ID: g.ID, State: api.GroupOpen, Outcome: outcomeWords[await.GroupOutcome(g)], Version: g.Version,
		CreatedAt: api.Time{Time: g.CreatedAt.Time()}, DeadlineAt: timeOf(g.DeadlineAt), LeaseUntil: timeOf(g.LeaseUntil),
		ClosedAt: timeOf(g.ClosedAt), ExpiresAt: timeOf(g.ExpiresAt), Labels: map[string]string{},
		CancelOnFailure: g.CancelOnFailure, Error: failureOf(g.Failure),
		Members: api.GroupMembers{Pending: g.Pending, Succeeded: g.Succeeded, Failed: g.Failed, Cancelled: g.Cancelled},
		Links: api.GroupLinks{
			Self: self, Wait: self + "?wait=25s", Cancel: self + "/cancel", Futures: "/futures?group=" + g.ID,
		},
	}
	if g.ClosedAt != 0 {
		shown.State = api.GroupClosed
	}
	if g.Lease > 0 {
		shown.Lease, shown.Links.Renew = (*api.Duration)(&g.Lease), self+"/renew"
	}
	for _, l := range g.Labels {
		shown.Labels[l.Key] = l.Value
	}
	return shown
}

// createGroup is POST /groups. A group without any wishes needs no body.
func (s *Server) createGroup(w http.ResponseWriter, r *http.Request) error {
	var q api.GroupRequest
	if err := s.decodeIfAny(w, r, SubmitBytesMax, &q); err != nil {
		return err
	}
	c := &record.CreateGroup{Labels: labelsOf(q.Labels), TTL: ttlOf(q.TTL), CancelOnFailure: q.CancelOnFailure}
	if q.Lease != nil {
		c.Lease = time.Duration(*q.Lease)
	}
	if d := q.Deadline; d != nil {
		c.Deadline = time.Duration(d.In)
		switch now := s.Now(); {
		case d.At.IsZero():
		case !d.At.After(now):
			return api.InvalidRequest(api.FieldError{Pointer: "/deadline", Detail: momentPassed})
		case d.At.Sub(now) > api.DurationMax:
			return api.InvalidRequest(api.FieldError{Pointer: "/deadline", Detail: tooFar})
		default:
			c.Until = record.TimeOf(d.At.Time)
		}
	}
	made, err := s.ids.take("grp_", s.Now(), 1)
	if err != nil {
		return err
	}
	c.ID = made[0]
	c.Key, c.KeyTTL = s.keyFor(w, r)
	answered, err := s.kernel.CreateGroup(r.Context(), c)
	if err != nil {
		return err
	}
	if answered.Replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("Location", pathOfGroup(answered.Group.ID))
	return s.groupAnswer(w, http.StatusCreated, answered.Group)
}

func (s *Server) groupAnswer(w http.ResponseWriter, status int, g *record.Group) error {
	w.Header().Set("ETag", etagOfGroup(g))
	return answer(w, status, s.view().group(g))
}

// getGroup is GET /groups/{id}.
func (s *Server) getGroup(w http.ResponseWriter, r *http.Request) error {
	id, err := groupOf(w)
	if err != nil {
		return err
	}
	held, err := s.patience(r)
	if err != nil {
		return err
	}
	held.heeded(w)
	expr := &api.Expr{Op: api.OpGroup, Ref: id}
	return s.hold(w, r, await.WaitRequest{For: expr, Timeout: held.hold}, s.waitedGroup)
}

func (s *Server) waitedGroup(w http.ResponseWriter, r *http.Request, a *await.WaitAnswer, err error) error {
	if err != nil {
		return err
	}
	g := firstLeaf(a).Group
	if unchanged(w, r, etagOfGroup(g)) {
		return nil
	}
	status := http.StatusOK
	if a.Outcome == await.Pending {
		status = http.StatusAccepted
		comeBack(w)
	}
	return s.groupAnswer(w, status, g)
}

// cancelGroup is POST /groups/{id}/cancel.
func (s *Server) cancelGroup(w http.ResponseWriter, r *http.Request) error {
	id, err := groupOf(w)
	if err != nil {
		return err
	}
	g, err := s.kernel.CancelGroup(r.Context(), id)
	if err != nil {
		return err
	}
	return s.groupAnswer(w, http.StatusOK, g)
}

// renewGroup is POST /groups/{id}/renew.
func (s *Server) renewGroup(w http.ResponseWriter, r *http.Request) error {
	id, err := groupOf(w)
	if err != nil {
		return err
	}
	g, err := s.kernel.RenewGroup(r.Context(), id)
	if err != nil {
		return err
	}
	return s.groupAnswer(w, http.StatusOK, g)
}

// listGroups is GET /groups.
func (s *Server) listGroups(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	labels, faults := labelsIn(q)
	limit, fault := pageSize(q)
	if fault != nil {
		faults = append(faults, *fault)
	}
	if len(faults) > 0 {
		return api.InvalidRequest(faults...)
	}
	var first *record.Label
	if len(labels) > 0 {
		first = &labels[0]
	}
	found, next, err := s.kernel.Groups(first, q.Get("cursor"), limit)
	if err != nil {
		return err
	}
	v := s.view()
	page := api.GroupPage{Groups: []api.Group{}, NextCursor: nextPage(w, r, next)}
	for _, g := range found {
		missing := func(l record.Label) bool { return !slices.Contains(g.Labels, l) }
		if !slices.ContainsFunc(labels, missing) {
			page.Groups = append(page.Groups, *v.group(g))
		}
	}
	return answer(w, http.StatusOK, page)
}

// memberIn reads ?group= of a list of futures; empty for none.
func memberIn(q url.Values) (string, *api.FieldError) {
	if id := q.Get("group"); !q.Has("group") || api.ValidGroupID(id) {
		return id, nil
	}
	return "", &api.FieldError{Parameter: "group", Detail: "Give the id of a group."}
}
