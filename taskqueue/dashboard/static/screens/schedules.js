/** The schedules: when each runs, what was decided last; create, pause, resume, run now. */

import { html, useState } from "../vendor/preact.js";
import { usePages } from "../app/pages.js";
import { to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { ChangeSchedule } from "../components/change-schedule.js";
import { Icon } from "../components/icon.js";
import { More } from "../components/more.js";
import { ScheduleButtons } from "../components/schedule-buttons.js";
import { toneOfSlot } from "../components/slot-list.js";
import { Empty, Shown } from "../components/states.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";
import { Schedule } from "./schedule.js";

export const Schedules = ({ route }) => (route.id ? html`<${Schedule} name=${route.id} key=${route.id} />` : html`<${List} />`);

function List() {
  const schedules = usePages("schedules", {}, "schedules", "name", 3);
  const may = useMay();
  const [isNew, setNew] = useState(false);
  return html`
    <div class="title"><h1>Schedules</h1><span class="gap"></span>
      ${may("admin") && html`<button type="button" onClick=${() => setNew(true)}><${Icon} name="plus" />New schedule</button>`}
    </div>
    <section class="card" aria-label="Schedules">
      <${Shown} live=${schedules.live}>${() => html`<${Table} schedules=${schedules.entries} />`}<//>
      <${More} load=${schedules.loadMore} />
    </section>
    ${isNew && html`<${ChangeSchedule} onClose=${() => setNew(false)} />`}
  `;
}

function Table({ schedules }) {
  const may = useMay();
  if (schedules.length === 0) {
    return html`<${Empty} title="No schedules">
      An app declares one with <code>@app.schedule</code>; <code>taskqueue schedules create</code> makes one, too.
    <//>`;
  }
  return html`<div class="wrap"><table class="schedules">
    <caption class="unseen">Schedules</caption>
    <thead><tr>
      <th>Schedule</th><th>State</th><th>When</th><th>Next</th><th class="wide">Last decision</th>
      ${may("admin") && html`<th><span class="unseen">Actions</span></th>`}
    </tr></thead>
    <tbody>${schedules.map((schedule) => html`<${Row} key=${schedule.name} schedule=${schedule} canSwitch=${may("admin")} />`)}</tbody>
  </table></div>`;
}

function Row({ schedule, canSwitch }) {
  return html`<tr data-schedule=${schedule.name}>
    <th scope="row"><a href=${to("schedules", schedule.name)}>${schedule.name}</a></th>
    <td><${Status} value=${schedule.paused ? "paused" : "active"} tone=${schedule.paused ? "warning" : "good"} /></td>
    <td class="small">${schedule.when}</td>
    <td><${Time} at=${schedule.next_at} /></td>
    <td class="wide small"><${LastDecision} last=${schedule.last} /></td>
    ${canSwitch && html`<td class="number"><${ScheduleButtons} schedule=${schedule} /></td>`}
  </tr>`;
}

function LastDecision({ last }) {
  if (!last) return html`<span class="faint">–</span>`;
  return html`<${Status} value=${last.outcome} tone=${toneOfSlot(last.outcome)} /> <${Time} at=${last.slot} />
    ${last.reason && html`<br /><span class="faint">${last.reason}</span>`}`;
}
