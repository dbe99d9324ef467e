/** The flows of a queue whose tasks take turns: how much waits, and who is next. */

import { html } from "../vendor/preact.js";
import { count, plural } from "../app/format.js";
import { useLive } from "../app/live.js";
import { Empty, Shown } from "./states.js";

const MOST_COUNTED = 1000;

export function Flows({ queue }) {
  const live = useLive(`queues/${encodeURIComponent(queue)}/flows`, 3);
  return html`<section class="card" aria-label=${`Flows of ${queue}`}>
    <h2 class="inside">Flows of ${queue}</h2>
    <${Shown} live=${live}>${(data) => html`<${Found} queue=${queue} ...${data} />`}<//>
  </section>`;
}

function Found({ queue, flows, next }) {
  if (flows.length === 0) return html`<${Empty} title="Nothing waits">Tasks that wait are listed by flow: their flows take turns.<//>`;
  const inTurn = [...flows].sort((a, b) => a.priority - b.priority || a.next_turn - b.next_turn);
  return html`<div class="wrap"><table class="flows">
    <caption class="unseen">Flows of ${queue}</caption>
    <thead><tr><th>Flow</th><th class="number wide">Priority</th><th class="number">Waiting</th><th class="number">Turns away</th></tr></thead>
    <tbody>${inTurn.map((each) => html`<tr key=${`${each.priority}:${each.flow}`} data-flow=${each.flow}>
      <th scope="row">${each.flow === "" ? html`<span class="faint">tasks without one</span>` : each.flow}</th>
      <td class="number wide">${each.priority}</td>
      <td class="number">${each.waiting < MOST_COUNTED ? count(each.waiting) : `${count(MOST_COUNTED)} or more`}</td>
      <td class="number">${turns(each)}</td>
    </tr>`)}</tbody>
  </table></div>
  ${next !== null && html`<p class="inside small faint">These are the first ${plural(flows.length, "flow")} by name; <code>taskqueue queues flows</code> lists all.</p>`}`;
}

const turns = ({ next_turn, served_turn }) => String(Math.max(0, Math.round((next_turn - served_turn) * 10) / 10));
