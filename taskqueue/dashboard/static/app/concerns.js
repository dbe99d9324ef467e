/** Which answers an event of the service makes old. */

const TASKS = ["tasks", "stats"];

const roots = [
  [/^gap$/, null],
  [/^(child|supervisor)_/, ["supervision", "running"]],
  [/^(storage|service)_/, ["ready", "supervision"]],
  [/^queue_/, ["queues", "tasks"]],
  [/^node_/, ["nodes"]],
  [/^limit_/, ["limits", "queues", "tasks"]],
  [/^group_/, ["groups"]],
  [/^schedule_/, ["schedules"]],
  [/^(task_dead_lettered|task_redriven|dead_)/, [...TASKS, "dead"]],
  [/^tasks?_/, TASKS],
  [/^audit_/, ["audit"]],
];

/** Whether the answer at `path` may be another one after this event. */
export function concerns(event, path) {
  const [root, id] = path.split(/[/?]/);
  const found = roots.find(([names]) => names.test(event.name));
  if (!found || found[1] === null) return true;
  if (!found[1].includes(root)) return false;
  const isOneTask = root === "tasks" && path.startsWith("tasks/");
  return !isOneTask || event.task_id === undefined || event.task_id === decodeURIComponent(id);
}
