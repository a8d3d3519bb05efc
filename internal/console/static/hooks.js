// What views share: data that stays fresh for as long as it is looked at.
import { useState, useEffect, useRef } from "./html.js";
import { call, follow } from "./api.js";

// useStream is the newest document of an event stream: [document, error].
export function useStream(path, options = {}) {
  const [state, setState] = useState([null, null]);
  useEffect(() => {
    if (!path) return undefined;
    const gone = new AbortController();
    setState([null, null]);
    follow(path, {
      ...options,
      signal: gone.signal,
      see: (document) => setState([document, null]),
      fail: (error) => error && setState(([document]) => [document, error]),
    });
    return () => gone.abort();
  }, [path]);
  return state;
}

// useNews calls heard after a stream said something, at most once every everyMs. An empty path is nothing to listen to.
export function useNews(path, everyMs, heard) {
  const latest = useRef(heard);
  latest.current = heard;
  useEffect(() => {
    if (!path) return undefined;
    const gone = new AbortController();
    let timer;
    const see = () => {
      timer ??= setTimeout(() => ((timer = undefined), latest.current()), everyMs);
    };
    follow(path, { signal: gone.signal, see });
    return () => (gone.abort(), clearTimeout(timer));
  }, [path, everyMs]);
}

// usePoll asks again every everyMs while the page is visible: [document, error, reload]. 0 asks once.
export function usePoll(path, everyMs) {
  const [state, setState] = useState([null, null]);
  const [turn, setTurn] = useState(0);
  const shown = useRef(path);
  useEffect(() => {
    const gone = new AbortController();
    let timer;
    if (shown.current !== path) setState([null, null]);
    shown.current = path;
    const ask = async () => {
      if (!document.hidden) {
        try {
          const answer = await call("GET", path, { signal: gone.signal });
          if (!gone.signal.aborted) setState([answer, null]);
        } catch (error) {
          if (!gone.signal.aborted) setState(([answer]) => [answer, error]);
        }
      }
      if (everyMs && !gone.signal.aborted) timer = setTimeout(ask, everyMs);
    };
    ask();
    return () => (gone.abort(), clearTimeout(timer));
  }, [path, everyMs, turn]);
  return [...state, () => setTurn((n) => n + 1)];
}

// useNow is the time, every everyMs.
export function useNow(everyMs = 1000) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

// useAction runs what a button does: [run, busy, error].
export function useAction(does) {
  const [state, setState] = useState([false, null]);
  const run = async (...given) => {
    setState([true, null]);
    try {
      await does(...given);
      setState([false, null]);
    } catch (error) {
      setState([false, error]);
    }
  };
  return [run, ...state];
}
