package docs

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/awaitd/awaitd/api"
	"github.com/awaitd/awaitd/internal/await"
)

// The page of the limits has each bound with its value in the code. A bound of the rooms that is neither on the page
// nor in the list of those that nobody outside can see is a fault, so that a new one is not forgotten.
func TestTheLimitsAreThoseOfTheCode(t *testing.T) {
	known := bounds(t)
	flags := map[string]string{}
	for _, f := range serveFlags(t) {
		flags["--"+f.Name] = f.Default
	}
	explained := maps.Clone(unseen)
	for _, group := range limits {
		rows := newTable("bound", "value", "when it is reached")
		for _, l := range group.rows {
			value, setting := known[l.of], ""
			if strings.HasPrefix(l.of, "--") {
				value, setting = flags[l.of], " ("+code(l.of)+")"
			}
			if value == "" {
				t.Errorf("there is no %s", l.of)
			}
			explained[l.of] = true
			for _, other := range l.also {
				explained[other] = true
				if known[other] != value && !strings.HasPrefix(l.of, "--") {
					t.Errorf("%s is %s, and %s %s", l.of, value, other, known[other])
				}
			}
			rows.row(l.bound+setting, value, l.reached)
			mentionsOnlyCodes(t, l.reached)
		}
		hold(t, "reference/limits.md", group.name, rows.String())
	}
	for name := range explained {
		if known[name] == "" && flags[name] == "" {
			t.Errorf("the code has no %s any more", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !explained[name] {
			t.Errorf("%s (%s) is not on the page of the limits", name, known[name])
		}
	}
}

var problemCode = regexp.MustCompile("`([a-z]+(?:-[a-z]+)+)`")

// mentionsOnlyCodes demands that what looks like the code of a problem is one.
func mentionsOnlyCodes(t *testing.T, text string) {
	t.Helper()
	for _, m := range problemCode.FindAllStringSubmatch(text, -1) {
		if _, ok := api.ProblemPageOf(api.Code(m[1])); !ok {
			t.Errorf("there is no problem %s: %s", m[1], text)
		}
	}
}

// boundName is how the house names a bound.
var boundName = regexp.MustCompile(`(Max|Min|Most|Least|Patience)$|^(Default[A-Z].*|.*Default)$`)

// bounds are the constants of the rooms that are bounds, by room and name, and the limits of the kernel.
func bounds(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	rooms := []string{"api", "internal/server", "internal/await", "internal/fetch", "internal/store", "internal/app"}
	for _, room := range rooms {
		for name, value := range constants(t, filepath.Join("..", room)) {
			if boundName.MatchString(name) {
				found[filepath.Base(room)+"."+name] = value
			}
		}
	}
	kernel := reflect.ValueOf(await.DefaultLimits())
	for i := range kernel.NumField() {
		field := kernel.Type().Field(i)
		if d, ok := kernel.Field(i).Interface().(time.Duration); ok {
			found["Limits."+field.Name] = duration(d)
		} else {
			found["Limits."+field.Name] = number(field.Name, kernel.Field(i).Int())
		}
	}
	return found
}

// constants evaluates the constants of a folder. What they are made of but time is not looked at.
func constants(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			f, err := parser.ParseFile(set, filepath.Join(folder, e.Name()), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	config := types.Config{Importer: onlyTime{}, Error: func(error) {}, IgnoreFuncBodies: true}
	checked, _ := config.Check(folder, set, files, nil) // it complains of all that onlyTime does not know
	found := map[string]string{}
	for _, name := range checked.Scope().Names() {
		c, ok := checked.Scope().Lookup(name).(*types.Const)
		if !ok {
			continue
		}
		value, exact := constant.Int64Val(constant.ToInt(c.Val()))
		switch {
		case !exact:
		case c.Type().String() == "time.Duration":
			found[name] = duration(time.Duration(value))
		default:
			found[name] = number(name, value)
		}
	}
	return found
}

// onlyTime knows the units of package time, and of all other packages nothing.
type onlyTime struct{}

func (onlyTime) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, filepath.Base(path))
	if path == "time" {
		name := types.NewTypeName(token.NoPos, p, "Duration", nil)
		unit := types.NewNamed(name, types.Typ[types.Int64], nil)
		p.Scope().Insert(name)
		for word, d := range map[string]time.Duration{
			"Nanosecond": 1, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond, "Second": time.Second,
			"Minute": time.Minute, "Hour": time.Hour,
		} {
			p.Scope().Insert(types.NewConst(token.NoPos, p, word, unit, constant.MakeInt64(int64(d))))
		}
	}
	p.MarkComplete()
	return p, nil
}

// number is a number with its unit, which is in the name of its bound.
func number(name string, n int64) string {
	if strings.Contains(name, "Bytes") || strings.Contains(name, "bytes") || strings.HasPrefix(name, "BodyRate") {
		switch {
		case n > 1<<30 && n%(1<<30) == 0 || n == 1<<30:
			return fmt.Sprintf("%d GiB", n>>30)
		case n >= 1<<20 && n%(1<<20) == 0:
			return fmt.Sprintf("%d MiB", n>>20)
		case n >= 1<<10 && n%(1<<10) == 0:
			return fmt.Sprintf("%d KiB", n>>10)
		}
		return fmt.Sprintf("%d B", n)
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && len(digits) > 4; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

// duration is as short as it can be said.
func duration(d time.Duration) string {
	if d%(24*time.Hour) == 0 && d > 24*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	text := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if shorter, is := strings.CutSuffix(text, zero); is && shorter != "" && !strings.HasSuffix(shorter, "1") &&
			strings.ContainsAny(shorter[len(shorter)-1:], "hm") {
			text = shorter
		}
	}
	return text
}
