/** What can be done to a schedule: pause, resume, run now. */

import { html, useState } from "../vendor/preact.js";
import { post } from "../app/api.js";
import { refresh } from "../app/live.js";
import { to } from "../app/router.js";
import { Icon } from "./icon.js";
import { attempt, say } from "./toasts.js";

export function ScheduleButtons({ schedule }) {
  const [busy, setBusy] = useState(false);
  const { name } = schedule;
  const verb = schedule.paused ? "resume" : "pause";
  const path = (word) => `schedules/${encodeURIComponent(name)}/${word}`;
  const doing = (action) => async () => {
    setBusy(true);
    await attempt(action);
    refresh();
    setBusy(false);
  };
  const turn = doing(async () => {
    await post(path(verb));
    say(`Schedule ${name} ${verb}d`);
  });
  const run = doing(async () => {
    const task = await post(path("run"));
    say(`${name} runs now`, { to: to("tasks", task.id), text: "Open" });
  });
  return html`<span class="buttons">
    <button type="button" onClick=${run} disabled=${busy} aria-label=${`Run ${name} now`}><${Icon} name="bolt" />Run now</button>
    <button type="button" onClick=${turn} disabled=${busy} aria-label=${`${schedule.paused ? "Resume" : "Pause"} ${name}`}>
      <${Icon} name=${schedule.paused ? "play" : "pause"} />${schedule.paused ? "Resume" : "Pause"}
    </button>
  </span>`;
}
