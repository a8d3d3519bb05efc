// Small pieces that several views are made of.
import { html, useEffect, useRef, useState } from "./html.js";
import { shortID, tree, countLeaves } from "./format.js";

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

// Tree shows a wait expression; each leaf is as outcomes says, by its ref or its number in the expression.
export function Tree({ expr, outcomes, summary }) {
  const root = tree(expr);
  let n = 0;
  const draw = (node) => {
    if (node.leaf) {
      const outcome = (outcomes && (outcomes.get(node.ref) || outcomes.get(n))) || "pending";
      n += 1;
      return html`<li class=${`leaf ${outcome}`}><span class="lamp" aria-hidden="true"></span>${link(node)}<span class="sr"> ${outcome}</span></li>`;
    }
    return html`<li><span class="op">${node.label}</span><ul>${node.parts.map(draw)}</ul></li>`;
  };
  const large = countLeaves(root) > leavesShownMax;
  if (large) return html`<p class="mono">${root.label} · ${countLeaves(root)} leaves ${summary}</p>`;
  return html`<ul class="tree" aria-label="Wait expression">${draw(root)}</ul>`;
}

const leavesShownMax = 200;

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

// Chart draws series over the last minutes. rows is [[seconds…], [values…]…]; series [{label, colour}].
export function Chart({ title, rows, series, format }) {
  const box = useRef(null);
  const chart = useRef(null);
  useEffect(() => {
    const build = () => {
      if (!box.current) return; // the page has been left before it was painted
      if (chart.current) chart.current.destroy();
      const axis = { stroke: colour("--pale"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      chart.current = new uPlot(
        {
          width: box.current.clientWidth,
          height: 150,
          cursor: { y: false },
          legend: { live: true },
          scales: { x: { range: (u, first, last) => [Math.min(first, last - windowSeconds), last] }, y: { range: (u, least, most) => [0, most > 0 ? most * 1.15 : 1] } },
          axes: [{ ...axis, space: 60 }, { ...axis, size: 56, values: (u, all) => all.map((v) => format(v)) }],
          series: [
            { value: (u, v) => (v ? new Date(v * 1000).toLocaleTimeString([], { hour12: false }) : "") },
            ...series.map((s) => ({
              label: s.label,
              stroke: colour(s.colour),
              width: 2,
              points: { show: false },
              value: (u, v) => format(v),
            })),
          ],
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
  return html`<figure class="chart"><figcaption>${title}</figcaption><div ref=${box}></div></figure>`;
}

// Value shows a JSON value, or text, as it is.
export const Value = ({ value }) => html`<pre class="value" tabindex="0">${typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>`;
