// Named events, by name.
import { html, useState } from "../html.js";
import { usePoll, useNow } from "../hooks.js";
import { since } from "../format.js";
import { Empty, EventLink, Fault, Pages } from "../parts.js";

const refreshMs = 2000;

export function Events({ query }) {
  const [cursors, setCursors] = useState([""]);
  const prefix = query.get("prefix") || "";
  const cursor = cursors[cursors.length - 1];
  const asked = new URLSearchParams({ limit: 50 });
  if (prefix) asked.set("prefix", prefix);
  if (cursor) asked.set("cursor", cursor);
  const [page, error] = usePoll(`/events?${asked}`, refreshMs);
  const find = (value) => {
    setCursors([""]);
    location.hash = `#/events${value ? `?prefix=${encodeURIComponent(value)}` : ""}`;
  };
  return html`<${EventsPage} page=${page} error=${error} prefix=${prefix} find=${find}
    newer=${cursors.length > 1 && (() => setCursors(cursors.slice(0, -1)))}
    older=${page && page.next_cursor && (() => setCursors([...cursors, page.next_cursor]))} />`;
}

export function EventsPage({ page, error, prefix, find, newer, older }) {
  const now = useNow();
  const [name, setName] = useState("");
  const open = (e) => {
    e.preventDefault();
    if (name.trim()) location.hash = `#/events/${encodeURIComponent(name.trim())}`;
  };
  return html`
    <h1>Events</h1>
    <form class="bar" onSubmit=${open}>
      <label>begins with <input value=${prefix} onChange=${(e) => find(e.target.value.trim())} /></label>
      <label>open by name <input value=${name} onInput=${(e) => setName(e.target.value)} placeholder="deploy-ok" /></label>
      <button disabled=${!name.trim()}>Open</button>
    </form>
    <${Fault} error=${error} />
    ${page && page.events.length === 0 && html`<${Empty}>No event is remembered. Any name exists as soon as somebody sets it or waits for it.<//>`}
    ${page && page.events.length > 0 && html`
      <div class="scroll rows" tabindex="0" role="region" aria-label="Events"><table>
        <thead><tr><th>Event</th><th>Flag</th><th>Generation</th><th>Last set</th><th>Payload</th></tr></thead>
        <tbody>${page.events.map((e) => html`<tr key=${e.name}>
          <td><${EventLink} name=${e.name} /></td>
          <td><span class=${`state ${e.set ? "succeeded" : "pending"}`}>${e.set ? "set" : "clear"}</span></td>
          <td class="figure" data-name="generation">${e.generation}</td>
          <td data-name="last set">${e.set_at ? `${since(e.set_at, now)} ago` : "–"}</td>
          <td class="what mono">${payloadLine(e.payload)}</td>
        </tr>`)}</tbody>
      </table></div>
      <${Pages} newer=${newer} older=${older} />`}
  `;
}

export function payloadLine(p) {
  if (!p) return "";
  if (p.json !== undefined) return JSON.stringify(p.json).slice(0, 120);
  if (p.text !== undefined) return p.text.slice(0, 120);
  return p.content_type;
}
