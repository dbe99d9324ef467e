/** The rows of the list of tasks. */

import { html, useRef } from "../vendor/preact.js";
import { brief, duration, shortId } from "../app/format.js";
import { useNow } from "../app/live.js";
import { to } from "../app/router.js";
import { Status } from "./status.js";
import { Time } from "./time.js";

export function TaskTable({ tasks, progress, selection, onSelect, canSelect }) {
  const latest = useRef(null);
  const toggle = (id, isRange) => {
    const ids = tasks.map((task) => task.id);
    const from = ids.indexOf(latest.current);
    const till = ids.indexOf(id);
    const range = isRange && from >= 0 ? ids.slice(Math.min(from, till), Math.max(from, till) + 1) : [id];
    latest.current = id;
    onSelect(range, !selection.has(id));
  };
  const all = tasks.length > 0 && tasks.every((task) => selection.has(task.id));
  return html`<div class="wrap">
    <table class="tasks">
      <caption class="unseen">Tasks, newest first</caption>
      <thead><tr>
        ${canSelect && html`<th class="check"><input type="checkbox" aria-label="Select all that are shown" checked=${all}
          onChange=${() => onSelect(tasks.map((task) => task.id), !all)} /></th>`}
        <th>Status</th><th>Action</th><th class="wide">Data</th><th class="wide">Queue</th><th class="number wide">Attempt</th><th class="number">Took</th><th class="number">Created</th>
      </tr></thead>
      <tbody>
        ${tasks.map(
          (task) => html`<${Row} key=${task.id} task=${task} progress=${progress.get(task.id)} isSelected=${selection.has(task.id)}
            onToggle=${toggle} canSelect=${canSelect} />`,
        )}
      </tbody>
    </table>
  </div>`;
}

function Row({ task, progress, isSelected, onToggle, canSelect }) {
  const label = `Select ${task.action} ${shortId(task.id)}`;
  return html`<tr class=${task.hasLeft ? "left" : ""} data-id=${task.id} data-status=${task.status} aria-selected=${String(isSelected)}>
    ${canSelect && html`<td class="check"><input type="checkbox" tabindex="-1" aria-label=${label} checked=${isSelected}
      onClick=${(event) => onToggle(task.id, event.shiftKey)} /></td>`}
    <td><${Status} value=${task.status} />${task.hasLeft && html`<span class="small faint" data-tip="It does not match the filter any more"> · left</span>`}</td>
    <td class="name"><a href=${to("tasks", task.id)}><strong>${task.action}</strong> <code class="faint">${shortId(task.id)}</code></a></td>
    <td class="wide data"><div class="cut"><${Detail} task=${task} progress=${progress} /></div></td>
    <td class="wide">${task.queue}</td>
    <td class="number wide">${task.attempt}<span class="faint"> / ${task.max_attempts}</span></td>
    <td class="number"><${Took} task=${task} /></td>
    <td class="number soft"><${Time} at=${task.created_at} /></td>
  </tr>`;
}

/** The most telling there is: the error of what failed, the progress of what runs, else the data. */
function Detail({ task, progress }) {
  if (task.reason && task.status !== "completed") return html`<span class="bad" data-tip=${task.reason}>${task.reason}</span>`;
  if (progress !== undefined && task.status === "running") return html`<code>${brief(progress)}</code>`;
  return html`<code class="soft">${brief(task.payload_head, 120)}</code>`;
}

function Took({ task }) {
  if (task.status === "running" && task.started_at) return html`<${Running} since=${task.started_at} />`;
  if (!task.started_at || !task.processed_at) return html`<span class="faint">–</span>`;
  return html`${duration(task.processed_at - task.started_at)}`;
}

function Running({ since }) {
  return html`<span class="soft">${duration(Math.max(0, useNow() - since))}</span>`;
}
