// The loop at work: what it does now, and how it was in the last minutes.
import { html, useEffect, useRef, useState } from "../html.js";
import { send } from "../api.js";
import { useStream } from "../hooks.js";
import { clock, ms, number, span } from "../format.js";
import { parse, quantile } from "../metrics.js";
import { Chart, Fault } from "../parts.js";

const samplesMax = 300;

// useMetrics adds to each look at the loop what only the metrics tell.
function useMetrics(loop) {
  const before = useRef(null);
  const [wake, setWake] = useState({ p50: NaN, p99: NaN });
  useEffect(() => {
    if (!loop) return undefined;
    const gone = new AbortController();
    send("GET", "/metrics", { accept: "text/plain", signal: gone.signal })
      .then((response) => response.text())
      .then((text) => {
        const now = parse(text);
        const at = (q) => quantile("awaitd_wake_seconds", q, before.current, now) * 1000;
        setWake({ p50: at(0.5), p99: at(0.99) });
        before.current = now;
      })
      .catch(() => {}); // a chart with a gap says as much
    return () => gone.abort();
  }, [loop && loop.now]);
  return wake;
}

export function Overview() {
  const [loop, error] = useStream("/loop");
  const wake = useMetrics(loop);
  return html`<${OverviewPage} loop=${loop} wake=${wake} error=${error} />`;
}

// columns of the samples, in the order of rows.
const columns = {
  lag: (l) => l.lag_ms.last,
  turns: (l, last) => (last ? Math.round((l.turns - last.turns) / Math.max(0.001, (Date.parse(l.now) - Date.parse(last.now)) / 1000)) : null),
  pending: (l) => l.futures.pending,
  running: (l) => l.futures.running,
  queued: (l) => l.futures.queued,
  waiters: (l) => l.waiters,
  commit: (l) => l.commit.last_ms,
};

export function OverviewPage({ loop, wake, error, history }) {
  const [rows, setRows] = useState(history || { t: [], wake50: [], wake99: [], ...Object.fromEntries(Object.keys(columns).map((c) => [c, []])) });
  const last = useRef(null);
  useEffect(() => {
    if (!loop || history) return;
    setRows((rows) => {
      const add = (column, value) => [...rows[column], Number.isNaN(value) ? null : value].slice(-samplesMax);
      const next = { t: add("t", Date.parse(loop.now) / 1000), wake50: add("wake50", wake.p50), wake99: add("wake99", wake.p99) };
      for (const [name, of] of Object.entries(columns)) next[name] = add(name, of(loop, last.current));
      return next;
    });
    last.current = loop;
  }, [loop && loop.now]);
  const of = (...names) => [rows.t, ...names.map((name) => rows[name])];
  return html`
    <h1>Overview</h1>
    <${Fault} error=${error} />
    ${loop && html`<${Tiles} loop=${loop} wake=${wake} />`}
    <div class="charts">
      <${Chart} title="Loop lag" format=${ms} rows=${of("lag")} series=${[{ label: "late by", colour: "--accent" }]} />
      <${Chart} counts title="Turns a second" format=${number} rows=${of("turns")} series=${[{ label: "turns", colour: "--accent" }]} />
      <${Chart} counts title="Fetches" format=${number} rows=${of("running", "queued")}
        series=${[{ label: "in flight", colour: "--accent" }, { label: "queued", colour: "--warn" }]} />
      <${Chart} counts title="Pending futures" format=${number} rows=${of("pending")} series=${[{ label: "pending", colour: "--accent" }]} />
      <${Chart} counts title="Waiters" format=${number} rows=${of("waiters")} series=${[{ label: "parked", colour: "--accent" }]} />
      <${Chart} title="Wake latency" format=${ms} rows=${of("wake50", "wake99")}
        series=${[{ label: "p50", colour: "--accent" }, { label: "p99", colour: "--warn" }]} />
    </div>
    ${loop && html`<${Slow} slow=${loop.slow_callbacks} />`}
  `;
}

function Tiles({ loop, wake }) {
  const tile = (label, value, note) => html`<div class="tile"><dt>${label}</dt><dd>${value} <small>${note}</small></dd></div>`;
  return html`<dl class="tiles">
    ${tile("Loop lag", ms(loop.lag_ms.last), `most ${ms(loop.lag_ms.max)}`)}
    ${tile("In flight", `${number(loop.workers.busy)}`, `of ${number(loop.workers.max)} workers`)}
    ${tile("Queued", number(loop.futures.queued), "for their turn")}
    ${tile("Pending", number(loop.futures.pending), `${number(loop.futures.unawaited)} unawaited`)}
    ${tile("Waiters", number(loop.waiters), "requests held")}
    ${tile("Events", number(loop.events), "remembered")}
    ${tile("Wake p50", ms(wake && wake.p50), Number.isNaN(wake && wake.p50) ? "nobody woken" : `p99 ${ms(wake && wake.p99)}`)}
    ${tile("Last commit", ms(loop.commit.last_ms), `up ${span(Math.floor(loop.uptime_seconds))}`)}
  </dl>`;
}

function Slow({ slow }) {
  if (!slow.count) return null;
  return html`<section><h2>Slow callbacks <small>${number(slow.count)} since the start</small></h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Slow callbacks"><table>
      <thead><tr><th>Name</th><th>Took</th><th>At</th></tr></thead>
      <tbody>${slow.recent.map((s) => html`<tr><td class="mono">${s.name}</td><td>${ms(s.took_ms)}</td><td>${clock(s.at)}</td></tr>`)}</tbody>
    </table></div></section>`;
}
