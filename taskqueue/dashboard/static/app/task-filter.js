/** The filter of the list of tasks: as it stands in the address, and as the API takes it. */

import { statuses } from "../components/status.js";

export const spans = { "5m": [300, "last 5 minutes"], "1h": [3600, "last hour"], "1d": [86400, "last 24 hours"], "7d": [604800, "last 7 days"] };

const MINUTE_S = 60;
const kept = ["status", "action", "queue", "text", "unique_key", "group", "parent", "trace", "error"];

/** An instant as a field of the browser writes it, in its own time zone; in seconds. */
const instant = (text) => new Date(text).getTime() / 1000;

/** Return the query of the API. A span ends now, to the minute, so that its answer can be kept. */
export function filterOf(query, now) {
  const filter = {};
  for (const name of kept) if (query[name]) filter[name] = query[name];
  const span = spans[query.since];
  if (span) filter.created_after = String(Math.floor((now - span[0]) / MINUTE_S) * MINUTE_S);
  if (query.from && instant(query.from)) filter.created_after = String(instant(query.from));
  if (query.to && instant(query.to)) filter.created_before = String(instant(query.to));
  return filter;
}

export const statusesOf = (query) => (query.status || "").split(",").filter((each) => statuses.includes(each));

/** Return the query with a status added, or taken away. */
export function toggled(query, status) {
  const old = statusesOf(query);
  const next = old.includes(status) ? old.filter((each) => each !== status) : [...old, status];
  return { ...query, status: next.join(",") };
}

/** Whether anything but the status narrows it. */
export const isNarrowed = (query) => ["action", "queue", "text", "unique_key", "group", "parent", "trace", "error", "since", "from", "to"].some((name) => query[name]);
