// A story per view, with canned data: how each looks when something happens, without a server doing it.
import { html, render } from "./html.js";
import { OverviewPage } from "./views/overview.js";
import { FuturesPage } from "./views/futures.js";
import { FuturePage } from "./views/future.js";
import { EventsPage } from "./views/events.js";
import { EventPage } from "./views/event.js";
import { WaitsPage } from "./views/waits.js";
import { LimitsPage } from "./views/limits.js";
import { Try } from "./views/try.js";

const at = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
const wave = (n, base, swing) => Array.from({ length: n }, (_, i) => base + swing * (1 + Math.sin(i / 9)) * (0.6 + 0.4 * Math.sin(i / 2.3)));

const loop = {
  now: at(0), uptime_seconds: 93784, turns: 1843221, callbacks: 5120033, ready: 0, timers: 4211, tasks: 0,
  slow_callbacks: { count: 1, recent: [{ name: "await.turn", took_ms: 131, at: at(-900) }] },
  lag_ms: { last: 0.31, max: 14.2 }, inbox: { requests: 3, requests_max: 16384 },
  futures: { pending: 4310, running: 212, queued: 98, unawaited: 2 }, workers: { busy: 212, max: 256 },
  waiters: 1840, events: 312, commit: { in_flight: true, last_ms: 1.4 },
};
const n = 180;
const history = {
  t: Array.from({ length: n }, (_, i) => Date.now() / 1000 - n + i), lag: wave(n, 0.2, 0.4), turns: wave(n, 300, 500), pending: wave(n, 3000, 800),
  running: wave(n, 100, 70), queued: wave(n, 0, 60), waiters: wave(n, 1500, 200), commit: wave(n, 1, 1), wake50: wave(n, 0.4, 0.2), wake99: wave(n, 2, 2),
};

const links = { result: "/futures/x/result" };
const failing = {
  id: "fut_01M829CT1AGJ72JJR2DGVPZ0BA", kind: "fetch", state: "pending", reason: "backoff", version: 7, created_at: at(-21), started_at: at(-21),
  settled_at: null, expires_at: null, deadline_at: at(3579), next_attempt_at: at(6), labels: { order: "42" },
  request: { method: "POST", url: "https://api.example.com/v1/orders", headers: { Authorization: ["[redacted]"], Accept: ["application/json"] } },
  attempts: [
    { n: 1, at: at(-20), duration_ms: 2300, status: 503, error: null },
    { n: 2, at: at(-14), duration_ms: 5000, status: null, error: { type: "timeout", message: "The attempt took longer than 5s." } },
  ],
  result: null, error: null, links,
};
const done = {
  ...failing, id: "fut_01M829CX1RTTP1544JVTJRJ2AR", state: "succeeded", reason: null, next_attempt_at: null, settled_at: at(-1), expires_at: at(86000),
  attempts: [...failing.attempts, { n: 3, at: at(-2), duration_ms: 812, status: 200, error: null }],
  result: { status: 200, headers: { "Content-Type": ["application/json"] }, bytes: 42, json: { order: 42, items: ["tea", "cups"] } },
};
const timer = { ...failing, id: "fut_01M829CZZZZZZZZZZZZZZZZZZZ", kind: "timer", reason: null, request: undefined, attempts: [], due_at: at(90), labels: {} };
const refused = { ...done, id: "fut_01M829CYYYYYYYYYYYYYYYYYYY", state: "failed", result: null, error: { type: "egress_denied", message: "The rules of this server do not allow the target." } };
const event = { name: "tests-passed", set: true, generation: 3, set_at: at(-64), expires_at: null, payload: { content_type: "application/json", json: { sha: "4f2a" } } };
const waits = [
  { since: at(-31), kind: "http", for: { all: ["event:tests-passed", { any: [failing.id, "sleep:10m"] }, "event:approved"] }, outcome: "pending", done: 2, pending: 2, leaves: ["satisfied", "failed", "pending", "pending"] },
  { since: at(-12), kind: "future", future: done.id, for: { all: ["event:eu-done", "event:approved"] }, outcome: "pending", done: 1, pending: 1, leaves: ["satisfied", "pending"], orphan: true },
  { since: at(-9), kind: "stream", outcome: "pending", done: 0, pending: 1, leaves: [] },
  { since: at(-7), kind: "http", for: { all: Array.from({ length: 1200 }, (_, n) => `event:shard-${n}`) }, outcome: "pending", done: 40, pending: 1160, leaves: Array.from({ length: 100 }, (_, n) => (n % 3 ? "pending" : "satisfied")) },
  { since: at(-4), kind: "http", for: { at_least: 2, of: ["event:eu-done", "event:us-done", "event:asia-done"] }, outcome: "pending", done: 0, pending: 3, leaves: ["pending", "pending", "pending"] },
];
const limits = [
  { key: "api.example.com", in_flight: 8, concurrency: 8, queued: 98, rate: 100, period: "1s", circuit: { state: "closed", next_probe_at: null } },
  { key: "slow.example.org", in_flight: 0, queued: 412, circuit: { state: "open", next_probe_at: at(12) } },
  { key: "tenant-7", in_flight: 1, concurrency: 1, queued: 0, circuit: { state: "half_open", next_probe_at: null } },
];
const nothing = () => {};
const filter = { state: "", kind: "", label: "" };

const stories = [
  ["Overview", html`<${OverviewPage} loop=${loop} wake=${{ p50: 0.44, p99: 3.1 }} history=${history} />`],
  ["Futures", html`<${FuturesPage} page=${{ futures: [failing, done, timer, refused], next_cursor: "x" }} filter=${filter} change=${nothing} live=${true} setLive=${nothing} older=${nothing} number=${1} />`],
  ["Futures, none", html`<${FuturesPage} page=${{ futures: [] }} filter=${filter} change=${nothing} live=${true} setLive=${nothing} number=${1} />`],
  ["A future that retries", html`<${FuturePage} id=${failing.id} f=${failing} />`],
  ["A future that succeeded", html`<${FuturePage} id=${done.id} f=${done} />`],
  ["A future that was refused", html`<${FuturePage} id=${refused.id} f=${refused} />`],
  ["Events", html`<${EventsPage} page=${{ events: [event, { ...event, name: "approved", set: false, payload: null }] }} prefix="" find=${nothing} />`],
  ["An event", html`<${EventPage} id=${event.name} e=${event} seen=${[event, { ...event, generation: 2, set_at: at(-400) }]} waits=${waits.slice(0, 1)} />`],
  ["Waits", html`<${WaitsPage} loop=${{ ...loop, waits, unawaited: [timer.id, "approval:42"] }} />`],
  ["Waits, none", html`<${WaitsPage} loop=${{ ...loop, waiters: 0, waits: [], unawaited: [], futures: { unawaited: 0 } }} />`],
  ["Limits", html`<${LimitsPage} page=${{ limits }} />`],
  ["Try it", html`<${Try} />`],
  ["A fault", html`<${FuturesPage} error=${new Error("The server is shutting down.")} filter=${filter} change=${nothing} live=${true} setLive=${nothing} number=${1} />`],
];

const shown = decodeURIComponent(location.hash.slice(1));
render(
  html`<main>${stories.filter(([name]) => !shown || name === shown).map(([name, view]) => html`<section class="story" data-story=${name}><p class="pale">Story: ${name}</p>${view}</section>`)}</main>`,
  document.getElementById("app"),
);
