/** Answers of the API that stay up to date while they are shown.

The page asks again after a while, at once after a change of its own, and soon after an event of the
service. It asks nothing while its tab is hidden. Whether the service answers is known to the whole
page: `useConnection`.
*/

import { useCallback, useEffect, useRef, useState } from "../vendor/preact.js";
import { get } from "./api.js";

const listeners = new Set();
let connection = { isUp: true, since: Date.now() };

/** Note that the service answers, or that it does not. */
export function reportConnection(isUp) {
  if (connection.isUp === isUp) return;
  connection = { isUp, since: Date.now() };
  listeners.forEach((listener) => listener(connection));
}

/** Return whether the service answers, and since when. */
export function useConnection() {
  const [state, setState] = useState(connection);
  useEffect(() => {
    listeners.add(setState);
    setState(connection);
    return () => listeners.delete(setState);
  }, []);
  return state;
}

const SHARE = 10;
const LONGEST_S = 10;
const SOON_S = 0.25;

/** What is slow to answer is asked for less often: an open page must cost the service little. */
const pause = (every, took) => Math.min(LONGEST_S, Math.max(every, took * SHARE));

const changed = new EventTarget();

/** Ask everything that is shown again: the page has changed something. */
export const refresh = () => changed.dispatchEvent(new Event("change"));

/** Ask again what was not asked just now: something has happened. */
export const nudge = () => changed.dispatchEvent(new Event("nudge"));

let onSignedOut = () => {};

/** Call `action` when the service wants to know again who asks. */
export function whenSignedOut(action) {
  onSignedOut = action;
}

/** Keep the answer of `path`, asked every `every` seconds. Without a path there is none.

`data` stays while a newer answer fails: `problem` says why it is old.
*/
export function useLive(path, every = 2) {
  const [state, setState] = useState({ path: null, data: null, problem: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (!path) return undefined;
    const aborter = new AbortController();
    let timer = 0;
    let isAsking = false;
    let took = 0; // seconds, for the latest answer
    let answeredAt = 0;
    const ask = async () => {
      clearTimeout(timer);
      if (isAsking) return;
      if (!document.hidden) {
        isAsking = true;
        await load();
        isAsking = false;
      }
      if (!aborter.signal.aborted) timer = setTimeout(ask, pause(every, took) * 1000);
    };
    const onNudge = () => {
      if (performance.now() - answeredAt > pause(SOON_S, took) * 1000) ask();
    };
    const load = async () => {
      const began = performance.now();
      try {
        const data = await get(path, aborter.signal);
        answeredAt = performance.now();
        took = (answeredAt - began) / 1000;
        reportConnection(true);
        setState({ path, data, problem: null });
      } catch (problem) {
        if (aborter.signal.aborted) return;
        if (problem.status === 401) onSignedOut();
        reportConnection(problem.status !== 0);
        setState((old) => ({ path, data: old.path === path ? old.data : null, problem }));
      }
    };
    again.current = ask;
    ask();
    document.addEventListener("visibilitychange", ask);
    changed.addEventListener("change", ask);
    changed.addEventListener("nudge", onNudge);
    return () => {
      aborter.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", ask);
      changed.removeEventListener("change", ask);
      changed.removeEventListener("nudge", onNudge);
    };
  }, [path, every]);
  const reload = useCallback(() => again.current(), []);
  const isCurrent = state.path === path;
  return { data: isCurrent ? state.data : null, problem: isCurrent ? state.problem : null, reload };
}

const tickers = new Set();
setInterval(() => !document.hidden && tickers.forEach((tick) => tick(Date.now() / 1000)), 1000);

/** Return the time in seconds, every second. */
export function useNow() {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    tickers.add(setNow);
    return () => tickers.delete(setNow);
  }, []);
  return now;
}
