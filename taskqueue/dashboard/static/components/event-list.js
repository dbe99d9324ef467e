/** Events of the service, newest first. */

import { html } from "../vendor/preact.js";
import { to } from "../app/router.js";
import { Empty } from "./states.js";
import { Time } from "./time.js";

const bad = new Set(["child_exited", "child_start_failed", "supervisor_escalated", "consumer_blocked", "storage_degraded", "task_dead_lettered"]);
const warning = new Set(["child_restarted", "child_terminated", "loop_lagged", "task_rescued", "queue_paused", "node_draining", "service_stopping", "gap", "schedule_skipped", "schedule_missed", "schedule_paused", "schedule_undeclared"]);

const toneOf = (name) => (bad.has(name) ? "bad" : warning.has(name) ? "warning" : "good");

/** The fields that say what an event is about, in one line. */
function about(event) {
  const where = event.child_id && `${event.supervisor}/${event.child_id}`;
  const change = event.method && `${event.who}: ${event.method} ${event.path}, ${event.status}`;
  const incarnation = event.incarnation && `incarnation ${event.incarnation}`;
  return [where, change, event.consumer, event.handler, event.late_s !== undefined && `${event.late_s} s late`, event.action, event.queue && `queue ${event.queue}`, event.node && `node ${event.node}`, event.limit, event.group && `group ${event.group}`, event.schedule && `schedule ${event.schedule}`, incarnation, event.reason ?? event.why, event.body, event.tasks && `${event.tasks} tasks`]
    .filter(Boolean)
    .join(" · ");
}

export function EventList({ events, children }) {
  if (events.length === 0) return html`<${Empty} title="Nothing so far">${children}<//>`;
  return html`<ol class="events">
    ${[...events].reverse().map(
      (event) => html`<li key=${event.key} data-tone=${toneOf(event.name)}>
        <span class="status">${event.name.replaceAll("_", " ")}</span>
        <span class="what">${about(event)}${event.task_id && html` <a href=${to("tasks", event.task_id)}>task</a>`}</span>
        <span class="faint small"><${Time} at=${event.at} /></span>
      </li>`,
    )}
  </ol>`;
}
