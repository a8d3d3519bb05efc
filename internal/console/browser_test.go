package console

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var pictures = flag.Bool("pictures", false, "write the screenshots in docs/images anew")

// patience is how long a page may take to show something.
const patience = 60 * time.Second

// need finds a program, or skips; in CI it fails.
func need(t *testing.T, program, how string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("AWAITD_CI") != "":
		t.Fatalf("%s is not here: %s", program, how)
	default:
		t.Skipf("%s is not here: %s", program, how)
	}
	return ""
}

// startServer builds and starts the real server and returns its address.
func startServer(t *testing.T, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "awaitd")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", bin, "../../cmd/server").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	args := []string{
		"--addr", "127.0.0.1:0", "--log-format", "json", "--allow-target", "127.0.0.1/32",
		"--data-dir", filepath.Join(dir, "awaitd-data"),
	}
	cmd := exec.Command(bin, append(args, more...)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	find := regexp.MustCompile(`"url":"(http://[^"]+)"`)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if m := find.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return m[1]
		}
	}
	t.Fatal("the server did not say where it listens")
	return ""
}

// startTarget is a target that fails twice for each path below /flaky. The third answer of /flaky/1 waits for relent,
// so that a slow browser sees what comes before it; /hang answers when the test ends; /picture is one.
func startTarget(t *testing.T) (url string, relent func()) {
	t.Helper()
	over, relented := make(chan bool), make(chan bool)
	var tries sync.Map
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/hang":
			select {
			case <-over:
			case <-r.Context().Done():
			}
		case r.URL.Path == "/picture":
			w.Header().Set("Content-Type", "image/svg+xml")
			_, _ = w.Write([]byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`))
		case strings.HasPrefix(r.URL.Path, "/flaky"):
			n, _ := tries.LoadOrStore(r.URL.Path, new(atomic.Int64))
			if n.(*atomic.Int64).Add(1) <= 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if r.URL.Path == "/flaky/1" {
				select {
				case <-relented:
				case <-over:
				case <-r.Context().Done():
				}
			}
			fallthrough
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"path":%q}`, r.URL.Path)
		}
	}))
	t.Cleanup(func() {
		close(over)
		s.Close()
	})
	return s.URL, func() { close(relented) }
}

// tab is a page in a real browser. Whatever it writes to the console as an error is kept.
type tab struct {
	*testing.T
	ctx    context.Context
	server string

	mu     sync.Mutex
	faults []string
}

func openTab(t *testing.T, server string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(need(t, "chromium", "apt-get install chromium")), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute),
	)
	browser, endBrowser := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(browser)
	p := &tab{T: t, ctx: ctx, server: server}
	messages := chromedp.Console(ctx)
	heard := make(chan bool)
	go func() {
		defer close(heard)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException {
				p.mu.Lock()
				p.faults = append(p.faults, m.String())
				p.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		end()
		endBrowser()
		<-heard
	})
	return p
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

func (p *tab) open(path string) {
	p.Helper()
	p.do(chromedp.Navigate(p.server + path))
}

// see waits until an expression of JavaScript is true.
func (p *tab) see(what, expression string) {
	p.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool](expression,
		chromedp.WithPollingInterval(30*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.Fatalf("%s: %v; the page says:\n%s", what, err, text)
	}
}

// seeText waits until an element shows a text.
func (p *tab) seeText(selector, text string) {
	p.Helper()
	quoted, _ := json.Marshal(text)
	p.see(selector+" shows "+text, fmt.Sprintf(
		`[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%s))`, selector, quoted))
}

// call asks the server as somebody else would.
func (p *tab) call(method, path, body string) map[string]any {
	p.Helper()
	req, err := http.NewRequest(method, p.server+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode > 299 {
		p.Fatalf("%s %s: %s %v %v", method, path, resp.Status, err, answer)
	}
	return answer
}

// noFaults demands that the console of the browser has no error.
func (p *tab) noFaults() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 {
		p.Errorf("the browser's console says:\n%s", strings.Join(p.faults, "\n"))
	}
}

// Each view does its work in a real browser, against the real server and real fetches, and the browser has nothing to
// complain about.
func TestTheConsoleInARealBrowser(t *testing.T) {
	need(t, "chromium", "apt-get install chromium")
	server := startServer(t)
	target, relent := startTarget(t)
	p := openTab(t, server)

	p.open("/")
	p.see("charts", `document.querySelectorAll(".chart canvas").length === 6`)
	p.see("tiles", `document.querySelectorAll(".tile dd").length === 8`)
	p.see("samples arrive by themselves", `performance.getEntriesByType("resource").length > 0 &&
		[...document.querySelectorAll(".chart .legend b")].filter((b) => /\d/.test(b.textContent)).length >= 6`)

	// A fetch is composed, sent, and watched while it retries and succeeds.
	p.open("/#/try")
	p.do(chromedp.SendKeys(`input[type=url]`, target+"/flaky/1"))
	p.seeText(".curl pre", target+"/flaky/1")
	p.do(chromedp.Click(`form button.primary`))
	p.seeText(`[role=status]`, "Submitted")
	p.do(chromedp.Click(`[role=status] a`))
	p.seeText(".why", "attempt")
	p.see("the first attempt is shown while the next is awaited", `document.querySelectorAll(".timeline li").length >= 1`)
	relent()
	p.seeText(".lead .state", "succeeded")
	p.see("three attempts", `document.querySelectorAll(".timeline li").length === 3`)
	p.seeText(".value", "/flaky/1")

	// One that hangs is cancelled.
	hanging := p.call("POST", "/fetch", fmt.Sprintf(`{"url":%q,"labels":{"job":"hang"}}`, target+"/hang"))
	p.open("/#/futures/" + hanging["id"].(string))
	p.seeText(".lead .state", "running")
	p.do(chromedp.Click("button.danger"))
	p.seeText(".lead .state", "cancelled")

	// A promise is resolved by hand.
	p.call("POST", "/futures", `{"kind":"promise","id":"by-hand"}`)
	p.open("/#/futures/by-hand")
	p.seeText(".lead .state", "pending")
	p.do(chromedp.Click(".bar button.primary"))
	p.seeText(".lead .state", "succeeded")

	// A picture is shown as one.
	picture := p.call("POST", "/fetch?wait=20s", fmt.Sprintf(`{"url":%q}`, target+"/picture"))
	p.open("/#/futures/" + picture["id"].(string))
	p.see("a picture", `document.querySelector("img.picture")?.naturalWidth > 0`)

	// The leaves of a wait that somebody else holds light up as well; what nobody waits for is listed.
	gather := p.call("POST", "/futures",
		`{"kind":"wait","for":{"all":["event:left",{"any":["event:right","sleep:1h"]}]}}`)
	p.open("/#/waits")
	p.see("three dark leaves", `document.querySelectorAll(".wait .leaf.pending").length === 3`)
	p.see("it waits, and nobody for it",
		fmt.Sprintf(`document.querySelectorAll(".ids [title='%s']").length === 1`, gather["id"]))
	p.call("POST", "/events/right/set", "")
	p.see("the second lit", `[...document.querySelectorAll(".wait .leaf")].map((l) => l.classList[1]).join() ===
		"pending,satisfied,pending"`)
	p.call("POST", "/events/left/set", "")
	p.see("it is over", `document.querySelectorAll(".wait .leaf").length === 0`)

	// The list filters, and never holds more than a page.
	var batch []string
	for i := range 120 {
		batch = append(batch, fmt.Sprintf(`{"url":%q,"delay":"1h","labels":{"n":"%d"}}`, target+"/later", i%2))
	}
	p.call("POST", "/fetch/batch", `{"fetches":[`+strings.Join(batch, ",")+`]}`)
	p.open("/#/futures?state=cancelled")
	p.see("one cancelled", `document.querySelectorAll("tbody tr").length === 1`)
	p.open("/#/futures?label=n:1")
	p.see("a page of them", `document.querySelectorAll("tbody tr").length === 50`)
	p.do(chromedp.Click(`nav[aria-label=Pages] button:last-child`))
	p.see("the last page", `document.querySelectorAll("tbody tr").length === 10`)

	// An event is set, pulsed and cleared; each generation shows.
	p.open("/#/events/deploy-ok")
	p.do(chromedp.SendKeys(`.bar input`, `{"sha":"4f2a"}`), chromedp.Click(`.bar button.primary`))
	p.seeText(".lead", "generation 1")
	p.seeText(".value", "4f2a")
	p.do(chromedp.Click(`.bar button:nth-of-type(2)`))
	p.seeText(".lead", "generation 2")
	p.do(chromedp.Click(`.bar button:nth-of-type(3)`))
	p.seeText(".lead .state", "clear")
	p.open("/#/events")
	p.seeText("tbody td", "deploy-ok")

	// The leaves of a wait light up, one by one, as others set what it waits for.
	p.open("/#/waits?for=" + `%7B%22all%22%3A%5B%22event%3Aeu%22%2C%22event%3Aus%22%5D%7D`)
	p.do(chromedp.Click(`form.own button`))
	p.see("two dark leaves", `document.querySelectorAll(".own-wait .leaf.pending").length === 2`)
	p.see("the wait is listed", `document.querySelectorAll(".cards .wait").length === 1`)
	p.call("POST", "/events/eu/set", "")
	p.see("one lit", `document.querySelectorAll(".own-wait .leaf.satisfied").length === 1`)
	p.call("POST", "/events/us/set", "")
	p.see("both lit", `document.querySelectorAll(".own-wait .leaf.satisfied").length === 2`)
	p.seeText(".own-wait .state", "satisfied")

	p.open("/#/limits")
	p.seeText("tbody td", strings.TrimPrefix(target, "http://"))
	p.noFaults()
}

// Without a mouse: past the names of the views to the content, and from one view to the next.
func TestTheConsoleByKeyboard(t *testing.T) {
	need(t, "chromium", "apt-get install chromium")
	p := openTab(t, startServer(t))
	p.open("/")
	p.see("the shell", `document.querySelector("header nav a") !== null`)
	p.do(chromedp.KeyEvent(kb.Tab))
	p.see("the first stop skips the rest", `document.activeElement?.matches("a.skip")`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.see("the content has the focus", `document.activeElement?.matches("main")`)
	p.open("/#/try")
	p.seeText("h1", "Try it")
	p.do(chromedp.Focus(`header nav a[href="#/waits"]`), chromedp.KeyEvent(kb.Enter))
	p.seeText("h1", "Waits")
	p.do(chromedp.Focus("form.own textarea"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	p.see("a wait begins", `document.querySelectorAll(".own-wait .leaf").length === 3`)
	p.noFaults()
}

// A server with keys asks for one, in the page; what it shows then it has asked for with the key.
func TestTheConsoleAsksForTheKey(t *testing.T) {
	need(t, "chromium", "apt-get install chromium")
	key := "awk_" + strings.Repeat("k", 43)
	file := filepath.Join(t.TempDir(), "keys")
	line := fmt.Sprintf("console:%x\n", sha256.Sum256([]byte(key)))
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	p := openTab(t, startServer(t, "--api-keys-file", file))
	p.open("/#/overview")
	p.seeText("h1", "asks for a key")
	p.do(chromedp.SendKeys("input[type=password]", key), chromedp.Click("button.primary"))
	p.see("tiles", `document.querySelectorAll(".tile dd").length === 8`)
	p.open("/#/events/deploy-ok")
	p.do(chromedp.Click(`.bar button.primary`))
	p.seeText(".lead", "generation 1")
}

// Nobody is left out: no serious finding by axe in any view and either theme, and nothing sticks out at 390 pixels.
func TestTheConsoleIsForEverybody(t *testing.T) {
	need(t, "chromium", "apt-get install chromium")
	axe := axeSource(t)
	server := startServer(t)
	target, _ := startTarget(t)
	p := openTab(t, server)
	retried := p.call("POST", "/fetch?wait=20s", fmt.Sprintf(
		`{"url":%q,"retry":{"min_backoff":"100ms"},"labels":{"order":"42"}}`, target+"/flaky/axe"))["id"].(string)
	for range 2 { // the second has to wait
		p.call("POST", "/fetch",
			fmt.Sprintf(`{"url":%q,"limit":{"key":"tenant-7","concurrency":1,"rate":10}}`, target+"/hang"))
	}
	hanging := p.call("POST", "/fetch", fmt.Sprintf(`{"url":%q,"labels":{"order":"43"}}`, target+"/hang"))["id"]
	p.call("POST", "/futures", `{"kind":"promise","id":"approval:42","labels":{"order":"42"}}`)
	p.call("POST", "/futures", `{"kind":"timer","after":"2h"}`)
	p.call("POST", "/events/tests-passed/set", `{"sha":"4f2a"}`)
	p.call("POST", "/events/deploy:eu/pulse", "")
	for _, expr := range []string{
		fmt.Sprintf(`{"all":["event:tests-passed",{"any":[%q,"sleep:10m"]},"event:approved"]}`, hanging),
		`{"at_least":2,"of":["event:deploy:eu","event:deploy:us","event:tests-passed"]}`,
		fmt.Sprintf(`{"all":[{"settled":%q},"event:tests-passed","event:released"]}`, retried),
	} {
		p.call("POST", "/futures", fmt.Sprintf(`{"kind":"wait","for":%s}`, expr))
	}
	views := map[string]string{
		"overview": "/#/overview", "futures": "/#/futures", "future": "/#/futures/" + retried, "events": "/#/events",
		"event": "/#/events/tests-passed", "waits": "/#/waits", "limits": "/#/limits", "try": "/#/try",
		"stories": "/console/stories.html",
	}
	for _, theme := range []string{"light", "dark"} {
		p.open("/")
		if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[chromedp.Void](
			fmt.Sprintf(`localStorage.setItem("awaitd-theme", %q)`, theme))); err != nil {
			t.Fatal(err)
		}
		for name, path := range views {
			p.open("/console/icon.svg") // so that the next address is a page of its own
			p.do(chromedp.EmulateViewport(1280, 900))
			p.open(path)
			p.see(name, `document.querySelector("h1") !== null && document.querySelector("main") !== null`)
			p.see("the data of "+name, `document.querySelectorAll("main h1, main h2, main td, main dd").length > 0`)
			p.check(axe, theme+" "+name)
			if name == "overview" && *pictures {
				p.see("half a minute of charts", `performance.now() > 30_000`)
			}
			p.picture(name + "-" + theme)
			p.do(chromedp.EmulateViewport(390, 844))
			p.see(name+" fits 390 pixels", `document.documentElement.scrollWidth <= 390`)
			if theme == "light" {
				p.picture(name + "-narrow")
			}
		}
	}
	p.noFaults()
}

// axeSource is axe-core as npm has it.
func axeSource(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "bin", "npm", "node_modules", "axe-core", "axe.min.js"))
	const how = "axe-core is not here: npm install --prefix bin/npm axe-core@4.14.1"
	switch {
	case err == nil:
	case os.Getenv("AWAITD_CI") != "":
		t.Fatal(how)
	default:
		t.Skip(how)
	}
	return string(source)
}

// check lets axe look at the page; what it finds serious or critical is an error.
func (p *tab) check(axe, where string) {
	p.Helper()
	found, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](axe+`;
		axe.run().then((r) => r.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
			.map((v) => v.id + ": " + v.help + " " + v.nodes.map((n) => n.html).join(" ")).join("\n"))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("axe on %s: %v", where, err)
	}
	if found != "" {
		p.Errorf("axe on %s:\n%s", where, found)
	}
}

// picture keeps a screenshot, if asked to.
func (p *tab) picture(name string) {
	p.Helper()
	if !*pictures || strings.HasPrefix(name, "stories") {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join("..", "..", "docs", "images", name+".png"), png, 0o644)
	}
	if err != nil {
		p.Fatal(err)
	}
}
