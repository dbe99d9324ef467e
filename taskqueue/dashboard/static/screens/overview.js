/** The tree, the queues and what needs attention, on one screen. */

import { html } from "../vendor/preact.js";
import { count } from "../app/format.js";
import { lazy, runScript } from "../app/lazy.js";
import { useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { Attention } from "../components/attention.js";
import { QueueCards } from "../components/queue-cards.js";
import { Shown } from "../components/states.js";
import { toneOf } from "../components/status.js";
import { Tree } from "../components/tree.js";

const shown = ["queued", "running", "scheduled", "retrying", "completed", "dead"];

// They are the largest part of the page, and not what is looked at first.
const Charts = lazy(async () => {
  const [module] = await Promise.all([import("../components/charts.js"), runScript(new URL("../vendor/uplot.js", import.meta.url))]);
  return module.Charts;
}, Blanks);

export function Overview() {
  const tree = useLive("supervision", 1);
  const queues = useLive("queues", 3);
  const stats = useLive("stats", 2);
  const running = useLive("running", 1).data;
  return html`
    <div class="title"><h1>Overview</h1></div>
    <${Shown} live=${stats}>${({ tasks }) => html`<${Figures} tasks=${tasks} />`}<//>
    <div class="overview grid">
      <section class="card" aria-label="Needs attention">
        <header><h2>Needs attention</h2></header>
        <${Attention} tree=${tree.data} queues=${queues.data} dead=${stats.data ? stats.data.tasks.dead : 0} />
      </section>
      <section aria-label="Queues">
        <${Shown} live=${queues}>${(data) => html`<${QueueCards} queues=${data.queues} />`}<//>
      </section>
    </div>
    <${Charts} />
    <section class="card" aria-label="Supervision">
      <header><h2>Supervision</h2><span class="gap"></span><a class="small" href="supervision?format=text">as text</a></header>
      <${Shown} live=${tree}>${(root) => html`<${Tree} root=${root} running=${running ? running.running : []} />`}<//>
    </section>
  `;
}

function Figures({ tasks }) {
  return html`<ul class="figures" aria-label="Tasks by status">
    ${shown.map(
      (status) => html`<li key=${status}>
        <a href=${to("tasks", "", { status })} data-tone=${toneOf(status)}>
          <span class="name"><span class="dot" aria-hidden="true"></span>${status}</span><b>${count(tasks[status])}</b>
        </a>
      </li>`,
    )}
  </ul>`;
}

/** What keeps the place of the charts. */
function Blanks() {
  return html`<div class="charts grid">${[1, 2, 3].map((each) => html`<div class="card chart-blank" key=${each}></div>`)}</div>`;
}
