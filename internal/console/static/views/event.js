// One event: its flag, its generations as they come, who waits for it, and the three things to do with it.
import { html, useEffect, useState } from "../html.js";
import { call } from "../api.js";
import { useAction, useNews, useNow, usePoll } from "../hooks.js";
import { moment, refersTo, since, tree } from "../format.js";
import { Fault, Value, Wait } from "../parts.js";
import { payloadLine } from "./events.js";

const seenMax = 20;

export function EventDetail({ id }) {
  const path = `/events/${encodeURIComponent(id)}`;
  const [e, error, reload] = usePoll(path, 2000); // the stream tells of sets and pulses, not of a flag that was lowered
  useNews(path, 50, reload);
  const [loop] = usePoll("/loop", 2000);
  const [seen, setSeen] = useState([]);
  useEffect(() => {
    if (e && e.set_at) setSeen((seen) => (seen[0] && seen[0].generation === e.generation ? seen : [e, ...seen].slice(0, seenMax)));
  }, [e && e.generation]);
  return html`<${EventPage} id=${id} e=${e} error=${error} seen=${seen} changed=${reload}
    waits=${loop ? loop.waits.filter((w) => w.for && refersTo(tree(w.for), `event:${id}`)) : []} />`;
}

export function EventPage({ id, e, error, seen, waits, changed }) {
  const now = useNow();
  return html`
    <p class="crumb"><a href="#/events">Events</a></p>
    <h1 class="mono">${id}</h1>
    <${Fault} error=${error} />
    ${e && html`
      <p class="lead"><span class=${`state ${e.set ? "succeeded" : "pending"}`}>${e.set ? "set" : "clear"}</span>
        <span>generation ${e.generation}</span> ${e.set_at && html`<span>last set ${since(e.set_at, now)} ago</span>`}
        ${e.expires_at && html`<span>cleared at ${moment(e.expires_at)}</span>`}</p>
      <${Verbs} id=${id} changed=${changed} />`}
    ${e && e.payload && html`<section><h2>Payload <small>${e.payload.content_type}</small></h2>
      <${Value} value=${e.payload.json !== undefined ? e.payload.json : e.payload.text !== undefined ? e.payload.text : "(binary)"} /></section>`}
    <section><h2>Who waits <small>${waits.length}, this page among them</small></h2>
      ${waits.length === 0 && html`<p class="pale">Nobody waits for it right now.</p>`}
      <div class="cards">${waits.map((w) => html`<${Wait} wait=${w} now=${now} />`)}</div>
    </section>
    <section><h2>Generations <small>seen from here</small></h2>
      ${seen.length === 0 && html`<p class="pale">It was never set.</p>`}
      <ol class="generations">${seen.map((g) => html`<li><strong>${g.generation}</strong> <span>${moment(g.set_at)}</span> <span class="mono">${payloadLine(g.payload)}</span></li>`)}</ol>
    </section>
  `;
}

function Verbs({ id, changed }) {
  const [payload, setPayload] = useState("");
  const [woken, setWoken] = useState(null);
  const [run, busy, error] = useAction(async (verb) => {
    const options = {};
    if (payload && verb !== "clear") [options.body, options.type] = [payload, isJSON(payload) ? "application/json" : "text/plain"];
    const answer = await call("POST", `/events/${encodeURIComponent(id)}/${verb}`, options);
    setWoken(verb === "clear" ? null : answer.woken);
    changed();
  });
  return html`<div class="bar">
      <label class="wide">payload <input class="mono" placeholder='{"sha": "4f2a"}' value=${payload} onInput=${(e) => setPayload(e.target.value)} /></label>
      <button class="primary" disabled=${busy} onClick=${() => run("set")}>Set</button>
      <button disabled=${busy} onClick=${() => run("pulse")}>Pulse</button>
      <button disabled=${busy} onClick=${() => run("clear")}>Clear</button>
      <span role="status">${woken !== null && `woke ${woken}`}</span>
    </div><${Fault} error=${error} />`;
}

function isJSON(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
