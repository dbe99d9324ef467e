/** What needs attention first, the worst on top. */

import { html } from "../vendor/preact.js";
import { brief, count, duration, plural } from "../app/format.js";
import { groups } from "../app/dead.js";
import { useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { isBlocked, isWell, rows } from "../app/tree.js";

const LATE_S = 60;
const DEAD_GROUPS = 3;
const DEAD = "tasks?status=dead&fields=id,action,queue,reason,processed_at&limit=100";

function* ofTree(tree) {
  for (const { part } of tree ? rows(tree) : []) {
    const link = to("actors", part.path);
    if (!isWell(part)) yield { key: part.path, tone: "bad", text: `${part.id} is ${part.status}`, detail: part.last_exit, link };
    if (isBlocked(part)) {
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

function* ofDead(page, dead) {
  if (!dead || !page) return;
  const all = groups(page.tasks);
  for (const group of all.slice(0, DEAD_GROUPS)) {
    const size = `${count(group.ids.length)}${page.next ? " of the latest 100" : ""}`;
    const link = to("tasks", "", { status: "dead", action: group.action });
    yield { key: group.key, tone: "bad", text: `${group.action}: ${size} dead`, detail: brief(group.error, 120), link };
  }
}

export function Attention({ tree, queues, dead }) {
  const { data: page } = useLive(dead ? DEAD : null, 5);
  const items = [...ofTree(tree), ...ofDead(page, dead), ...ofQueues(queues)];
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
