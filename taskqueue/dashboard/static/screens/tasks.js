/** The list of tasks: filtered, live, selected, acted upon. */

import { html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { actions } from "../app/actions.js";
import { count, plural } from "../app/format.js";
import { useKeys } from "../app/keys.js";
import { useMay } from "../app/session.js";
import { filterOf, isNarrowed, statusesOf } from "../app/task-filter.js";
import { useProgress, useTaskList } from "../app/task-list.js";
import { AllDialog, SomeDialog } from "../components/bulk.js";
import { FilterBar } from "../components/filter-bar.js";
import { Origins } from "../components/origin.js";
import { Icon } from "../components/icon.js";
import { Empty, Missing } from "../components/states.js";
import { TaskTable } from "../components/task-table.js";
import { useNow } from "../app/live.js";
import { attempt } from "../components/toasts.js";
import { Task } from "./task.js";

export const Tasks = ({ route }) => (route.id ? html`<${Task} id=${route.id} key=${route.id} />` : html`<${List} query=${route.query} />`);

const none = new Set();

function List({ query }) {
  const minute = Math.floor(useNow(60) / 60);
  const key = JSON.stringify(query);
  const filter = useMemo(() => filterOf(query, minute * 60), [key, minute]);
  const may = useMay();
  const [selection, setSelection] = useState(none);
  const [isAll, setAll] = useState(false);
  const [isOver, setOver] = useState(false);
  const [dialog, setDialog] = useState(null);
  const list = useTaskList(filter, isOver || selection.size > 0);
  const progress = useProgress(list.tasks);
  const clear = () => (setSelection(none), setAll(false));
  useEffect(clear, [key]);
  const select = (ids, isOn) => {
    const next = new Set(selection);
    ids.forEach((id) => (isOn ? next.add(id) : next.delete(id)));
    setAll(false);
    setSelection(next);
  };
  const chosen = list.tasks.filter((task) => selection.has(task.id));
  const act = (verb) => {
    if (!may(isAll ? "admin" : actions[verb].role)) return;
    const ids = chosen.filter((task) => actions[verb].fits(task.status)).map((task) => task.id);
    if (isAll || ids.length > 0) setDialog({ verb, ids, isAll });
  };
  useListKeys({ tasks: list.tasks, select, selection, clear, act });
  const onDone = () => (setDialog(null), clear(), list.show());
  return html`
    <div class="title"><h1>Tasks</h1></div>
    <${FilterBar} query=${query} filter=${filter} isListed=${!list.isWaiting} />
    <${Origins} query=${query} />
    <section class="card" aria-label="Tasks" aria-busy=${String(list.isWaiting)} onMouseEnter=${() => setOver(true)} onMouseLeave=${() => setOver(false)}>
      ${selection.size > 0 &&
      html`<${Selected} chosen=${chosen} isAll=${isAll} query=${query} list=${list} onAll=${() => setAll(true)} onClear=${clear} act=${act} />`}
      ${list.fresh > 0 &&
      html`<button type="button" class="fresh" onClick=${list.show}>Show ${list.isFull ? "more than " : ""}${plural(list.fresh, "new task")}</button>`}
      ${list.isWaiting && list.tasks.length > 0 && html`<span class="unseen" role="status">Loading</span>`}
      <${Rows} list=${list} query=${query}>
        <${TaskTable} list=${list.tasksOf} tasks=${list.tasks} progress=${progress} selection=${selection} onSelect=${select} canSelect=${may("enqueue")} />
      <//>
      ${list.next && html`<footer class="more"><button type="button" onClick=${() => attempt(list.loadMore)}>Load more</button></footer>`}
    </section>
    ${dialog && (dialog.isAll
      ? html`<${AllDialog} verb=${dialog.verb} filter=${filter} onClose=${() => setDialog(null)} onDone=${onDone} />`
      : html`<${SomeDialog} verb=${dialog.verb} ids=${dialog.ids} onClose=${() => setDialog(null)} onDone=${onDone} />`)}
  `;
}

/** The table, or why there is none. */
function Rows({ list, query, children }) {
  const { data, problem } = list.newest;
  const missing = html`<${Missing} live=${list.newest} lines=${8} />`;
  if (problem && !problem.isOutage) return missing;
  if (list.tasks.length > 0) return children;
  if (problem || !data) return missing;
  if (data.next) return html`<${Empty} title="None among the latest">The search goes on with “Load more”.<//>`;
  const isFiltered = isNarrowed(query) || query.status;
  return isFiltered
    ? html`<${Empty} title="No task matches">Take a part of the filter away, or clear it.<//>`
    : html`<${Empty} title="No tasks yet">Tasks appear here as soon as they are enqueued.<//>`;
}

/** What can be done with what is selected. */
function Selected({ chosen, isAll, query, list, onAll, onClear, act }) {
  const may = useMay();
  const wanted = statusesOf(query);
  const able = Object.entries(actions).filter(([, action]) => {
    if (isAll) return may("admin") && (wanted.length === 0 || wanted.every(action.fits));
    return may(action.role) && chosen.some((task) => action.fits(task.status));
  });
  const offersAll = may("admin") && !isAll && (list.next || list.fresh > 0) && chosen.length === list.tasks.length;
  return html`<header class="selected">
    <strong role="status">${isAll ? "All that match" : `${count(chosen.length)} selected`}</strong>
    ${offersAll && html`<button type="button" class="quiet small" onClick=${onAll}>Select all that match</button>`}
    <span class="gap"></span>
    ${able.map(
      ([verb, action]) => html`<button type="button" key=${verb} class=${action.tone === "danger" ? "danger" : ""} onClick=${() => act(verb)}>
        <${Icon} name=${action.icon} />${action.name}
      </button>`,
    )}
    <button type="button" class="quiet" onClick=${onClear}>Clear</button>
  </header>`;
}

/** `j` and `k` move the focus from row to row; `x` selects the row that has it. */
function useListKeys({ tasks, select, selection, clear, act }) {
  const focused = () => document.activeElement?.closest?.("tr[data-id]")?.dataset.id;
  const move = (step) => {
    const place = tasks.findIndex((task) => task.id === focused());
    const task = tasks[Math.max(0, Math.min(tasks.length - 1, place + step))];
    if (task) document.querySelector(`tr[data-id="${task.id}"] a`)?.focus();
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    x: () => {
      const id = focused();
      if (id) select([id], !selection.has(id));
    },
    c: () => act("cancel"),
    r: () => act("redrive"),
    Escape: clear,
  });
}
