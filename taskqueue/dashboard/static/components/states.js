/** What is shown where there is nothing to show: not yet, not at all, or not now. */

import { html } from "../vendor/preact.js";

export function Loading({ lines = 3 }) {
  return html`<div class="loading" role="status">
    <span class="unseen">Loading</span>
    ${Array.from({ length: lines }, (_, i) => html`<div class="skeleton" key=${i}></div>`)}
  </div>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong><p>${children}</p></div>`;
}

/** A call that failed. `retry` is offered where it may help. */
export function Failure({ problem, retry }) {
  return html`<div class="failure" role="alert">
    <strong>${problem.status === 0 ? "No connection" : problem.error || "Something went wrong"}</strong>
    <p>${problem.message}</p>
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** What stands where `live` has no data: why, or a place for it. While the service is away, the head says so. */
export function Missing({ live: { problem, reload }, lines }) {
  if (!problem || problem.status === 0) return html`<${Loading} lines=${lines} />`;
  return html`<${Failure} problem=${problem} retry=${reload} />`;
}

/** Show what `live` has: its data, else why there is none. */
export function Shown({ live, children }) {
  return live.data ? children(live.data) : html`<${Missing} live=${live} />`;
}
