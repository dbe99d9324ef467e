/** What the service did in the last hour: read as a whole once, then minute by minute. */

import { useEffect, useMemo, useState } from "../vendor/preact.js";
import { useLive } from "./live.js";

const EVERY_S = 5;
const HOUR_S = 3600;
const LATEST = "activity?minutes=2";
const LATEST_S = 100; // what was read so long ago is too old to be continued with the latest minutes

let known = { since: 0, until: 0, bucket_s: 10, buckets: [], restarts: [] };
let readAt = 0;

/** Add an answer to what is known. It replaces all that it covers, the 10 s that were not over included. */
function joined(old, fresh) {
  const begin = Math.min(fresh.since, ...fresh.buckets.slice(0, 1).map((bucket) => bucket.at)) - fresh.bucket_s / 2;
  const end = fresh.until - HOUR_S;
  const kept = (each) => each.at >= end && each.at < begin;
  const buckets = [...old.buckets.filter(kept), ...fresh.buckets];
  const restarts = [...old.restarts.filter((each) => each.at >= end && each.at < fresh.since), ...fresh.restarts];
  return { ...fresh, since: Math.max(end, old.since > 0 ? Math.min(old.since, fresh.since) : fresh.since), buckets, restarts };
}

/** Return what is known of the last hour, and keep it up to date. */
export function useActivity() {
  const [state, setState] = useState(known);
  const isRecent = Date.now() / 1000 - readAt < LATEST_S;
  const { data } = useLive(isRecent ? LATEST : "activity", EVERY_S);
  useEffect(() => {
    if (data && data.until > known.until) {
      const isMissing = isRecent && data.since > known.until; // such as while the tab was hidden
      readAt = isMissing ? 0 : Date.now() / 1000;
      if (!isMissing) known = joined(known, data);
    }
    setState(isRecent && readAt === 0 ? { ...known } : known);
  }, [data]);
  return state;
}

const MINUTE_S = 60;

/** Return a sample for every 10 s that are over, and for now: what the minute before came to. */
export function useSamples({ since, until, bucket_s: step, buckets }) {
  return useMemo(() => {
    const samples = [];
    let first = 0;
    let next = 0;
    const origin = buckets.length > 0 ? buckets[0].at : until;
    const begin = origin - Math.floor((origin - since) / step) * step;
    for (let at = begin + step; at < until; at += step) {
      while (next < buckets.length && buckets[next].at < at - step / 2) next += 1;
      while (first < next && buckets[first].at < at - MINUTE_S - step / 2) first += 1;
      samples.push(sampleOf(at, buckets.slice(first, next)));
    }
    // The latest 10 s are not over, so this minute is one of 55 s to 65 s.
    if (until > 0) samples.push(sampleOf(until, buckets.filter((each) => each.at >= until - MINUTE_S - step / 2)));
    return samples;
  }, [since, until, buckets]);
}

/** The sums of these buckets, and the durations of the slowest of them. */
function sampleOf(at, buckets) {
  const sum = (name) => buckets.reduce((total, each) => total + each[name], 0);
  const longest = (durations, name) => {
    const found = buckets.map((each) => each[durations]).filter(Boolean);
    return found.length ? Math.max(...found.map((each) => each[name])) : null;
  };
  return {
    at,
    completed: sum("completed"),
    failed: sum("failed"),
    wait50: longest("wait_s", "p50"),
    wait95: longest("wait_s", "p95"),
    run50: longest("run_s", "p50"),
    run95: longest("run_s", "p95"),
  };
}
