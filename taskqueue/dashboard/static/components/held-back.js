/** The limits that hold back tasks of a queue. */

import { html } from "../vendor/preact.js";
import { count } from "../app/format.js";

const MOST_COUNTED = 1000;

export function HeldBack({ limits }) {
  if (limits.length === 0) return null;
  return html`<span class="held-back small">${limits.map(
    (limit) => html`<span class="tag" data-tone="warning" key=${limit.name}>${waiting(limit)} wait for <b>${limit.name}</b> (${count(limit.running)} running)</span> `,
  )}</span>`;
}

const waiting = ({ waiting: tasks }) => (tasks < MOST_COUNTED ? count(tasks) : `${count(MOST_COUNTED)} or more`);
