/** What can be done to tasks: to one, to some, and to all that match. */

import { post, remove, withQuery } from "./api.js";
import { count } from "./format.js";

const ENDED = ["completed", "dead", "cancelled"];
const path = (id, verb = "") => `tasks/${id}${verb && `/${verb}`}`;

/** `role`: what one task needs; `fits`: the statuses it is for. All that match need `admin`. */
export const actions = {
  cancel: {
    name: "Cancel", done: "cancelled", key: "c", icon: "stop", tone: "danger", role: "enqueue",
    fits: (status) => !ENDED.includes(status),
    run: (id) => post(path(id, "cancel"), { reason: "cancelled on the page" }),
  },
  redrive: {
    name: "Redrive", done: "queued again", key: "r", icon: "retry", tone: "primary", role: "enqueue",
    fits: (status) => status === "dead",
    run: (id) => post(path(id, "redrive")),
  },
  "run-now": {
    name: "Run now", done: "due now", icon: "bolt", tone: "primary", role: "enqueue",
    fits: (status) => status === "scheduled" || status === "retrying",
    run: (id) => post(path(id, "run-now")),
  },
  delete: {
    name: "Delete", done: "deleted", icon: "trash", tone: "danger", role: "admin",
    fits: (status) => ENDED.includes(status),
    run: (id) => remove(path(id)),
  },
};

const AT_ONCE = 4;

/** Do something to each of these tasks. Returns how many were done, and the problem of each other. */
export async function forEach(verb, ids, onProgress) {
  const left = [...ids];
  const problems = [];
  let done = 0;
  const work = async () => {
    while (left.length > 0) {
      try {
        await actions[verb].run(left.shift());
        done += 1;
      } catch (problem) {
        problems.push(problem);
      }
      onProgress(done + problems.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { done, problems };
}

/** The largest number that is counted before a question is asked. */
export const COUNTED = 500_000;

/** Do something to all tasks that match, or only count them. `isStopped` is asked between parts. */
export async function forAll(verb, filter, { dryRun = false, most = Infinity, onProgress, isStopped }) {
  const isAny = Object.keys(filter).length === 0;
  const base = { ...filter, ...(isAny && { all: true }), ...(dryRun && { dry_run: true }) };
  const total = { matched: 0, done: 0, isWhole: false };
  let cursor;
  do {
    const part = await post(withQuery(`tasks/${verb}`, { ...base, cursor }));
    total.matched += part.matched;
    total.done += part.done;
    cursor = part.next;
    onProgress({ ...total });
  } while (cursor && total.matched < most && !isStopped());
  return { ...total, isWhole: !cursor };
}

/** `12,345`, or `more than 500,000` if they were not all counted. */
export const honest = ({ matched, isWhole }) => (isWhole ? count(matched) : `more than ${count(matched)}`);
