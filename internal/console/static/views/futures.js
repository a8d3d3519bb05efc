// Futures, newest first: filtered by the server, a page at a time.
import { html, useState } from "../html.js";
import { useNews, usePoll, useNow } from "../hooks.js";
import { line, since, tree, until } from "../format.js";
import { Empty, Fault, FutureLink, Labels, Pages, State } from "../parts.js";

const refreshMs = 500;
const pageSize = 50;

export function Futures({ query }) {
  const [cursors, setCursors] = useState([""]);
  const [live, setLive] = useState(true);
  const cursor = cursors[cursors.length - 1];
  const filter = Object.fromEntries(["state", "kind", "label"].map((name) => [name, query.get(name) || ""]));
  const wanted = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
  const asked = new URLSearchParams([...wanted, ["limit", pageSize], ...(cursor ? [["cursor", cursor]] : [])]);
  const [page, error, reload] = usePoll(`/futures?${asked}`, 0);
  // A future that leaves the filter is news too: so the stream is asked for all states, and the page for the wanted one.
  wanted.delete("state");
  useNews(live && !cursor ? `/futures?${wanted}` : "", refreshMs, reload);
  const change = (name, value) => {
    const next = new URLSearchParams(Object.entries({ ...filter, [name]: value }).filter(([, v]) => v));
    setCursors([""]);
    location.hash = `#/futures${next.size ? `?${next}` : ""}`;
  };
  return html`<${FuturesPage} page=${page} error=${error} filter=${filter} change=${change} live=${live} setLive=${setLive}
    number=${cursors.length}
    newer=${cursors.length > 1 && (() => setCursors(cursors.slice(0, -1)))}
    older=${page && page.next_cursor && (() => setCursors([...cursors, page.next_cursor]))} />`;
}

const states = ["pending", "running", "succeeded", "failed", "cancelled"];
const kinds = ["fetch", "promise", "timer", "wait"];

export function FuturesPage({ page, error, filter, change, live, setLive, newer, older, number }) {
  const now = useNow();
  const choose = (name, options) => html`<label>${name}
    <select value=${filter[name]} onChange=${(e) => change(name, e.target.value)}>
      <option value="">any</option>${options.map((o) => html`<option value=${o}>${o}</option>`)}
    </select></label>`;
  return html`
    <h1>Futures</h1>
    <form class="bar" onSubmit=${(e) => e.preventDefault()}>
      ${choose("state", states)} ${choose("kind", kinds)}
      <label>label <input placeholder="key:value" value=${filter.label} onChange=${(e) => change("label", e.target.value.trim())} /></label>
      <label class="check"><input type="checkbox" checked=${live} onChange=${(e) => setLive(e.target.checked)} /> live</label>
    </form>
    <${Fault} error=${error} />
    ${page && page.futures.length === 0 && html`<${Empty}>No future is like that. <a href="#/try">Submit one</a>.<//>`}
    ${page && page.futures.length > 0 && html`
      <div class="scroll rows" tabindex="0" role="region" aria-label="Futures"><table>
        <thead><tr><th>Future</th><th>Kind</th><th>State</th><th>What</th><th>Attempts</th><th>Age</th><th>Labels</th></tr></thead>
        <tbody>${page.futures.map((f) => html`<${Row} key=${f.id} f=${f} now=${now} />`)}</tbody>
      </table></div>
      <${Pages} newer=${newer} older=${older} back="Newer" on="Older"><span>page ${number}</span><//>`}
  `;
}

function Row({ f, now }) {
  return html`<tr>
    <td><${FutureLink} id=${f.id} /></td>
    <td>${f.kind}</td>
    <td><${State} state=${f.state} reason=${f.reason} /></td>
    <td class="what" title=${f.request && f.request.url}>${what(f, now)}</td>
    <td class="figure" data-name=${f.kind === "fetch" ? "attempts" : undefined}>${f.kind === "fetch" ? f.attempts.length : ""}</td>
    <td class="figure" data-name="age">${since(f.created_at, now)}</td>
    <td><${Labels} labels=${f.labels} /></td>
  </tr>`;
}

function what(f, now) {
  if (f.request) return `${f.request.method} ${f.request.url}`;
  if (f.for) return line(tree(f.for));
  if (f.kind === "timer") return f.due_at ? `due ${until(f.due_at, now)}` : "";
  return "";
}
