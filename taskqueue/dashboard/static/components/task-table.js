/** The rows of the list of tasks. */

import { html, useCallback, useMemo, useRef } from "../vendor/preact.js";
import { brief, duration, shortId } from "../app/format.js";
import { useGradually } from "../app/gradual.js";
import { useNow } from "../app/live.js";
import { useRowKeys } from "../app/row-keys.js";
import { to } from "../app/router.js";
import { Status } from "./status.js";
import { Time } from "./time.js";

/** `list` names what the tasks are a list of. */
export function TaskTable({ list, tasks, progress, selection, onSelect, canSelect }) {
  const latest = useRef(null);
  const rows = useGradually(tasks, list);
  const keys = useRowKeys(rows);
  const toggle = (id, isRange) => {
    const ids = tasks.map((task) => task.id);
    const from = ids.indexOf(latest.current);
    const till = ids.indexOf(id);
    const range = isRange && from >= 0 ? ids.slice(Math.min(from, till), Math.max(from, till) + 1) : [id];
    latest.current = id;
    onSelect(range, !selection.has(id));
  };
  const latestToggle = useRef(toggle);
  latestToggle.current = toggle;
  const onToggle = useCallback((...of) => latestToggle.current(...of), []); // the same one, so that rows stay as they are
  const all = tasks.length > 0 && tasks.every((task) => selection.has(task.id));
  return html`<div class="wrap">
    <table class="tasks">
      <caption class="unseen">Tasks, newest first</caption>
      <thead><tr>
        ${canSelect && html`<th class="check"><input type="checkbox" aria-label="Select all that are shown" checked=${all}
          onChange=${() => onSelect(tasks.map((task) => task.id), !all)} /></th>`}
        <th class="state">Status</th><th class="name">Action</th><th class="wide">Data</th><th class="wide">Queue</th><th class="number wide">Attempt</th><th class="number">Took</th><th class="number">Created</th>
      </tr></thead>
      <tbody>
        ${rows.map(
          (task) => html`<${Row} key=${keys.get(task.id)} task=${task} progress=${progress.get(task.id)} isSelected=${selection.has(task.id)}
            onToggle=${onToggle} canSelect=${canSelect} />`,
        )}
      </tbody>
    </table>
  </div>`;
}

function Row(props) {
  const { task, progress, isSelected, onToggle, canSelect } = props;
  return useMemo(() => rowOf(props), [task, progress, isSelected, onToggle, canSelect]);
}

function rowOf({ task, progress, isSelected, onToggle, canSelect }) {
  const label = `Select ${task.action} ${shortId(task.id)}`;
  return html`<tr class=${task.hasLeft ? "left" : ""} data-id=${task.id} data-status=${task.status} aria-selected=${String(isSelected)}>
    ${canSelect && html`<td class="check"><input type="checkbox" tabindex="-1" aria-label=${label} checked=${isSelected}
      onClick=${(event) => onToggle(task.id, event.shiftKey)} /></td>`}
    <td><${Status} value=${task.status} />${task.hasLeft && html`<span class="small faint" data-tip="It does not match the filter any more"> · left</span>`}</td>
    <td class="name cut"><a href=${to("tasks", task.id)}>${task.action} <code class="faint">${shortId(task.id)}</code></a></td>
    ${detail(task, progress)}
    <td class="wide cut">${task.queue}</td>
    <td class="number wide">${task.attempt} / ${task.max_attempts}</td>
    ${took(task)}
    <td class="number soft"><${Time} at=${task.created_at} /></td>
  </tr>`;
}

/** The most telling there is: the error of what failed, the progress of what runs, else the data. */
function detail(task, progress) {
  if (task.reason && task.status !== "completed") return html`<td class="wide data cut bad" data-tip=${task.reason}>${task.reason}</td>`;
  if (progress !== undefined && task.status === "running") return html`<td class="wide data cut mono">${brief(progress)}</td>`;
  return html`<td class="wide data cut mono soft">${brief(task.payload_head, 120)}</td>`;
}

function took({ status, started_at: from, processed_at: till }) {
  if (status === "running" && from) return html`<td class="number soft"><${Running} since=${from} /></td>`;
  return from && till ? html`<td class="number">${duration(till - from)}</td>` : html`<td class="number faint">–</td>`;
}

function Running({ since }) {
  return duration(Math.max(0, useNow() - since));
}
