package console

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func get(c *Console, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// Whatever a page, a script or a style sheet names is there: nothing comes from elsewhere, nothing is missing.
func TestWhatTheFilesNameIsThere(t *testing.T) {
	c := New()
	reference := regexp.MustCompile(`(?:src|href)="(/[^"]*)"|from "(\.[^"]+)"|":"(/console/[^"]+)"`)
	found := 0
	for name, f := range c.files {
		if strings.HasPrefix(name, "vendor/") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(string(f.plain), -1) {
			target := m[1] + m[3]
			if m[2] != "" {
				target = path.Join(Prefix, path.Dir(name), m[2])
			}
			if strings.HasPrefix(target, Prefix) {
				found++
				if !c.Has(target) {
					t.Errorf("%s names %s, which is not there", name, target)
				}
			}
		}
		if text := string(f.plain); strings.Contains(text, `src="http`) || strings.Contains(text, `from "http`) {
			t.Errorf("%s loads something from elsewhere", name)
		}
	}
	if found < 20 {
		t.Errorf("found only %d references", found)
	}
}

// What others wrote is as they released it, and their licences lie beside it.
func TestVendoredFilesAreUnchanged(t *testing.T) {
	c := New()
	rows := regexp.MustCompile(`(?m)^\| (\S+) \| (\S+) .* \| ([0-9a-f]{64}) \|$`).
		FindAllStringSubmatch(string(c.files["vendor/README.md"].plain), -1)
	listed := map[string]bool{}
	for _, row := range rows {
		f := c.files["vendor/"+row[1]]
		if f == nil {
			t.Errorf("%s is not there", row[1])
			continue
		}
		listed["vendor/"+row[1]] = true
		if sum := sha256.Sum256(f.plain); hex.EncodeToString(sum[:]) != row[3] {
			t.Errorf("%s has the sum %x", row[1], sum)
		}
		if c.files["vendor/"+row[2]+".LICENSE"] == nil {
			t.Errorf("the licence of %s is missing", row[2])
		}
	}
	for name := range c.files {
		if strings.HasPrefix(name, "vendor/") && !listed[name] && !strings.HasSuffix(name, ".LICENSE") &&
			name != "vendor/README.md" {
			t.Errorf("%s is in no row of vendor/README.md", name)
		}
	}
}

// All that a first visit loads takes less than 150 KB, compressed; and less than half of that is a habit to keep.
func TestTheConsoleIsSmall(t *testing.T) {
	total := 0
	for name, f := range New().files {
		switch path.Ext(name) {
		case ".LICENSE", ".md":
			continue
		}
		if f.zipped != nil {
			total += len(f.zipped)
		} else {
			total += len(f.plain)
		}
	}
	t.Logf("%d bytes", total)
	if total > 75_000 {
		t.Errorf("the console takes %d bytes", total)
	}
}

// The policy of a page allows its own import map and nothing else inline.
func TestThePolicyIsStrict(t *testing.T) {
	c := New()
	for _, page := range []string{"/", "/console/stories.html"} {
		w := get(c, page)
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, "script-src 'self' 'sha256-") ||
			strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: policy %q", page, policy)
		}
		if strings.Count(w.Body.String(), "<script>") != 0 || strings.Contains(w.Body.String(), "style=") {
			t.Errorf("%s has something inline", page)
		}
	}
}

// Files are sent compressed to who takes that, and not at all to who has them.
func TestFilesAreCompressedAndKept(t *testing.T) {
	c := New()
	plain, zipped := get(c, "/console/app.js"), get(c, "/console/app.js", "Accept-Encoding", "gzip")
	unzip, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil || string(text) != plain.Body.String() || zipped.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("%v, %v", err, zipped.Header())
	}
	if w := get(c, "/console/app.js", "If-None-Match", plain.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("asked again: %d", w.Code)
	}
	if w := get(c, "/console/nothing.js"); w.Code != http.StatusNotFound {
		t.Errorf("nothing: %d", w.Code)
	}
}

// Text stands out from what it stands on by 4.5 to 1 at least, in both themes: WCAG 2.2, 1.4.3, level AA.
func TestColoursMeetAA(t *testing.T) {
	sheet := string(New().files["style.css"].plain)
	colour := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`)
	for theme, start := range map[string]string{"light": `data-theme="light"] {`, "dark": `data-theme="dark"] {`} {
		_, rest, _ := strings.Cut(sheet, start)
		block, _, _ := strings.Cut(rest, "}")
		colours := map[string]string{}
		for _, m := range colour.FindAllStringSubmatch(block, -1) {
			colours[m[1]] = m[2]
		}
		for text, grounds := range map[string][]string{
			"ink": {"page", "card"}, "pale": {"page", "card"}, "accent": {"page", "card", "run-back"},
			"on-accent": {"accent"},
			"good":      {"good-back"}, "bad": {"bad-back", "card"},
			"warn": {"warn-back"}, "run": {"run-back"}, "rest": {"rest-back"},
		} {
			for _, ground := range grounds {
				if ratio := contrast(t, colours[text], colours[ground]); ratio < 4.5 {
					t.Errorf("%s: %s on %s has %.2f to 1", theme, text, ground, ratio)
				}
			}
		}
	}
}

// contrast is the ratio of WCAG 2.2.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	if len(colour) != 7 {
		t.Fatalf("%q is no colour", colour)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
