/** How much was done, how long it waited and ran, sampled while the page is open, for an hour at most. */

import { useEffect, useState } from "../vendor/preact.js";
import { useLive } from "./live.js";

const EVERY_S = 5;
const KEPT_S = 3600;

let samples = [];
const listeners = new Set();

/** The figures of all queues together, of the latest minute. The durations are those of the slowest queue. */
function sampleOf(queues, at) {
  const latest = queues.map((queue) => queue.recent[0]).filter(Boolean);
  const sum = (name) => latest.reduce((total, each) => total + each[name], 0);
  const longest = (durations, name) => {
    const found = latest.map((each) => each[durations]).filter(Boolean);
    return found.length ? Math.max(...found.map((each) => each[name])) : null;
  };
  return {
    at,
    completed: sum("completed_per_min"),
    failed: sum("failed_per_min"),
    wait50: longest("wait_s", "p50"),
    wait95: longest("wait_s", "p95"),
    run50: longest("run_s", "p50"),
    run95: longest("run_s", "p95"),
  };
}

/** Take samples, on whatever screen. */
export function useSampling() {
  const { data } = useLive("queues", EVERY_S);
  useEffect(() => {
    const at = Date.now() / 1000;
    if (!data || (samples.length > 0 && at - samples.at(-1).at < EVERY_S / 2)) return;
    samples = [...samples.filter((each) => at - each.at < KEPT_S), sampleOf(data.queues, at)];
    listeners.forEach((listener) => listener(samples));
  }, [data]);
}

export function useSamples() {
  const [state, setState] = useState(samples);
  useEffect(() => {
    listeners.add(setState);
    setState(samples);
    return () => listeners.delete(setState);
  }, []);
  return state;
}
