/** The events of the service, as they come: restarts, pauses, dead letters, changes by people.

The stream leaves out what every task does: thousands a second would cost the service and this page
more than asking now and then.
*/

import { useEffect, useState } from "../vendor/preact.js";
import { concerns } from "./concerns.js";
import { nudge, reportConnection } from "./live.js";

const names = [
  "child_started", "child_exited", "child_terminated", "child_restarted", "child_start_failed", "child_stopped", "supervisor_escalated",
  "consumer_blocked", "consumer_unblocked", "loop_lagged", "storage_degraded", "storage_ready", "service_stopping", "queue_paused", "queue_resumed", "node_draining", "node_resumed", "limit_changed", "group_ended",
  "schedule_created", "schedule_changed", "schedule_paused", "schedule_resumed", "schedule_deleted", "schedule_undeclared", "schedule_skipped", "schedule_missed",
  "task_dead_lettered", "task_rescued", "task_redriven", "task_edited", "dead_redriven", "dead_deleted", "tasks_expired", "audit_change", "gap",
];

const KEPT = 500;
const AGAIN_MS = 10_000;
const DRAWN_MS = 200;

let kept = [];
let latest = 0;
let source = null;
let retry = 0;
const listeners = new Set();

function connect() {
  source = new EventSource(`events?event=${names.filter((name) => name !== "gap").join(",")}`);
  source.onopen = () => {
    reportConnection(true);
    nudge();
  };
  source.onerror = () => {
    reportConnection(false);
    if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
    clearTimeout(retry);
    retry = setTimeout(() => (disconnect(), connect()), AGAIN_MS);
  };
  for (const name of names) source.addEventListener(name, (event) => add(name, JSON.parse(event.data)));
}

function disconnect() {
  clearTimeout(retry);
  if (source) source.close();
  source = null;
}

let timer = 0;
let fresh = [];

function add(name, fields) {
  const event = { ...fields, name, key: (latest += 1), at: fields.at ?? Date.now() / 1000 };
  kept.push(event);
  fresh.push(event);
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    kept = kept.slice(-KEPT);
    listeners.forEach((listener) => listener(kept));
    const news = fresh.slice(-KEPT);
    fresh = [];
    nudge((path) => news.some((event) => concerns(event, path)));
  }, DRAWN_MS);
}

/** Follow the events while the page is shown. A hidden tab has no stream, and no connection. */
export function useEventStream() {
  useEffect(() => {
    const follow = () => {
      disconnect();
      if (!document.hidden) connect();
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      document.removeEventListener("visibilitychange", follow);
      disconnect();
    };
  }, []);
}

/** Return the latest events, oldest first, since the page was opened. */
export function useEvents() {
  const [events, setEvents] = useState(kept);
  useEffect(() => {
    listeners.add(setEvents);
    setEvents(kept);
    return () => listeners.delete(setEvents);
  }, []);
  return events;
}

/** Whether a supervisor has started a child again. */
export const isRestart = (event) => event.name === "child_restarted";
