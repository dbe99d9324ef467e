/** The queues: what waits in them, who works on them; pause, resume, change the consumers. */

import { html, useState } from "../vendor/preact.js";
import { post } from "../app/api.js";
import { count, duration, perMinute } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { Consumers } from "../components/consumers.js";
import { Flows } from "../components/flows.js";
import { Icon } from "../components/icon.js";
import { PoolSize } from "../components/pool-size.js";
import { HeldBack } from "../components/queue-cards.js";
import { Shown } from "../components/states.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";
import { attempt } from "../components/toasts.js";

export function Queues() {
  const queues = useLive("queues", 3);
  const may = useMay();
  return html`
    <div class="title"><h1>Queues</h1><span class="gap"></span>${may("admin") && html`<${Consumers} />`}</div>
    <section class="card" aria-label="Queues">
      <${Shown} live=${queues}>${(data) => html`<${Table} queues=${data.queues} />`}<//>
    </section>
    ${queues.data && queues.data.queues.filter((queue) => queue.takes_turns).map(({ queue }) => html`<${Flows} key=${queue} queue=${queue} />`)}
  `;
}

function Table({ queues }) {
  const may = useMay();
  return html`<div class="wrap"><table class="queues stacked">
    <caption class="unseen">Queues</caption>
    <thead><tr>
      <th>Queue</th><th>State</th><th class="number">Waiting</th><th class="number">Running</th><th class="number">Later</th>
      <th class="number">Consumers</th><th class="number">A minute</th><th class="number">Wait, p95</th><th class="number">Oldest</th>${may("admin") && html`<th><span class="unseen">Actions</span></th>`}
    </tr></thead>
    <tbody>${queues.map((queue) => html`<${Row} key=${queue.queue} queue=${queue} canSwitch=${may("admin")} />`)}</tbody>
  </table></div>`;
}

function Row({ queue, canSwitch }) {
  const { queue: name, tasks, recent: [recent] } = queue;
  const link = (status, number) =>
    html`<a href=${to("tasks", "", { queue: name, status })} aria-label=${`${number} ${status} in ${name}`}>${count(number)}</a>`;
  return html`<tr data-queue=${name}>
    <th scope="row"><a href=${to("tasks", "", { queue: name })}>${name}</a>
      ${queue.ageing_s !== null && html` <span class="small faint" data-tip=${`Its tasks age: after each ${duration(queue.ageing_s)} of waiting a task counts as one of the next higher priority`}>ages ${duration(queue.ageing_s)}</span>`}
      <${HeldBack} limits=${queue.limits} /></th>
    <td data-label="State"><${Status} value=${queue.paused ? "paused" : "open"} tone=${queue.paused ? "warning" : "good"} />
      ${queue.paused && html` <span class="small faint"><${Time} at=${queue.paused_at} /></span>`}</td>
    <td class="number" data-label="Waiting">${link("queued", tasks.queued)}</td>
    <td class="number" data-label="Running">${link("running", tasks.running)}</td>
    <td class="number" data-label="Later">${link("scheduled,retrying", tasks.scheduled + tasks.retrying)}</td>
    <td class="number" data-label="Consumers">${queue.consumers}</td>
    <td class="number" data-label="A minute">${recent ? perMinute(recent.completed_per_min) : html`<span class="faint">–</span>`}${recent && recent.failed_per_min > 0 && html` <span class="bad small">${perMinute(recent.failed_per_min)} failed</span>`}</td>
    <td class="number" data-label="Waited, p95">${recent && recent.wait_s ? duration(recent.wait_s.p95) : html`<span class="faint">–</span>`}</td>
    <td class="number" data-label="Oldest has waited">${duration(queue.oldest_runnable_s)}</td>
    ${canSwitch && html`<td class="number buttons-cell"><span class="buttons"><${Resize} queue=${name} /><${Switch} queue=${queue} /></span></td>`}
  </tr>`;
}

function Resize({ queue }) {
  const [isOpen, setOpen] = useState(false);
  return html`<button type="button" onClick=${() => setOpen(true)} aria-label=${`Consumers of ${queue}`}><${Icon} name="edit" />Consumers</button>
    ${isOpen && html`<${PoolSize} queue=${queue} onClose=${() => setOpen(false)} />`}`;
}

function Switch({ queue }) {
  const [busy, setBusy] = useState(false);
  const verb = queue.paused ? "resume" : "pause";
  const run = async () => {
    setBusy(true);
    const place = encodeURIComponent(queue.queue);
    await attempt(() => post(`queues/${place}/${verb}`), `Queue ${queue.queue} ${queue.paused ? "resumed" : "paused"}`);
    refresh();
    setBusy(false);
  };
  return html`<button type="button" onClick=${run} disabled=${busy} aria-label=${`${queue.paused ? "Resume" : "Pause"} ${queue.queue}`}>
    <${Icon} name=${queue.paused ? "play" : "pause"} />${queue.paused ? "Resume" : "Pause"}
  </button>`;
}
