/** What became of the latest slots of a schedule, with their tasks and the reasons. */

import { html } from "../vendor/preact.js";
import { plural } from "../app/format.js";
import { to } from "../app/router.js";
import { Empty } from "./states.js";
import { Status } from "./status.js";
import { Time } from "./time.js";

const tones = { fired: "good", waiting: "waiting", skipped: "warning", missed: "bad" };

export const toneOfSlot = (outcome) => tones[outcome];

export function SlotList({ slots }) {
  if (slots.length === 0) return html`<${Empty} title="No slot so far">It has not been due since it was created.<//>`;
  return html`<div class="wrap"><table class="slots">
    <caption class="unseen">Slots, latest first</caption>
    <thead><tr><th>Slot</th><th>Outcome</th><th>Task</th><th>Why</th></tr></thead>
    <tbody>${slots.map((slot) => html`<${Row} key=${`${slot.at} ${slot.run_now}`} slot=${slot} />`)}</tbody>
  </table></div>`;
}

function Row({ slot }) {
  return html`<tr data-slot=${slot.at}>
    <td><${Time} at=${slot.at} /></td>
    <td><${Status} value=${slot.outcome} tone=${toneOfSlot(slot.outcome)} />${slot.slots > 1 && html` <span class="small faint">${plural(slot.slots, "slot")}</span>`}</td>
    <td>${slot.task_id && html`<a href=${to("tasks", slot.task_id)}>${slot.status || "deleted"}</a>`}</td>
    <td class="small">${slot.run_now ? "run by hand" : slot.reason}</td>
  </tr>`;
}
