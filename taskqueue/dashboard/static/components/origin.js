/** Where a task comes from, and what came of it: its parent, its schedule, its trace, its children. */

import { html } from "../vendor/preact.js";
import { shortId } from "../app/format.js";
import { useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { Copy } from "./copy.js";

const SHOWN = 5;

/** Return the facts about the origin of a task. */
export const originOf = (task) => [
  ["Parent", task.parent && html`<a href=${to("tasks", task.parent)}><code>${shortId(task.parent)}</code></a>`],
  ["Schedule", task.schedule && html`<a href=${to("schedules", task.schedule)}>${task.schedule}</a>`],
  ["Trace", task.traceparent && html`<${Trace} id=${task.traceparent.split("-")[1]} />`],
];

const Trace = ({ id }) => html`<span><a href=${to("tasks", "", { trace: id })}><code>${id}</code></a> <${Copy} text=${id} what="the id of the trace" /></span>`;

/** The tasks that its handler has enqueued: they are accepted together with its result. */
export function Children({ task }) {
  const path = `tasks?parent=${encodeURIComponent(task.id)}&limit=${SHOWN}&sort=oldest&fields=id,action,status`;
  const { data } = useLive(task.status === "completed" ? path : null, 5);
  if (!data || data.tasks.length === 0) return null;
  return html`<section class="card" aria-label="Children"><header><h2>Children</h2><span class="gap"></span>
      ${data.next && html`<a class="small" href=${to("tasks", "", { parent: task.id })}>all of them</a>`}</header>
    <ul class="inside small">
      ${data.tasks.map(
        (child) => html`<li key=${child.id}><a href=${to("tasks", child.id)}>${child.action} <code>${shortId(child.id)}</code></a>
          <span class="soft"> ${child.status}</span></li>`,
      )}
    </ul>
  </section>`;
}

/** What narrows the list of tasks without a field of its own, to be taken away. */
export function Origins({ query }) {
  const without = (name) => to("tasks", "", { ...query, [name]: "" });
  const notes = [
    query.parent && ["parent", html`Children of <a href=${to("tasks", query.parent)}><code>${shortId(query.parent)}</code></a>`],
    query.trace && ["trace", html`Of the trace <code>${query.trace}</code>`],
  ].filter(Boolean);
  return notes.map(([name, text]) => html`<p class="why" key=${name}>${text} · <a href=${without(name)}>show others too</a></p>`);
}
