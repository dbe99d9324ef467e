/** Answers of the API that stay up to date while they are shown.

All that show the same answer share it, and the requests for it. The page asks again after a while, at
once after a change of its own, and soon after an event of the service that concerns it. It asks nothing
while its tab is hidden. Whether the service answers is known to the whole page: `useConnection`.
*/

import { useCallback, useEffect, useLayoutEffect, useState } from "../vendor/preact.js";
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

let onSignedOut = () => {};

/** Call `action` when the service wants to know again who asks. */
export function whenSignedOut(action) {
  onSignedOut = action;
}

// An open page may cost the service 2 % of a core, and shows about five answers at a time.
const SHARE = 250;
const SHARE_AFTER_EVENTS = 50;
const LONGEST_S = 5;
const SOON_S = 0.25;

const CALM_MS = 500;
let actedAt = -Infinity;
const onAct = () => (actedAt = performance.now());
for (const name of ["pointerdown", "keydown", "input"]) addEventListener(name, onAct, { capture: true });

/** What is slow to answer is asked for less often: an open page must cost the service little. */
const pause = (every, took, share = SHARE) => Math.max(every, Math.min(LONGEST_S, took * share));

const nothing = { data: null, problem: null };

/** One answer, and all that show it. */
class Resource {
  constructor(path) {
    this.path = path;
    this.state = nothing;
    this.shown = new Map(); // what is called with a new state, and how often it wants one, in seconds
    this.timer = 0;
    this.aborter = null;
    this.took = 0; // seconds, for the latest answer
    this.answeredAt = -Infinity;
  }

  show(listener, every, isKnown) {
    this.shown.set(listener, every);
    const age = (performance.now() - this.answeredAt) / 1000;
    const isEnough = isKnown && this.answeredAt === -Infinity; // an old answer is not what is shown
    if (age > SOON_S && !this.aborter && !isEnough) this.ask();
    else this.plan();
    return () => {
      this.shown.delete(listener);
      if (this.shown.size === 0) this.rest();
    };
  }

  rest() {
    clearTimeout(this.timer);
    if (this.aborter) this.aborter.abort();
    this.aborter = null;
    const idle = [...resources.values()].filter((each) => each.shown.size === 0);
    idle.slice(0, -KEPT).forEach((each) => resources.delete(each.path));
  }

  plan() {
    clearTimeout(this.timer);
    const every = Math.min(...this.shown.values());
    if (every < Infinity) this.askIn(pause(every, this.took) * 1000);
  }

  /** Ask after so long, but not just after the user has done something: the answer to that goes first. */
  askIn(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const left = actedAt + CALM_MS - performance.now();
      if (left > 0) this.askIn(left);
      else this.ask();
    }, ms);
  }

  async ask() {
    if (this.aborter || this.shown.size === 0) return;
    if (document.hidden) {
      this.plan();
      return;
    }
    const aborter = (this.aborter = new AbortController());
    const state = await this.answer(aborter.signal);
    if (aborter.signal.aborted) return;
    this.aborter = null;
    this.state = state;
    [...this.shown.keys()].forEach((listener) => listener(state));
    this.plan();
  }

  async answer(signal) {
    const began = performance.now();
    try {
      const data = await get(this.path, signal);
      this.answeredAt = performance.now();
      this.took = (this.answeredAt - began) / 1000;
      reportConnection(true);
      return { data, problem: null };
    } catch (problem) {
      if (signal.aborted) return this.state;
      if (problem.status === 401) onSignedOut();
      reportConnection(problem.status !== 0);
      return { data: this.state.data, problem };
    }
  }

  /** Ask anew, although an answer is under way: it may be of the time before. */
  askAnew() {
    if (this.shown.size === 0) return;
    if (this.aborter) this.aborter.abort();
    this.aborter = null;
    this.ask();
  }

  nudge() {
    if (performance.now() - this.answeredAt > pause(SOON_S, this.took, SHARE_AFTER_EVENTS) * 1000) this.askIn(0);
  }
}

const KEPT = 30;
const resources = new Map();

function resource(path) {
  const found = resources.get(path) || new Resource(path);
  resources.set(path, found);
  return found;
}

document.addEventListener("visibilitychange", () => resources.forEach((each) => each.ask()));

/** Ask everything that is shown again: the page has changed something. */
export const refresh = () => resources.forEach((each) => each.askAnew());

/** Ask again what was not asked just now: something has happened that `concerns` these paths. */
export const nudge = (concerns = () => true) => resources.forEach((each) => concerns(each.path) && each.nudge());

/** Keep the answer of `path`, asked every `every` seconds; Infinity: only after an event. Without a path there is none.

`data` stays while a newer answer fails: `problem` says why it is old. `isKnown`: what it would be is
shown already, so it is first asked when it may have changed.
*/
export function useLive(path, every = 2, { isKnown = false } = {}) {
  const [, redraw] = useState(nothing);
  useLayoutEffect(() => (path ? resource(path).show(redraw, every, isKnown) : undefined), [path, every]); // an effect would ask a frame later
  const reload = useCallback(() => path && resource(path).askAnew(), [path]);
  const { data, problem } = path ? resource(path).state : nothing;
  return { data, problem, reload };
}

const tickers = new Set();
setInterval(() => !document.hidden && tickers.forEach((tick) => tick(Date.now() / 1000)), 1000);

/** Return the time in seconds, as often as it has changed by `step`. */
export function useNow(step = 1) {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const tick = (time) => setNow(Math.floor(time / step) * step);
    tickers.add(tick);
    return () => tickers.delete(tick);
  }, [step]);
  return now;
}
