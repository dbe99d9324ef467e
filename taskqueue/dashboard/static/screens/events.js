/** What happens in the service, and who has changed what. */

import { html } from "../vendor/preact.js";
import { isRestart, useEvents } from "../app/events.js";
import { usePages } from "../app/pages.js";
import { useActivity } from "../app/samples.js";
import { useMay } from "../app/session.js";
import { EventList } from "../components/event-list.js";
import { More } from "../components/more.js";
import { Empty, Shown } from "../components/states.js";
import { Time } from "../components/time.js";

export function Events() {
  const may = useMay();
  const events = withEarlier(useEvents(), useActivity().restarts);
  return html`
    <div class="title"><h1>Events</h1></div>
    <section class="card" aria-label="Live">
      <header><h2>Live</h2><span class="small faint">since this page was opened, and the restarts of the last hour; what every task does is left out</span></header>
      <${EventList} events=${events}>Restarts, pauses, dead letters and changes appear here as they happen.<//>
    </section>
    ${may("admin") && html`<${Audit} />`}
  `;
}

/** Add the restarts from before the page was opened. */
function withEarlier(events, restarts) {
  const key = (event) => `${event.at} ${event.child_id}`;
  const seen = new Set(events.filter(isRestart).map(key));
  const earlier = restarts.filter((restart) => !seen.has(key(restart)));
  return [...earlier.map((restart) => ({ ...restart, name: "child_restarted", key: key(restart) })), ...events].sort((a, b) => a.at - b.at);
}

const PAGE = 50;

/** The stored trail. */
function Audit() {
  const audit = usePages("audit", { limit: PAGE }, "changes", "id");
  return html`<section class="card" aria-label="Changes">
    <header><h2>Changes</h2><span class="small faint">the audit trail, which outlives the service</span></header>
    <${Shown} live=${audit.live}>${() => html`<${Changes} changes=${audit.entries} />`}<//>
    <${More} load=${audit.loadMore} />
  </section>`;
}

function Changes({ changes }) {
  if (changes.length === 0) return html`<${Empty} title="Nothing was changed yet">Every call that changes something is listed here, with who made it.<//>`;
  return html`<div class="wrap"><table class="changes">
    <caption class="unseen">Changes, newest first</caption>
    <thead><tr><th>When</th><th>Who</th><th>What</th><th class="wide">Body</th><th class="number">Answer</th></tr></thead>
    <tbody>
      ${changes.map(
        (change) => html`<tr key=${change.id}>
          <td class="soft"><${Time} at=${change.at} /></td>
          <td><strong>${change.who}</strong> <span class="faint small">${change.remote}</span></td>
          <td class="what"><code>${change.method} ${change.path}</code></td>
          <td class="what wide"><code class="soft">${change.body}</code></td>
          <td class=${`number ${change.status < 400 ? "soft" : "bad"}`}>${change.status}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}
