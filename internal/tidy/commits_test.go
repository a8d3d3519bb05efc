package tidy

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A subject is the room, or the rooms, and what changed: "loop, await: wake in arrival order".
var subjectShape = regexp.MustCompile(`^[a-z0-9._/-]+(, [a-z0-9._/-]+)*: \S.{0,90}$`)

func oddSubjects(subjects []string) []string {
	var odd []string
	for _, s := range subjects {
		if !subjectShape.MatchString(s) && !strings.HasPrefix(s, "Merge ") {
			odd = append(odd, s)
		}
	}
	return odd
}

// TestSubjectsNameTheirRoom only tells: history is not rewritten to please a test.
func TestSubjectsNameTheirRoom(t *testing.T) {
	out, err := exec.Command("git", "log", "-50", "--format=%s").Output()
	if err != nil {
		t.Logf("no history to read: %v", err)
		return
	}
	for _, s := range oddSubjects(strings.Split(strings.TrimSpace(string(out)), "\n")) {
		t.Logf("subject is not \"room: what changed\": %s", s)
	}
}

// TestOddSubjectsAreSeen is the plant of the rule above.
func TestOddSubjectsAreSeen(t *testing.T) {
	got := oddSubjects([]string{
		"loop: wake in arrival order",
		"loop, await: one clock a turn",
		".ci: pin the tools",
		"Merge branch 'x'",
		"fix",
		"Loop: Wake",
		"loop:wake",
	})
	if diff := cmp.Diff([]string{"fix", "Loop: Wake", "loop:wake"}, got); diff != "" {
		t.Errorf("odd subjects (-want +got):\n%s", diff)
	}
}
