/** What can be done to a schedule: pause, resume, run now; edit and delete one that was made over HTTP. */

import { html, useState } from "../vendor/preact.js";
import { post, remove } from "../app/api.js";
import { refresh } from "../app/live.js";
import { go, to } from "../app/router.js";
import { ChangeSchedule, PauseSchedule } from "./change-schedule.js";
import { Confirm } from "./dialog.js";
import { Icon } from "./icon.js";
import { attempt, say } from "./toasts.js";

/** `all`: also those that change what it is. */
export function ScheduleButtons({ schedule, all = false }) {
  const [busy, setBusy] = useState(false);
  const [dialog, setDialog] = useState(null);
  const { name } = schedule;
  const path = `schedules/${encodeURIComponent(name)}`;
  const close = () => setDialog(null);
  const doing = (action) => async () => {
    setBusy(true);
    await attempt(action);
    refresh();
    setBusy(false);
  };
  const resume = doing(async () => {
    await post(`${path}/resume`);
    say(`Schedule ${name} resumed`);
  });
  const run = doing(async () => {
    const task = await post(`${path}/run`);
    say(`${name} runs now`, { to: to("tasks", task.id), text: "Open" });
  });
  const drop = doing(async () => {
    await remove(path);
    say(`Schedule ${name} deleted`);
    close();
    go(to("schedules"));
  });
  const button = (icon, verb, onClick, label = `${verb} ${name}`, tone = "") => html`<button type="button" class=${tone}
    onClick=${onClick} disabled=${busy} aria-label=${label}><${Icon} name=${icon} />${verb}</button>`;
  return html`<span class="buttons">
      ${button("bolt", "Run now", run, `Run ${name} now`)}
      ${schedule.paused ? button("play", "Resume", resume) : button("pause", "Pause", () => setDialog("pause"))}
      ${all && schedule.origin === "api" && button("edit", "Edit", () => setDialog("edit"))}
      ${all && schedule.origin === "api" && button("trash", "Delete", () => setDialog("delete"), `Delete ${name}`, "danger")}
    </span>
    ${dialog === "pause" && html`<${PauseSchedule} schedule=${schedule} onClose=${close} />`}
    ${dialog === "edit" && html`<${ChangeSchedule} schedule=${schedule} onClose=${close} />`}
    ${dialog === "delete" &&
    html`<${Confirm} title=${`Delete ${name}?`} action="Delete" onDo=${drop} onClose=${close} busy=${busy}>
      <p>It stops running, and the history of its slots is deleted. Its tasks stay.</p>
    <//>`}`;
}
