/** One schedule: its next slots, what became of the latest ones, and why. */

import { html } from "../vendor/preact.js";
import { duration, exact } from "../app/format.js";
import { useLive } from "../app/live.js";
import { pretty, raw } from "../app/raw.js";
import { to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { Copy } from "../components/copy.js";
import { ScheduleButtons } from "../components/schedule-buttons.js";
import { SlotList } from "../components/slot-list.js";
import { Empty, Missing } from "../components/states.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";

export function Schedule({ name }) {
  const path = `schedules/${encodeURIComponent(name)}`;
  const live = useLive(path, 2);
  const { data, problem } = live;
  if (problem && problem.status === 404) {
    return html`<${Empty} title="No such schedule">It was deleted, or the address has a mistake. <a href=${to("schedules")}>All schedules</a><//>`;
  }
  if (!data) return html`<${Missing} live=${live} lines=${8} />`;
  return html`<${Found} schedule=${data} path=${path} />`;
}

function Found({ schedule, path }) {
  const may = useMay();
  const { last } = schedule;
  return html`
    <a class="small" href=${to("schedules")}>Schedules</a>
    <div class="title">
      <h1>${schedule.name}</h1><${Status} value=${schedule.paused ? "paused" : "active"} tone=${schedule.paused ? "warning" : "good"} />
      <span class="soft">${schedule.when}</span><span class="gap"></span>
      ${may("admin") && html`<${ScheduleButtons} schedule=${schedule} all />`}
    </div>
    ${schedule.paused_because && html`<p class="why" data-tone="warning"><strong>Why it is paused:</strong> ${schedule.paused_because}</p>`}
    ${last && last.reason && html`<p class="why"><strong>The last decision:</strong> ${exact(last.slot)} ${last.outcome}: ${last.reason}</p>`}
    <div class="task-grid grid">
      <div class="stack">
        <section class="card" aria-label="Latest slots"><header><h2>Latest slots</h2></header><${SlotList} slots=${schedule.slots} /></section>
        <${Data} text=${pretty(raw(schedule, "data"))} />
      </div>
      <div class="stack">
        <section class="card" aria-label="Next slots"><header><h2>Next slots</h2></header><${Upcoming} upcoming=${schedule.upcoming} /></section>
        <${Facts} schedule=${schedule} path=${path} />
      </div>
    </div>
  `;
}

function Upcoming({ upcoming }) {
  if (upcoming.length === 0) return html`<${Empty} title="None">No slot runs while it is paused.<//>`;
  return html`<ol class="inside small">
    ${upcoming.map(
      (slot) => html`<li key=${slot.at}>${slot.local.replace("T", " ").slice(0, 19)} ${slot.timezone}
        <span class="faint"> <${Time} at=${slot.at} /></span></li>`,
    )}
  </ol>`;
}

function Data({ text }) {
  return html`<section class="card" aria-label="Data">
    <header><h2>Data</h2><span class="gap"></span><${Copy} text=${text} what="data" /></header>
    <pre class="code flat" tabindex="0">${text}</pre>
  </section>`;
}

const declared = { code: "in code", file: "in the settings file", api: "over HTTP" };

function Facts({ schedule, path }) {
  const facts = [
    ["Action", html`<a href=${to("tasks", "", { action: schedule.action })}>${schedule.action}</a>`],
    ["Expression", schedule.cron && html`<code>${schedule.cron}</code>`],
    ["Missed slots", schedule.missed],
    ["Runs within", schedule.within_s && duration(schedule.within_s)],
    ["Overlap", schedule.overlap],
    ["Declared", declared[schedule.origin]],
    ["Active since", html`<${Time} at=${schedule.active_from} />`],
    ["Fired", schedule.fired_slots],
    ["Skipped", schedule.skipped_slots],
    ["Missed", schedule.missed_slots],
  ];
  return html`<section class="card" aria-label="Facts"><header><h2>Facts</h2><span class="gap"></span>
      <a class="small" href=${path}>as JSON</a></header>
    <dl class="facts inside">
      ${facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}
    </dl>
  </section>`;
}
