// Small pieces that several views are made of.
import { html, useEffect, useRef, useState } from "./html.js";
import { clock, countLeaves, number, shortID, since, tree } from "./format.js";

export const State = ({ state, reason }) =>
  html`<span class=${`state ${state}`}>${state}${reason ? html`<small> ${reason.replace("_", " ")}</small>` : ""}</span>`;

export const Fault = ({ error }) => (error ? html`<p class="fault" role="alert">${error.message}</p>` : null);

export const FutureLink = ({ id }) => html`<a class="mono" href=${`#/futures/${encodeURIComponent(id)}`} title=${id}>${shortID(id)}</a>`;

export const EventLink = ({ name }) => html`<a class="mono" href=${`#/events/${encodeURIComponent(name)}`}>${name}</a>`;

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

export const Labels = ({ labels }) =>
  Object.entries(labels || {}).map(([k, v]) => html`<a class="label" href=${`#/futures?label=${encodeURIComponent(`${k}:${v}`)}`}>${k}: ${v}</a>`);

export function Copy({ text }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<button class="small" onClick=${copy}>${copied ? "Copied" : "Copy"}</button>`;
}

// Tree shows a wait expression; each leaf is as outcomes says, by its ref or its number in the expression. Of a large
// one the first leaves are shown.
export function Tree({ expr, outcomes }) {
  const root = tree(expr);
  const rest = countLeaves(root) - leavesShownMax;
  let n = 0;
  const draw = (node) => {
    if (n === leavesShownMax) return null;
    if (node.leaf) {
      const outcome = (outcomes && (outcomes.get(node.ref) || outcomes.get(n))) || "pending";
      n += 1;
      return html`<li class=${`leaf ${outcome}`}><span class="lamp" aria-hidden="true"></span>${link(node)}<span class="sr"> ${outcome}</span></li>`;
    }
    return html`<li><span class="op">${node.label}</span><ul>${node.parts.map(draw)}</ul></li>`;
  };
  return html`<ul class="tree" aria-label="Wait expression">${draw(root)}</ul>${rest > 0 && html`<p class="pale">and ${number(rest)} more</p>`}`;
}

// leavesShownMax is of how many leaves the server tells how they stand.
const leavesShownMax = 100;

// Wait is somebody who waits, as /loop shows it.
export function Wait({ wait, now }) {
  const who = wait.future ? html`<${FutureLink} id=${wait.future} />` : { http: "a request", stream: "a stream" }[wait.kind];
  const tall = wait.leaves.length > 12 ? { tabindex: 0, role: "region", "aria-label": "A long wait" } : {};
  return html`<div class="card wait" ...${tall}>
    <p class="pale">${who}, for ${since(wait.since, now)}${wait.for && ` · ${number(wait.done)} of ${number(wait.done + wait.pending)} decided`}
      ${wait.orphan && html` <span class="state cancelled" title="All that is pending are events that no pending future is to set.">only from outside</span>`}</p>
    ${wait.for ? html`<${Tree} expr=${wait.for} outcomes=${new Map(wait.leaves.map((outcome, n) => [n, outcome]))} />` : html`<p class="mono">all futures</p>`}
  </div>`;
}

// Pages turns pages, if there are any to turn.
export const Pages = ({ newer, older, back = "Back", on = "More", children }) =>
  newer || older
    ? html`<nav class="bar" aria-label="Pages"><button disabled=${!newer} onClick=${newer}>${back}</button>${children}<button disabled=${!older} onClick=${older}>${on}</button></nav>`
    : null;

function link(node) {
  if (node.ref.startsWith("event:")) return html`<a class="mono" href=${`#/events/${encodeURIComponent(node.ref.slice(6))}`}>${node.label}</a>`;
  const id = node.ref.replace(/^future:/, "");
  if (/^(sleep|until|group)/.test(node.ref)) return html`<span class="mono">${node.label}</span>`;
  return html`<a class="mono" href=${`#/futures/${encodeURIComponent(id)}`} title=${id}>${shortID(id)}</a>`;
}

// colour is one of the style sheet's, as canvas needs it.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// windowSeconds is how far back a chart looks at least.
const windowSeconds = 60;

// steps are those of an axis: whole numbers for what is counted.
const steps = [1, 2, 5].flatMap((n) => Array.from({ length: 9 }, (_, e) => n * 10 ** e)).sort((a, b) => a - b);

// clockWithin is a time of day where there is room for it: not over the figures to the left, nor over the edge.
function clockWithin(u, seconds) {
  const at = u.valToPos(seconds, "x");
  return at > 28 && at < u.over.clientWidth - 16 ? clock(seconds * 1000) : "";
}

// Chart draws series over the last minutes. rows is [[seconds…], [values…]…]; series [{label, colour}]. Above it stand
// the values under the pointer, else the newest.
export function Chart({ title, rows, series, format, counts }) {
  const box = useRef(null);
  const chart = useRef(null);
  const [under, setUnder] = useState(null);
  useEffect(() => {
    const build = () => {
      if (!box.current) return; // the page has been left before it was painted
      if (chart.current) chart.current.destroy();
      const axis = { stroke: colour("--pale"), font: "12px system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      chart.current = new uPlot(
        {
          width: box.current.clientWidth,
          height: 150,
          padding: [8, 12, 0, 0],
          cursor: { y: false, points: { show: true } },
          legend: { show: false },
          hooks: { setCursor: [(u) => setUnder(u.cursor.left >= 0 ? u.cursor.idx : null)] },
          scales: { x: { range: (u, first, last) => [Math.min(first, last - windowSeconds), last] }, y: { range: (u, least, most) => [0, most > 0 ? most * 1.15 : 1] } },
          axes: [
            { ...axis, space: 72, size: 28, values: (u, all) => all.map((v) => clockWithin(u, v)) },
            { ...axis, size: 60, ...(counts && { incrs: steps }), values: (u, all) => all.map((v) => format(v)) },
          ],
          series: [{}, ...series.map((s) => ({ stroke: colour(s.colour), width: 2, points: { show: false } }))],
        },
        rows,
        box.current,
      );
    };
    build();
    if (!chart.current) return undefined;
    const resized = new ResizeObserver(() => box.current && chart.current.setSize({ width: box.current.clientWidth, height: 150 }));
    resized.observe(box.current);
    addEventListener("theme", build);
    return () => (resized.disconnect(), removeEventListener("theme", build), chart.current.destroy());
  }, []);
  useEffect(() => chart.current && chart.current.setData(rows), [rows]);
  const shown = under ?? rows[0].length - 1;
  return html`<figure class="chart">
    <figcaption>${title} <span class="legend">${series.map((s, n) => html`<span><i class=${`swatch ${s.colour.slice(2)}`}></i>${series.length > 1 && `${s.label} `}<b>${format(rows[n + 1][shown])}</b></span>`)}</span></figcaption>
    <div ref=${box}></div></figure>`;
}

// Value shows a JSON value, or text, as it is.
export const Value = ({ value }) => html`<pre class="value" tabindex="0">${typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>`;
