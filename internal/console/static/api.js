// The console speaks to the server as everybody does: through the public API, with the caller's key if there is one.

const keyName = "awaitd-key";

export const key = {
  get: () => sessionStorage.getItem(keyName) || "",
  set: (value) => (value ? sessionStorage.setItem(keyName, value) : sessionStorage.removeItem(keyName)),
};

// Problem is an answer that says what went wrong (RFC 9457).
export class Problem extends Error {
  constructor(status, body) {
    const fields = (body.errors || []).map((e) => `${e.pointer || e.parameter || ""} ${e.detail}`.trim());
    super([body.detail || body.title || `HTTP ${status}`, ...fields].join(" "));
    this.status = status;
    this.code = body.code;
  }
}

function headers(extra) {
  const all = { Accept: "application/json", ...extra };
  if (key.get()) all.Authorization = `Bearer ${key.get()}`;
  return all;
}

// send makes a request and gives the response, or throws a Problem.
export async function send(method, path, { json, body, type, accept, signal } = {}) {
  const extra = {};
  if (accept) extra.Accept = accept;
  if (json !== undefined) [body, type] = [JSON.stringify(json), "application/json"];
  if (type) extra["Content-Type"] = type;
  const response = await fetch(path, { method, body, signal, headers: headers(extra) });
  if (response.ok) return response;
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // not every failure on the way is ours to describe
  }
  if (response.status === 401) window.dispatchEvent(new Event("key-needed"));
  throw new Problem(response.status, problem);
}

// call is send for JSON answers; null when there is none.
export async function call(method, path, options) {
  const response = await send(method, path, options);
  return response.status === 204 ? null : response.json();
}

// frames reads the text of an event stream (server-sent events) and yields {id, event, data}.
export async function* frames(reader) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const frame = { id: "", event: "message", data: "" };
      for (const line of text.slice(0, end).split("\n")) {
        const colon = line.indexOf(":");
        if (colon <= 0) continue; // a comment keeps the connection alive
        const [name, rest] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
        if (name === "data") frame.data += (frame.data && "\n") + rest;
        else if (name === "id" || name === "event") frame[name] = rest;
      }
      if (frame.data) yield frame;
    }
  }
}

const pauseMs = 1000;
const pause = (signal, ms = pauseMs) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

// follow calls see(document, event) for all that a stream says, for as long as signal lasts: it connects again when the
// connection ends, from where it was. A stream that is over for good says so with an answer of last.
export async function follow(path, { signal, see, fail, method = "GET", json, last = () => false }) {
  let id = "";
  while (!signal.aborted) {
    try {
      const extra = { Accept: "text/event-stream" };
      if (id) extra["Last-Event-ID"] = id;
      if (json) extra["Content-Type"] = "application/json";
      const response = await fetch(path, { method, body: json && JSON.stringify(json), signal, headers: headers(extra) });
      if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
      if (fail) fail(null);
      for await (const frame of frames(response.body.getReader())) {
        if (frame.id) id = frame.id;
        const document = JSON.parse(frame.data);
        see(document, frame.event);
        if (last(document, frame.event)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) window.dispatchEvent(new Event("key-needed"));
      if (fail) fail(error);
      if (error.status >= 400 && error.status < 500 && error.status !== 429) return; // asking again changes nothing
    }
    await pause(signal);
  }
}
