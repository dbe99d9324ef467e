/** What needs attention first, the worst on top. */

import { html } from "../vendor/preact.js";
import { brief, count, duration, plural } from "../app/format.js";
import { useEvents } from "../app/events.js";
import { useLive, useNow } from "../app/live.js";
import { to } from "../app/router.js";
import { isBlocked, isWell, place, rows } from "../app/tree.js";

const LATE_S = 60;
const DEAD = "dead/groups?limit=3";

function* ofService({ problem }) {
  if (!problem || problem.status !== 503) return;
  yield { key: "/ready", tone: "bad", text: "The service is not ready: it accepts no tasks", detail: problem.message, link: to("actors", "root/database") };
}

function* ofTree(tree) {
  for (const { part } of tree ? rows(tree) : []) {
    const link = to("actors", part.path);
    if (!isWell(part)) yield { key: part.path, tone: "bad", text: `${part.id} is ${part.status}`, detail: part.last_exit, link };
    if (part.blocked_s !== undefined) {
      const detail = `for ${duration(part.blocked_s)}, at ${place(part.line)}`;
      yield { key: part.path, tone: "bad", text: `A handler blocks ${part.id}`, detail, link };
    } else if (isBlocked(part)) {
      const { process } = part;
      const detail = `${plural(process.mailbox, "message")} waiting for ${duration(process.oldest_message_s)}`;
      yield { key: part.path, tone: "warning", text: `${part.id} handles ${process.handling || "a message"}`, detail, link };
    }
    if (part.restarts_in_period > 0) {
      const detail = `${plural(part.restarts_in_period, "restart")} in the last ${part.period_s} s, of ${part.max_restarts} that it may do`;
      yield { key: `${part.path} restarts`, tone: "warning", text: `Children of ${part.id} were restarted`, detail, link };
    }
  }
}

function* ofLags(events, now) {
  const lag = events.findLast((event) => event.name === "loop_lagged" && now - event.at < LATE_S);
  if (lag) {
    const detail = lag.handlers && lag.handlers.length > 0 ? `while threads ran ${lag.handlers.join("; ")}` : "no handler ran in a thread";
    yield { key: "lag", tone: "warning", text: `The main loop was ${duration(lag.late_s)} late`, detail, link: to("events") };
  }
}

function* ofQueues(queues) {
  for (const queue of queues ? queues.queues : []) {
    const link = to("queues");
    if (queue.paused) {
      yield { key: queue.queue, tone: "warning", text: `Queue ${queue.queue} is paused`, detail: `${count(queue.tasks.queued)} waiting`, link };
    } else if (queue.oldest_runnable_s > LATE_S) {
      const detail = `oldest runnable task: ${duration(queue.oldest_runnable_s)}`;
      yield { key: queue.queue, tone: "warning", text: `Queue ${queue.queue} is behind`, detail, link };
    }
  }
}

function* ofNodes(nodes) {
  for (const { name, state, age_s, running } of nodes ? nodes.nodes : []) {
    const link = to("nodes");
    if (state === "silent") yield { key: `node ${name}`, tone: "bad", text: `Node ${name} is silent`, detail: `last heartbeat ${duration(age_s)} ago`, link };
    if (state === "draining") yield { key: `node ${name}`, tone: "warning", text: `Node ${name} drains`, detail: `${plural(running, "task")} left to finish`, link };
  }
}

function* ofDead(groups, dead) {
  for (const { action, error, tasks } of dead && groups ? groups.groups : []) {
    const link = to("tasks", "", { status: "dead", action, error });
    yield { key: `${action}\n${error}`, tone: "bad", text: `${action}: ${count(tasks)} dead`, detail: brief(error, 120), link };
  }
}

export function Attention({ tree, queues, dead }) {
  const { data: groups } = useLive(dead ? DEAD : null, 5);
  const ready = useLive("ready", 3);
  const nodes = useLive("nodes", 3).data;
  const events = useEvents();
  const now = useNow(5);
  const all = [...ofService(ready), ...ofTree(tree), ...ofNodes(nodes), ...ofLags(events, now), ...ofDead(groups, dead), ...ofQueues(queues)];
  const items = [...all.filter((item) => item.tone === "bad"), ...all.filter((item) => item.tone !== "bad")];
  if (!tree || !queues) return null;
  if (items.length === 0) return html`<p class="calm">Nothing. Every part runs, no queue is behind, no task is dead.</p>`;
  return html`<ul class="attention">
    ${items.map(
      (item) => html`<li key=${item.key} data-tone=${item.tone}>
        <a href=${item.link}><strong>${item.text}</strong><span class="soft cut">${item.detail}</span></a>
      </li>`,
    )}
  </ul>`;
}
