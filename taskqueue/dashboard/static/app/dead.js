/** Dead letters by what killed them. */

import { get, withQuery } from "./api.js";

const LOADED = 2000;
const query = { status: "dead", fields: "id,action,queue,reason,processed_at", limit: 100 };

/** Load the latest dead tasks, up to a number. `isPart`: there are more. */
export async function loadDead(signal) {
  const tasks = [];
  let cursor;
  do {
    const page = await get(withQuery("tasks", { ...query, cursor }), signal);
    tasks.push(...page.tasks);
    cursor = page.next;
  } while (cursor && tasks.length < LOADED);
  return { tasks, isPart: Boolean(cursor) };
}

/** Numbers and ids in an error differ from task to task: the same error has the same pattern. */
const pattern = (reason) =>
  (reason || "no reason").replace(/[0-9a-f]{8}-[0-9a-f-]{27}/gi, "…").replace(/\d+(\.\d+)?/g, "…");

/** Group dead tasks by action and error, the largest group first. */
export function groups(tasks) {
  const found = new Map();
  for (const task of tasks) {
    const key = `${task.action}\n${pattern(task.reason)}`;
    const group = found.get(key) || { key, action: task.action, error: task.reason || "no reason", ids: [], latest: 0, queues: new Set() };
    group.ids.push(task.id);
    group.queues.add(task.queue);
    group.latest = Math.max(group.latest, task.processed_at || 0);
    found.set(key, group);
  }
  return [...found.values()].sort((a, b) => b.ids.length - a.ids.length);
}
