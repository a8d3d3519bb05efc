// The console: a shell around the views. Where one is stands in the fragment of the address.
import { html, render, useState, useEffect } from "./html.js";
import { key } from "./api.js";
import { Overview } from "./views/overview.js";
import { Futures } from "./views/futures.js";
import { FutureDetail } from "./views/future.js";
import { Events } from "./views/events.js";
import { EventDetail } from "./views/event.js";
import { Waits } from "./views/waits.js";
import { Limits } from "./views/limits.js";
import { Try } from "./views/try.js";

const views = [
  ["overview", "Overview", Overview],
  ["futures", "Futures", Futures, FutureDetail],
  ["events", "Events", Events, EventDetail],
  ["waits", "Waits", Waits],
  ["limits", "Limits", Limits],
  ["try", "Try it", Try],
];

// place reads the address: #/futures/ID?state=failed → {name, id, query}.
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name: name || "overview", id: decodeURIComponent(rest.join("/")), query: new URLSearchParams(query || "") };
}

function usePlace() {
  const [at, setAt] = useState(place());
  useEffect(() => {
    const moved = () => setAt(place());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return at;
}

function useTheme() {
  const [theme, setTheme] = useState(localStorage.getItem("awaitd-theme") || "system");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("awaitd-theme", theme);
    window.dispatchEvent(new Event("theme"));
  }, [theme]);
  const next = { system: "light", light: "dark", dark: "system" };
  return [theme, () => setTheme(next[theme])];
}

function KeyPrompt({ done }) {
  const [value, setValue] = useState("");
  const submit = (event) => {
    event.preventDefault();
    key.set(value.trim());
    done();
  };
  return html`<main class="key" id="main" tabindex="-1">
    <h1>This server asks for a key</h1>
    <p>Keys are made with <code>awaitd key new</code>. Yours stays in this tab and goes to this server only.</p>
    <form onSubmit=${submit}>
      <label>Key <input type="password" autocomplete="off" value=${value} onInput=${(e) => setValue(e.target.value)} /></label>
      <button class="primary" disabled=${!value.trim()}>Use this key</button>
    </form>
  </main>`;
}

function Shell() {
  const at = usePlace();
  const [theme, nextTheme] = useTheme();
  const [locked, setLocked] = useState(false);
  useEffect(() => {
    const lock = () => setLocked(true);
    addEventListener("key-needed", lock);
    return () => removeEventListener("key-needed", lock);
  }, []);
  const [name, title, List, Detail] = views.find((view) => view[0] === at.name) || views[0];
  useEffect(() => {
    document.title = `${at.id || title} · awaitd`;
  }, [at.id, title]);
  const View = at.id && Detail ? Detail : List;
  const current = (view) => (view === name ? "page" : undefined);
  return html`
    <a class="skip" href="#main" onClick=${(e) => (e.preventDefault(), document.getElementById("main").focus())}>To the content</a>
    <header>
      <a class="brand" href="#/overview"><img src="/console/icon.svg" alt="" width="22" height="22" />awaitd</a>
      <nav aria-label="Views">
        ${views.map(([view, label]) => html`<a href=${`#/${view}`} aria-current=${current(view)}>${label}</a>`)}
      </nav>
      <button class="theme" onClick=${nextTheme} aria-label=${`Colours: ${theme}. Change`} title=${`Colours: ${theme}`}>
        ${{ system: "◐", light: "☀", dark: "☾" }[theme]}
      </button>
    </header>
    ${locked
      ? html`<${KeyPrompt} done=${() => setLocked(false)} />`
      : html`<main id="main" tabindex="-1" key=${at.name + at.id}><${View} id=${at.id} query=${at.query} /></main>`}
    <footer>
      <a href="/openapi.yaml">API</a> <a href="/problems">Problems</a> <a href="/metrics">Metrics</a>
      <a href="/console/stories.html">Stories</a>
    </footer>
  `;
}

render(html`<${Shell} />`, document.getElementById("app"));
