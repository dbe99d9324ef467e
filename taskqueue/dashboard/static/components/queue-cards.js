/** The queues as cards: how much waits, since when, and who works on it. */

import { html } from "../vendor/preact.js";
import { count, duration, perMinute, plural } from "../app/format.js";
import { to } from "../app/router.js";
import { Status } from "./status.js";

export function QueueCards({ queues }) {
  return html`<div class="queue-cards">
    ${queues.map((queue) => html`<${QueueCard} key=${queue.queue} queue=${queue} />`)}
  </div>`;
}

function QueueCard({ queue }) {
  const { tasks } = queue;
  const recent = queue.recent[0];
  return html`<a class="card queue-card" href=${to("tasks", "", { queue: queue.queue })}>
    <span class="top"><strong class="cut">${queue.queue}</strong>
      <${Status} value=${queue.paused ? "paused" : "open"} tone=${queue.paused ? "warning" : "good"} />
    </span>
    <span class="depth"><b>${count(tasks.queued)}</b> waiting</span>
    <span class="facts-line">
      <span>${count(tasks.running)} running</span>
      <span>${plural(queue.consumers, "consumer")}</span>
      ${tasks.scheduled + tasks.retrying > 0 && html`<span>${count(tasks.scheduled + tasks.retrying)} later</span>`}
    </span>
    ${recent && recent.completed_per_min + recent.failed_per_min > 0 && html`<span class="small soft">
      ${perMinute(recent.completed_per_min)} a minute${recent.failed_per_min > 0 && html`, <span class="bad">${perMinute(recent.failed_per_min)} failed</span>`}${recent.wait_s && `, waited ${duration(recent.wait_s.p95)} (p95)`}
    </span>`}
    <${HeldBack} limits=${queue.limits} />
    <span class="small faint">${queue.oldest_runnable_s === null ? "Nothing waits to run" : `Oldest has waited ${duration(queue.oldest_runnable_s)}`}</span>
  </a>`;
}

const MOST_COUNTED = 1000;

/** The limits that hold back tasks of a queue. */
export function HeldBack({ limits }) {
  if (limits.length === 0) return null;
  return html`<span class="held-back small">${limits.map(
    (limit) => html`<span class="tag" data-tone="warning" key=${limit.name}>${waiting(limit)} wait for <b>${limit.name}</b> (${count(limit.running)} running)</span> `,
  )}</span>`;
}

const waiting = ({ waiting: tasks }) => (tasks < MOST_COUNTED ? count(tasks) : `${count(MOST_COUNTED)} or more`);
