// What targets are spared: the limits in force, and the circuits that are open.
import { html, useState } from "../html.js";
import { usePoll, useNow } from "../hooks.js";
import { number, until } from "../format.js";
import { Empty, Fault, Pages } from "../parts.js";

export function Limits() {
  const [cursors, setCursors] = useState([""]);
  const cursor = cursors[cursors.length - 1];
  const [page, error] = usePoll(`/limits?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, 1000);
  return html`<${LimitsPage} page=${page} error=${error}
    older=${page && page.next_cursor && (() => setCursors([...cursors, page.next_cursor]))}
    newer=${cursors.length > 1 && (() => setCursors(cursors.slice(0, -1)))} />`;
}

const circuits = { closed: "succeeded", open: "failed", half_open: "running" };

export function LimitsPage({ page, error, older, newer }) {
  const now = useNow();
  return html`
    <h1>Limits</h1>
    <${Fault} error=${error} />
    ${page && page.limits.length === 0 && html`<${Empty}>No target has been asked lately.<//>`}
    ${page && page.limits.length > 0 && html`<div class="scroll rows" tabindex="0" role="region" aria-label="Limits"><table>
      <thead><tr><th>Key</th><th>In flight</th><th>Queued</th><th>Rate</th><th>Circuit</th><th>Next probe</th></tr></thead>
      <tbody>${page.limits.map((l) => html`<tr key=${l.key}>
        <td class="mono">${l.key}</td>
        <td class="figure" data-name="in flight">${number(l.in_flight)}${l.concurrency ? ` of ${number(l.concurrency)}` : ""}</td>
        <td class="figure" data-name="queued">${number(l.queued)}</td>
        <td data-name="rate">${l.rate ? `${l.rate} per ${l.period || "1s"}` : "–"}</td>
        <td data-name="circuit"><span class=${`state ${circuits[l.circuit.state]}`}>${l.circuit.state.replace("_", " ")}</span></td>
        <td data-name="next probe">${l.circuit.next_probe_at ? until(l.circuit.next_probe_at, now) : "–"}</td>
      </tr>`)}</tbody></table></div>
      <${Pages} newer=${newer} older=${older} />`}
  `;
}
