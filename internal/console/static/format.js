// How figures, times and expressions are written for people.

export function since(from, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(from)) / 1000));
  return span(seconds);
}

export function until(to, now) {
  const seconds = Math.round((Date.parse(to) - now) / 1000);
  return seconds <= 0 ? "now" : `in ${span(seconds)}`;
}

export function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// Sweden writes times as everybody can read them: 2026-11-27 13:30:31.
export const clock = (text) => (text ? new Date(text).toLocaleTimeString("sv-SE") : "–");
export const moment = (text) => (text ? new Date(text).toLocaleString("sv-SE") : "–");
export const number = (n) => (n === null || n === undefined ? "–" : n.toLocaleString("en-US"));

export function ms(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return "–";
  if (n === 0) return "0 ms";
  if (n < 1) return `${n.toFixed(2)} ms`;
  if (n < 1000) return `${n.toFixed(n < 10 ? 1 : 0)} ms`;
  return `${(n / 1000).toFixed(2)} s`;
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  for (const unit of ["B", "KiB", "MiB"]) {
    if (n < 1024) return `${unit === "B" ? n : n.toFixed(1)} ${unit}`;
    n /= 1024;
  }
  return `${n.toFixed(1)} GiB`;
}

export const shortID = (id) => (id.length > 18 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id);

// parts of an expression: {op, label, leaf, parts}. Short forms are strings.
export function tree(expr) {
  if (typeof expr === "string") return leaf(expr);
  for (const op of ["all", "any", "of"]) {
    if (expr[op]) {
      const label = op === "of" ? `at least ${expr.at_least} of` : op;
      return { label, parts: expr[op].map(tree) };
    }
  }
  if (expr.settled !== undefined) return { label: "settled", parts: [tree(expr.settled)] };
  if (expr.event !== undefined) return leaf(`event:${expr.event}${wants(expr)}`, `event:${expr.event}`);
  if (expr.future !== undefined) return leaf(`future:${expr.future}`, expr.future);
  if (expr.group !== undefined) return leaf(`group:${expr.group}`);
  if (expr.sleep !== undefined) return leaf(`sleep:${expr.sleep}`);
  if (expr.until !== undefined) return leaf(`until ${clock(expr.until)}`);
  return leaf(JSON.stringify(expr));
}

const leaf = (label, ref = label) => ({ label, ref, leaf: true });
const wants = (e) => (e.after !== undefined ? ` after ${e.after}` : "") + (e.times ? ` × ${e.times}` : "");

export const countLeaves = (t) => (t.leaf ? 1 : t.parts.reduce((n, part) => n + countLeaves(part), 0));

// refersTo says whether an expression waits for ref ("event:a", an id).
export function refersTo(t, ref) {
  return t.leaf ? t.ref === ref || t.ref === `future:${ref}` : t.parts.some((part) => refersTo(part, ref));
}

// line is an expression in one line.
export const line = (t) => (t.leaf ? t.label : `${t.label}(${t.parts.map(line).join(", ")})`);

// quote is text as one word of a POSIX shell.
export const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
