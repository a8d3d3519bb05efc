// Who waits for what, and a wait of one's own whose leaves light up.
import { html, useEffect, useRef, useState } from "../html.js";
import { follow } from "../api.js";
import { useNow, useStream } from "../hooks.js";
import { number } from "../format.js";
import { Empty, Fault, FutureLink, Tree, Wait } from "../parts.js";

export function Waits({ query }) {
  const [loop, error] = useStream("/loop");
  return html`<${WaitsPage} loop=${loop} error=${error}
    own=${html`<${OwnWait} given=${query.get("for") || ""} />`} />`;
}

export function WaitsPage({ loop, error, own }) {
  const now = useNow();
  const { waits, unawaited, futures } = loop || {};
  return html`
    <h1>Waits</h1>
    ${own}
    <${Fault} error=${error} />
    ${loop && html`<section><h2>Who waits <small>${shown(waits.length, waits.length < 100 ? waits.length : loop.waiters)}</small></h2>
      ${waits.length === 0 && html`<${Empty}>Nobody waits for anything.<//>`}
      <div class="cards">${waits.map((w) => html`<${Wait} wait=${w} now=${now} />`)}</div></section>
    <section><h2>What nobody waits for <small>${shown(unawaited.length, futures.unawaited)}</small></h2>
      ${unawaited.length === 0 && html`<p class="pale">Somebody waits for each future that is not settled.</p>`}
      <ul class="ids">${unawaited.map((id) => html`<li><${FutureLink} id=${id} /></li>`)}</ul></section>`}
  `;
}

const shown = (some, all) => (some < all ? `${number(some)} of ${number(all)}, the longest first` : number(all));

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
