/** One task: what it is, what happened to it, why it does not run, and what can be done. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { actions } from "../app/actions.js";
import { duration } from "../app/format.js";
import { useKeys } from "../app/keys.js";
import { useLive } from "../app/live.js";
import { useLogs } from "../app/logs.js";
import { dataOf, pretty, raw } from "../app/raw.js";
import { go, to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { SomeDialog } from "../components/bulk.js";
import { Copy } from "../components/copy.js";
import { EditTask } from "../components/edit-task.js";
import { Enqueue } from "../components/enqueue.js";
import { Icon } from "../components/icon.js";
import { Children, originOf } from "../components/origin.js";
import { Stack } from "../components/stack.js";
import { Empty, Missing } from "../components/states.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";
import { Timeline } from "../components/timeline.js";

const WAITING = ["queued", "scheduled", "retrying"];

export function Task({ id }) {
  const [hasEnded, setEnded] = useState(false);
  const live = useLive(`tasks/${encodeURIComponent(id)}`, hasEnded ? Infinity : 1);
  const { data: task, problem } = live;
  useEffect(() => setEnded(Boolean(task) && task.processed_at !== null), [task]);
  if (problem && problem.status === 404) {
    return html`<${Empty} title="No such task">
      It was deleted, its time of keeping is over, or the address has a mistake. <a href=${to("tasks")}>All tasks</a>
    <//>`;
  }
  if (!task) return html`<${Missing} live=${live} lines=${8} />`;
  return html`<${Found} task=${task} />`;
}

function Found({ task }) {
  const [dialog, setDialog] = useState(null);
  const logs = useLogs(task);
  const close = () => setDialog(null);
  const onDone = () => (dialog === "delete" ? go(to("tasks")) : close());
  return html`
    <a class="small" href=${to("tasks")}>Tasks</a>
    <div class="title">
      <h1>${task.action}</h1><${Status} value=${task.status} />
      <span class="id"><code class="soft">${task.id}</code><${Copy} text=${task.id} what="the id" /></span>
      <span class="gap"></span>
      <${Buttons} task=${task} open=${setDialog} />
    </div>
    ${task.waiting_for && html`<p class="why" role="status"><strong>Why it is not running:</strong> ${task.waiting_for}</p>`}
    ${task.cancel_reason && task.status === "running" && html`<p class="why">It is asked to stop: ${task.cancel_reason}</p>`}
    ${task.status === "running" && html`<${Place} id=${task.id} /><${Stack} id=${task.id} />`}
    ${task.reason && task.status !== "completed" && html`<p class="why" data-tone=${task.status === "retrying" ? "warning" : "bad"}>${task.reason}</p>`}
    <div class="task-grid grid">
      <div class="stack">
        <section class="card" aria-label="Attempts"><header><h2>Attempts</h2></header><div class="inside"><${Timeline} task=${task} logs=${logs} /></div></section>
        <${JSONCard} title="Data" text=${dataOf(task)} />
        ${task.progress !== undefined && html`<${JSONCard} title="Progress" text=${pretty(raw(task, "progress"))} />`}
        ${task.status === "completed" && html`<${JSONCard} title="Result" text=${pretty(raw(task, "result"))} />`}
        ${task.edits && task.edits.length > 0 && html`<${Edits} edits=${task.edits} />`}
        <${Changes} id=${task.id} />
      </div>
      <div class="stack"><${Facts} task=${task} /><${Children} task=${task} /></div>
    </div>
    ${dialog === "edit" && html`<${EditTask} task=${task} onClose=${close} />`}
    ${dialog === "clone" && html`<${Enqueue} onClose=${close} initial=${copyOf(task)} original=${task.id} />`}
    ${actions[dialog] && html`<${SomeDialog} verb=${dialog} ids=${[task.id]} onClose=${close} onDone=${onDone} />`}
  `;
}

/** The line at which the handler of a task is, while it runs. */
function Place({ id }) {
  const data = useLive("running", 1).data;
  const attempt = data && data.running.find((each) => each.task_id === id);
  if (!attempt) return null;
  const { line } = attempt;
  return html`<p class="why"><strong>Right now:</strong> ${" "}
    ${line ? html`line ${line.number} of <code>${line.file}</code>, in <code>${line.function}</code>, ` : "its line cannot be told, "}
    on <a href=${to("actors", `root/consumers/${attempt.consumer}`)}>${attempt.consumer}</a></p>`;
}

const copyOf = (task) => ({ action: task.action, data: dataOf(task), queue: task.queue, priority: String(task.priority) });

function Buttons({ task, open }) {
  const may = useMay();
  const able = Object.entries(actions).filter(([, action]) => may(action.role) && action.fits(task.status));
  useKeys(Object.fromEntries(able.filter(([, action]) => action.key).map(([verb, action]) => [action.key, () => open(verb)])));
  return html`<div class="buttons">
    ${able.map(
      ([verb, action]) => html`<button type="button" key=${verb} class=${action.tone} onClick=${() => open(verb)}>
        <${Icon} name=${action.icon} />${action.name}
      </button>`,
    )}
    ${may("enqueue") && WAITING.includes(task.status) && html`<button type="button" onClick=${() => open("edit")}><${Icon} name="edit" />Edit</button>`}
    ${may("enqueue") && html`<button type="button" onClick=${() => open("clone")}><${Icon} name="clone" />Clone</button>`}
  </div>`;
}

function JSONCard({ title, text }) {
  return html`<section class="card" aria-label=${title}>
    <header><h2>${title}</h2><span class="gap"></span><${Copy} text=${text} what=${title.toLowerCase()} /></header>
    <pre class="code flat" tabindex="0">${text}</pre>
  </section>`;
}

function Facts({ task }) {
  const ended = task.processed_at;
  const facts = [
    ["Queue", html`<a href=${to("tasks", "", { queue: task.queue })}>${task.queue}</a>`],
    ["Priority", task.priority],
    ["Attempts", `${task.attempt} of ${task.max_attempts}`],
    ["Crashes", task.crashes || null],
    ["Created", html`<${Time} at=${task.created_at} />`],
    ["Due", ended === null && task.status !== "running" ? html`<${Time} at=${task.run_at} />` : null],
    ["Expires", task.expires_at && ended === null && !task.started_at ? html`<${Time} at=${task.expires_at} />` : null],
    ["Started", task.started_at && html`<${Time} at=${task.started_at} />`],
    ["Ended", ended && html`<${Time} at=${ended} />`],
    ["In all", ended && duration(ended - task.created_at)],
    ["Limits", task.limits && html`<span>${task.limits.map((each, i) => html`${i > 0 && ", "}<a href=${to("limits", each.name)}>${shownLimit(each)}</a>`)}</span>`],
    ["Takes turns as", task.flow || null],
    ...originOf(task),
    ["Group", task.group && html`<a href=${to("tasks", "", { group: task.group })}>${task.group}</a>`],
    ["Unique key", task.unique_key && html`<span>${task.unique_key} <${Copy} text=${task.unique_key} what="the key" />
      <span class="soft small">${keyState(task.key)}</span></span>`],
  ];
  return html`<section class="card" aria-label="Facts"><header><h2>Facts</h2><span class="gap"></span>
      <a class="small" href=${`tasks/${task.id}`}>as JSON</a></header>
    <dl class="facts inside">
      ${facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}
    </dl>
  </section>`;
}

/** Say among which tasks a key is unique, and how long it is held. */
function keyState(key) {
  if (!key) return null;
  const until = typeof key.until === "number" ? `${duration(key.until)} after its enqueue` : key.until;
  return `${key.scope}, ${key.is_free ? "free again" : `held until ${until}`}`;
}

const shownLimit = ({ name, key, cost }) => `${key === null ? name : `${name}:${key}`}${cost === 1 ? "" : ` × ${cost}`}`;

function Edits({ edits }) {
  return html`<section class="card" aria-label="Edits"><header><h2>Edits</h2></header>
    <ul class="inside small">
      ${edits.map((edit, i) => html`<li key=${i}><span class="soft"><${Time} at=${edit.at} /></span>
        ${" "}${edit.who && html`<strong>${edit.who}</strong> `}changed
        ${" "}${Object.entries(edit.before).map(([name, value]) => (value === null ? name : `${name}, which was ${value}`)).join("; ")}</li>`)}
    </ul>
  </section>`;
}

const CHANGES = 50;

/** Who has cancelled, redriven or otherwise changed the task, for those who may read the audit trail. */
function Changes({ id }) {
  const may = useMay();
  const { data } = useLive(may("admin") ? `audit?task=${encodeURIComponent(id)}&limit=${CHANGES}` : null, 5);
  if (!data || data.changes.length === 0) return null;
  return html`<section class="card" aria-label="Changes"><header><h2>Changes</h2></header>
    <ul class="inside small">
      ${data.changes.map((change) => html`<li key=${change.id}><span class="soft"><${Time} at=${change.at} /></span>
        ${" "}<strong>${change.who}</strong> <span class="faint">${change.remote}</span> <code>${callOf(change)}</code>
        ${change.status >= 500 && html` <span class="bad">with an unknown outcome</span>`}</li>`)}
    </ul>
  </section>`;
}

/** What a change has called: `cancel`, or the whole call if it is not about one task. */
function callOf({ method, path }) {
  const [place, , verb] = path.split("?")[0].split("/").slice(1);
  return (place === "tasks" && (verb || { PATCH: "edit", DELETE: "delete" }[method])) || `${method} ${path}`;
}
