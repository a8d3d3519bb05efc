// One future: why it is where it is, what was tried, what it brought home.
import { html, useEffect, useState } from "../html.js";
import { call, send } from "../api.js";
import { useStream, useAction, useNow } from "../hooks.js";
import { bytes, clock, moment, ms, since, until } from "../format.js";
import { Copy, Fault, Labels, State, Tree, Value } from "../parts.js";

const settled = (f) => ["succeeded", "failed", "cancelled"].includes(f.state);

export function FutureDetail({ id }) {
  const [f, error] = useStream(`/futures/${encodeURIComponent(id)}`, { last: settled });
  return html`<${FuturePage} id=${id} f=${f} error=${error} />`;
}

const whys = {
  delayed: "It has been told to start later.",
  queued: "It waits for a free worker, or for its turn among the fetches of its limit.",
  rate_limited: "The rate of its limit is used up for now.",
  circuit_open: "Its target kept failing; no attempt is made until it has recovered.",
  backoff: "An attempt failed; the next one is due soon.",
  waiting: "It starts when what it waits for has happened.",
};

export function FuturePage({ id, f, error }) {
  const now = useNow();
  if (!f) return html`<h1 class="mono">${id}</h1><${Fault} error=${error} />`;
  return html`
    <p class="crumb"><a href="#/futures">Futures</a></p>
    <h1 class="mono">${f.id} <${Copy} text=${f.id} /></h1>
    <p class="lead"><${State} state=${f.state} /> <span>${f.kind}</span> <${Labels} labels=${f.labels} /></p>
    <${Fault} error=${error} />
    <${Why} f=${f} now=${now} />
    <${Actions} f=${f} />
    ${f.error && html`<p class="fault"><strong>${f.error.type}</strong> ${f.error.message}</p>`}
    <dl class="facts">
      ${f.request && html`<div><dt>Request</dt><dd class="mono">${f.request.method} ${f.request.url}</dd></div>`}
      <div><dt>Created</dt><dd>${moment(f.created_at)} (${since(f.created_at, now)} ago)</dd></div>
      ${f.started_at && html`<div><dt>Started</dt><dd>${moment(f.started_at)}</dd></div>`}
      ${f.due_at && html`<div><dt>Due</dt><dd>${moment(f.due_at)}</dd></div>`}
      ${f.deadline_at && html`<div><dt>Deadline</dt><dd>${moment(f.deadline_at)}</dd></div>`}
      ${f.settled_at && html`<div><dt>Settled</dt><dd>${moment(f.settled_at)}</dd></div>`}
      ${f.expires_at && html`<div><dt>Forgotten</dt><dd>${moment(f.expires_at)}</dd></div>`}
      ${f.callback && html`<div><dt>Callback</dt><dd>${f.callback.state}, ${f.callback.attempts ?? 0} attempts</dd></div>`}
    </dl>
    ${f.for && html`<section><h2>Waits for</h2><${Tree} expr=${f.for} outcomes=${outcomesOf(f)} /></section>`}
    ${f.after && html`<section><h2>Starts after</h2><${Tree} expr=${f.after} /></section>`}
    ${f.kind === "fetch" && html`<${Timeline} f=${f} now=${now} />`}
    ${f.request && f.request.headers && html`<details><summary>Request headers</summary><${Headers} headers=${f.request.headers} /></details>`}
    ${f.result && html`<${Result} f=${f} />`}
  `;
}

// outcomesOf the leaves of a wait, as far as its result tells.
function outcomesOf(f) {
  const result = f.result && (f.result.done ? f.result : f.result.json);
  return new Map(((result && result.done) || []).map((l) => [l.ref, l.outcome]));
}

function Why({ f, now }) {
  if (settled(f)) return null;
  const place = f.queue_position ? ` It is number ${f.queue_position} in its queue.` : "";
  const next = f.next_attempt_at ? ` Next attempt ${until(f.next_attempt_at, now)}.` : "";
  const why = f.state === "running" ? "An attempt is under way." : whys[f.reason] || "Nothing has settled it yet.";
  return html`<p class="why" role="status">${why}${place}${next}</p>`;
}

function Actions({ f }) {
  const [run, busy, error] = useAction((verb, json) => call("POST", `/futures/${encodeURIComponent(f.id)}/${verb}`, { json }));
  const [value, setValue] = useState("null");
  const [forget, forgetting, forgetError] = useAction(async () => {
    await call("DELETE", `/futures/${encodeURIComponent(f.id)}`);
    location.hash = "#/futures";
  });
  if (settled(f)) {
    return html`<div class="bar"><button disabled=${forgetting} onClick=${() => forget()}>Forget it</button></div><${Fault} error=${forgetError} />`;
  }
  return html`<div class="bar">
      <button class="danger" disabled=${busy} onClick=${() => run("cancel")}>Cancel</button>
      ${f.kind === "promise" && html`
        <label>value <input class="mono" value=${value} onInput=${(e) => setValue(e.target.value)} aria-label="JSON value" /></label>
        <button class="primary" disabled=${busy} onClick=${() => run("resolve", { value: JSON.parse(value) })}>Resolve</button>
        <button disabled=${busy} onClick=${() => run("reject", { message: "Rejected by hand." })}>Reject</button>`}
    </div><${Fault} error=${error} />`;
}

// Timeline draws each attempt where it lay between creation and the end.
function Timeline({ f, now }) {
  const from = Date.parse(f.created_at);
  const to = Math.max(f.settled_at ? Date.parse(f.settled_at) : now, from + 1);
  const at = (t) => `${Math.min(100, Math.max(0, ((t - from) / (to - from)) * 100))}%`;
  const rows = f.attempts.map((a) => ({ ...a, start: Date.parse(a.at), end: Date.parse(a.at) + a.duration_ms }));
  const verdict = (a) => (a.error ? "failed" : a === rows[rows.length - 1] && f.state === "succeeded" ? "succeeded" : a.status >= 400 ? "failed" : "succeeded");
  return html`<section><h2>Attempts <small>${rows.length} ended</small></h2>
    ${rows.length === 0 && html`<p class="pale">${f.state === "running" ? "The first one is under way." : "None yet."}</p>`}
    <ol class="timeline">${rows.map((a) => html`<li>
      <span class="n">${a.n}</span>
      <span class="track"><span class=${`mark ${verdict(a)}`} style=${{ left: `min(${at(a.start)}, calc(100% - 6px))`, width: `max(6px, calc(${at(a.end)} - ${at(a.start)}))` }}></span></span>
      <span class="says">${a.status || ""} ${a.error ? a.error.type : ""} · ${clock(a.at)} · ${ms(a.duration_ms)}${a.error ? html`<br /><small>${a.error.message}</small>` : ""}</span>
    </li>`)}</ol></section>`;
}

const Headers = ({ headers }) =>
  html`<dl class="headers">${Object.entries(headers).map(([name, values]) => html`<div><dt>${name}</dt><dd class="mono">${[].concat(values).join(", ")}</dd></div>`)}</dl>`;

function Result({ f }) {
  const r = f.result;
  const type = ((r.headers && r.headers["Content-Type"]) || [""])[0];
  return html`<section><h2>Result <small>${r.status || ""} ${type} ${r.bytes !== undefined ? bytes(r.bytes) : ""}</small></h2>
    ${type.startsWith("image/") && r.bytes <= imageBytesMax
      ? html`<${Picture} f=${f} type=${type} />`
      : r.json !== undefined
        ? html`<${Value} value=${r.json} />`
        : r.text !== undefined
          ? html`<${Value} value=${r.text} />`
          : r.done
            ? html`<${Value} value=${{ outcome: r.outcome, done: r.done.map((l) => [l.ref, l.outcome]), pending: r.pending.map((l) => l.ref) }} />`
            : html`<p class="pale">It is not shown here: too long, or not text.</p>`}
    ${f.kind === "fetch" && html`<${Download} f=${f} />`}
    ${r.headers && html`<details><summary>Answer headers</summary><${Headers} headers=${r.headers} /></details>`}
  </section>`;
}

const imageBytesMax = 16 * 1024 * 1024;

const bodyOf = (f) => send("GET", f.links.result, { accept: "*/*" }).then((response) => response.blob());

function Picture({ f, type }) {
  const [url, setURL] = useState("");
  useEffect(() => {
    let made;
    bodyOf(f).then((blob) => setURL((made = URL.createObjectURL(new Blob([blob], { type }))))).catch(() => {});
    return () => made && URL.revokeObjectURL(made);
  }, [f.id]);
  return url ? html`<img class="picture" src=${url} alt="The body of the answer" />` : null;
}

function Download({ f }) {
  const [run, busy, error] = useAction(async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await bodyOf(f));
    link.download = f.id;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return html`<p><button class="small" disabled=${busy} onClick=${() => run()}>Save the body</button></p><${Fault} error=${error} />`;
}


