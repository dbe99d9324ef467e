/** The list of tasks, live, but without moving what the user looks at.

While it is held (the pointer is in it, or something is selected) its rows stay where they are: they
are brought up to date in place, and new ones are only counted. After a change of the filter the old rows
are shown until the answer is there.
*/

import { useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { get, withQuery } from "./api.js";
import { useLive } from "./live.js";
import { raw } from "./raw.js";

const FIELDS = "id,status,action,queue,created_at,started_at,processed_at,attempt,max_attempts,reason,payload_head";
const PAGE = 50;
const none = [];

/** The id that follows: a page that starts after it begins with `id` itself. */
function after(id) {
  const digits = (BigInt(`0x${id.replaceAll("-", "")}`) + 1n).toString(16).padStart(32, "0");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export function useTaskList(filter, isHeld) {
  const key = withQuery("tasks", filter);
  const [frozen, setFrozen] = useState(null); // the rows that are held
  const [older, setOlder] = useState({ key, tasks: none, next: undefined });
  const passed = useRef(null); // an answer that is shown, but not held
  const base = { ...filter, fields: FIELDS, limit: PAGE };
  const top = frozen && frozen.key === key && frozen.tasks.length ? frozen.tasks[0].id : null;
  const newest = useLive(withQuery("tasks", base));
  const window = useLive(top && withQuery("tasks", { ...base, cursor: after(top) }), 2, { isKnown: true });
  const latest = useRef(null);
  latest.current = newest.data;
  useEffect(() => {
    const hasRows = newest.data && newest.data.tasks.length > 0;
    if (isHeld && hasRows && newest.data !== passed.current && !frozen) setFrozen({ key, tasks: newest.data.tasks });
    if (!isHeld && frozen) setFrozen(null);
  }, [isHeld, newest.data, frozen]);
  useEffect(() => {
    setFrozen(null);
    setOlder({ key, tasks: none, next: undefined });
  }, [key]);
  const first = frozen && frozen.key === key ? inPlace(frozen.tasks, window.data) : newest.data ? newest.data.tasks : none;
  const more = older.key === key ? older : { tasks: none, next: undefined };
  const shown = useRef({ key, tasks: none });
  const answered = useMemo(() => asShown(merged(first, more.tasks), shown.current.tasks), [first, more.tasks]);
  const isWaiting = !newest.data && !newest.problem;
  if (!isWaiting) shown.current = { key, tasks: answered };
  const { tasks } = shown.current;
  const next = more.next !== undefined ? more.next : newest.data && newest.data.next;
  const loadMore = async () => {
    const cursor = more.next === undefined && tasks.length > 0 ? tasks.at(-1).id : next;
    const page = await get(withQuery("tasks", { ...base, cursor }));
    setOlder({ key, tasks: [...more.tasks, ...page.tasks], next: page.next });
  };
  const show = () => {
    passed.current = latest.current;
    setFrozen(null);
  };
  const fresh = top && newest.data ? newest.data.tasks.filter((task) => task.id > top).length : 0;
  return { tasks, tasksOf: shown.current.key, next, loadMore, fresh, show, newest, isWaiting, isFull: fresh >= PAGE };
}

/** The held rows with what is known of them now; those that do not match any more are marked. */
function inPlace(tasks, page) {
  if (!page) return tasks;
  const now = new Map(page.tasks.map((task) => [task.id, task]));
  return tasks.map((task) => now.get(task.id) || { ...task, hasLeft: true });
}

function merged(first, more) {
  const ids = new Set(first.map((task) => task.id));
  return [...first, ...more.filter((task) => !ids.has(task.id))];
}

/** The same tasks; one that has not changed since it was shown is the very object, so its row need not be looked at. */
function asShown(tasks, shown) {
  const known = new Map(shown.map((task) => [task.id, task]));
  const isSame = (task) => JSON.stringify(task) === JSON.stringify(known.get(task.id));
  return tasks.map((task) => (isSame(task) ? known.get(task.id) : task));
}

/** What the running ones of these tasks have reported last, by id. */
export function useProgress(tasks) {
  const isWanted = tasks.some((task) => task.status === "running");
  const { data } = useLive(isWanted ? "running" : null, 2);
  return useMemo(() => new Map((data ? data.running : []).filter((each) => each.progress !== null).map((each) => [each.task_id, raw(each, "progress")])), [data]);
}
