// Compose a fetch or a wait, see the curl line for it, and send it.
import { html, useState } from "../html.js";
import { call } from "../api.js";
import { useAction } from "../hooks.js";
import { quote } from "../format.js";
import { Copy, Fault, FutureLink, Value } from "../parts.js";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

export function Try() {
  return html`<h1>Try it</h1><div class="two"><${TryFetch} /><${TryWait} /></div>`;
}

function TryFetch() {
  const [f, setF] = useState({ method: "GET", url: "", headers: "", body: "", attempts: "", delay: "", labels: "" });
  const set = (name) => (e) => setF({ ...f, [name]: e.target.value });
  const [made, setMade] = useState(null);
  const document = fetchOf(f);
  const [run, busy, error] = useAction(async () => setMade(await call("POST", "/fetch", { json: document })));
  const field = (name, label, more = {}) => html`<label>${label}<input value=${f[name]} onInput=${set(name)} ...${more} /></label>`;
  return html`<section class="card"><h2>A fetch</h2>
    <form onSubmit=${(e) => (e.preventDefault(), run())}>
      <div class="row"><label class="narrow">method<select value=${f.method} onChange=${set("method")}>${methods.map((m) => html`<option>${m}</option>`)}</select></label>
        <label class="wide">URL<input required type="url" placeholder="https://api.example.com/data" value=${f.url} onInput=${set("url")} /></label></div>
      <label>headers, one a line<textarea rows="2" class="mono" placeholder="Accept: application/json" value=${f.headers} onInput=${set("headers")}></textarea></label>
      <label>body<textarea rows="3" class="mono" value=${f.body} onInput=${set("body")}></textarea></label>
      <div class="row">${field("attempts", "attempts", { inputmode: "numeric", placeholder: "4" })}${field("delay", "delay", { placeholder: "0s" })}${field("labels", "labels", { placeholder: "order:42" })}</div>
      <${Curl} path="/fetch" document=${document} />
      <div class="bar"><button class="primary" disabled=${busy || !f.url}>Submit</button></div>
    </form>
    <${Fault} error=${error} />
    ${made && html`<p role="status">Submitted: <${FutureLink} id=${made.id} /></p>`}
  </section>`;
}

// fetchOf is the document that POST /fetch takes; what was left empty is left out.
function fetchOf(f) {
  const document = { url: f.url };
  if (f.method !== "GET") document.method = f.method;
  const headers = f.headers.split("\n").map((line) => line.match(/^([^:]+):\s*(.*)$/)).filter(Boolean);
  if (headers.length) document.headers = Object.fromEntries(headers.map(([, name, value]) => [name.trim(), value]));
  if (f.body) {
    try {
      document.json = JSON.parse(f.body);
    } catch {
      document.body = f.body;
    }
  }
  if (Number(f.attempts)) document.retry = { max_attempts: Number(f.attempts) };
  if (f.delay) document.delay = f.delay;
  const labels = f.labels.split(/[\s,]+/).filter((l) => l.includes(":"));
  if (labels.length) document.labels = Object.fromEntries(labels.map((l) => [l.slice(0, l.indexOf(":")), l.slice(l.indexOf(":") + 1)]));
  return document;
}

function TryWait() {
  const [w, setW] = useState({ op: "all", refs: "event:a\nsleep:5s", k: "2", timeout: "25s" });
  const set = (name) => (e) => setW({ ...w, [name]: e.target.value });
  const [answer, setAnswer] = useState(null);
  const refs = w.refs.split(/\s+/).filter(Boolean);
  const expr = w.op === "at_least" ? { at_least: Number(w.k), of: refs } : { [w.op]: refs };
  const document = { for: expr, timeout: w.timeout, results: "state" };
  const [run, busy, error] = useAction(async () => {
    setAnswer(null);
    setAnswer(await call("POST", "/wait", { json: document }));
  });
  return html`<section class="card"><h2>A wait</h2>
    <form onSubmit=${(e) => (e.preventDefault(), run())}>
      <div class="row"><label>until<select value=${w.op} onChange=${set("op")}><option value="all">all</option><option value="any">any</option><option value="at_least">at least</option></select></label>
        ${w.op === "at_least" && html`<label>k<input inputmode="numeric" value=${w.k} onInput=${set("k")} /></label>`}
        <label>timeout<input value=${w.timeout} onInput=${set("timeout")} /></label></div>
      <label><span>of, one a line: <code>event:NAME</code>, a future's id, <code>sleep:5s</code></span><textarea rows="4" class="mono" value=${w.refs} onInput=${set("refs")}></textarea></label>
      <${Curl} path="/wait" document=${document} />
      <div class="bar"><button class="primary" disabled=${busy || !refs.length}>${busy ? "Waiting…" : "Wait"}</button>
        <a href=${`#/waits?for=${encodeURIComponent(JSON.stringify(expr))}`}>Watch its leaves</a></div>
    </form>
    <${Fault} error=${error} />
    ${answer && html`<div role="status"><p><span class=${`state ${answer.outcome}`}>${answer.outcome}</span></p><${Value} value=${answer} /></div>`}
  </section>`;
}

function Curl({ path, document }) {
  const line = `curl ${quote(location.origin + path)} -H 'Content-Type: application/json' -d ${quote(JSON.stringify(document))}`;
  return html`<div class="curl"><pre tabindex="0">${line}</pre><${Copy} text=${line} /></div>`;
}
