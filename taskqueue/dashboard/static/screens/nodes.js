/** The nodes: the services that share the database; drain and resume them. */

import { html, useState } from "../vendor/preact.js";
import { post } from "../app/api.js";
import { count, duration } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { useMay } from "../app/session.js";
import { Icon } from "../components/icon.js";
import { Empty, Shown } from "../components/states.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";
import { attempt } from "../components/toasts.js";

const EVERY_S = 2; // as often as a node says that it lives

export function Nodes() {
  const nodes = useLive("nodes", EVERY_S);
  return html`
    <div class="title"><h1>Nodes</h1></div>
    <section class="card" aria-label="Nodes">
      <${Shown} live=${nodes}>${(data) => html`<${Table} nodes=${data.nodes} />`}<//>
    </section>
  `;
}

function Table({ nodes }) {
  const may = useMay();
  if (nodes.length === 0) return html`<${Empty} title="No node has been heard of yet">A service says that it lives every two seconds.<//>`;
  return html`<div class="wrap"><table class="nodes stacked">
    <caption class="unseen">Nodes</caption>
    <thead><tr>
      <th>Node</th><th>State</th><th class="number">Running</th><th class="number">Slots</th><th>Queues</th>
      <th class="number">Heartbeat</th><th class="number">Started</th><th>Version</th>
      ${may("admin") && html`<th><span class="unseen">Actions</span></th>`}
    </tr></thead>
    <tbody>${nodes.map((node) => html`<${Row} key=${node.name} node=${node} canDrain=${may("admin")} />`)}</tbody>
  </table></div>`;
}

function Row({ node, canDrain }) {
  return html`<tr data-node=${node.name}>
    <th scope="row">${node.name}${node.address && html` <span class="small faint">${node.address}</span>`}</th>
    <td data-label="State"><${Status} value=${node.state} />
      ${node.draining_since !== null && html` <span class="small faint">drains since <${Time} at=${node.draining_since} /></span>`}</td>
    <td class="number" data-label="Running">${count(node.running)}</td>
    <td class="number" data-label="Slots">${count(node.slots)}</td>
    <td class="what" data-label="Queues">${node.queues.join(", ") || html`<span class="faint">none</span>`}</td>
    <td class="number" data-label="Heartbeat">${duration(node.age_s)} ago</td>
    <td class="number" data-label="Started"><${Time} at=${node.started_at} /></td>
    <td data-label="Version">${node.version}</td>
    ${canDrain && html`<td class="number buttons-cell"><span class="buttons"><${Switch} node=${node} /></span></td>`}
  </tr>`;
}

function Switch({ node }) {
  const [busy, setBusy] = useState(false);
  const isDraining = node.draining_since !== null;
  const verb = isDraining ? "resume" : "drain";
  const run = async () => {
    setBusy(true);
    await attempt(() => post(`nodes/${encodeURIComponent(node.name)}/${verb}`), `Node ${node.name} ${isDraining ? "resumed" : "drains"}`);
    refresh();
    setBusy(false);
  };
  return html`<button type="button" onClick=${run} disabled=${busy} aria-label=${`${isDraining ? "Resume" : "Drain"} ${node.name}`}>
    <${Icon} name=${isDraining ? "play" : "pause"} />${isDraining ? "Resume" : "Drain"}
  </button>`;
}
