/** The status of a task or a part: a colour, a shape, and always the word. */

import { html } from "../vendor/preact.js";

const tones = {
  queued: "waiting",
  scheduled: "later",
  retrying: "warning",
  running: "active",
  completed: "good",
  dead: "bad",
  cancelled: "quiet",
  succeeded: "good",
  failed: "bad",
  crashed: "bad",
  starting: "waiting",
  restarting: "warning",
  stopped: "quiet",
  paused: "warning",
  serving: "good",
  draining: "warning",
  silent: "bad",
};

export const statuses = ["queued", "scheduled", "running", "retrying", "completed", "dead", "cancelled"];

export const toneOf = (status) => tones[status] || "quiet";

export function Status({ value, tone }) {
  return html`<span class="status" data-tone=${tone || toneOf(value)}>${value}</span>`;
}
