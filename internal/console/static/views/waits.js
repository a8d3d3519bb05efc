// Who waits for what, and a wait of one's own whose leaves light up.
import { html, useEffect, useRef, useState } from "../html.js";
import { follow } from "../api.js";
import { useNow, useStream } from "../hooks.js";
import { since } from "../format.js";
import { Empty, Fault, Tree } from "../parts.js";

export function Waits({ query }) {
  const [loop, error] = useStream("/loop");
  return html`<${WaitsPage} waits=${loop && loop.waits} total=${loop && loop.waiters} error=${error}
    own=${html`<${OwnWait} given=${query.get("for") || ""} />`} />`;
}

export function WaitsPage({ waits, total, error, own }) {
  const now = useNow();
  return html`
    <h1>Waits</h1>
    ${own}
    <h2>Held now <small>${total ?? ""}</small></h2>
    <${Fault} error=${error} />
    ${waits && waits.length === 0 && html`<${Empty}>Nobody waits for anything.<//>`}
    <div class="cards">${(waits || []).map((w) => html`<article class="card">
      <p class="pale">${w.kind === "http" ? "a caller" : "a future"}, since ${since(w.since, now)} · ${w.done} of ${w.done + w.pending} decided</p>
      ${w.for ? html`<${Tree} expr=${w.for} outcomes=${outcomesOf(w)} />` : html`<p class="mono">all futures</p>`}
    </article>`)}</div>
  `;
}

const outcomesOf = (w) => new Map((w.leaves || []).map((outcome, n) => [n, outcome]));

// OwnWait holds a wait from this page and shows each leaf as it completes.
function OwnWait({ given }) {
  const [text, setText] = useState(given || '{"all": ["event:a", "event:b", "sleep:5s"]}');
  const [wait, setWait] = useState(null); // {expr, outcomes, outcome}
  const [error, setError] = useState(null);
  const gone = useRef(null);
  useEffect(() => () => gone.current && gone.current.abort(), []);
  const begin = (event) => {
    event.preventDefault();
    if (gone.current) gone.current.abort();
    gone.current = new AbortController();
    let expr;
    try {
      expr = text.trim().startsWith("{") ? JSON.parse(text) : text.trim();
    } catch (fault) {
      setError(fault);
      return;
    }
    setError(null);
    setWait({ expr, outcomes: new Map(), outcome: "pending" });
    follow("/wait", {
      method: "POST",
      json: { for: expr, timeout: "60s", results: "state" },
      signal: gone.current.signal,
      fail: (e) => e && setError(e),
      last: (answer, name) => name === "decided",
      see: (answer, name) =>
        setWait((w) => {
          const outcomes = new Map(w.outcomes);
          for (const leaf of name === "completed" ? [answer] : answer.done || []) outcomes.set(leaf.ref, leaf.outcome);
          return { ...w, outcomes, outcome: name === "decided" ? answer.outcome : w.outcome };
        }),
    });
  };
  return html`<form class="own" onSubmit=${begin}>
      <label class="wide">Wait for <textarea class="mono" rows="2" value=${text} onInput=${(e) => setText(e.target.value)}></textarea></label>
      <button class="primary">Wait</button>
    </form>
    <${Fault} error=${error} />
    ${wait && html`<div class=${`card own-wait ${wait.outcome}`} role="status"><p><span class=${`state ${wait.outcome}`}>${wait.outcome}</span></p>
      <${Tree} expr=${wait.expr} outcomes=${wait.outcomes} /></div>`}`;
}
