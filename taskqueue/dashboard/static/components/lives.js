/** The lives of an actor that have ended, the latest first, and why each did. */

import { html } from "../vendor/preact.js";
import { duration, plural } from "../app/format.js";
import { Time } from "./time.js";

const orderly = new Set(["normal", "shutdown"]);

export function Lives({ part }) {
  const exits = part.exits ?? [];
  if (exits.length === 0) return null;
  const older = part.incarnation - exits.length - (part.status === "running" ? 1 : 0);
  return html`<section class="card" aria-label="Earlier lives"><header><h2>Earlier lives</h2></header>
    <div class="wrap"><table>
      <caption class="unseen">Lives that have ended, the latest first</caption>
      <thead><tr><th>Life</th><th>Ended because</th><th class="number">After</th><th>When</th></tr></thead>
      <tbody>
        ${[...exits].reverse().map(
          (exit) => html`<tr key=${`${exit.incarnation} ${exit.at}`} data-life=${exit.incarnation}>
            <td>${exit.incarnation}</td>
            <td class=${`what ${orderly.has(exit.reason) ? "soft" : "bad"}`}>${exit.reason}</td>
            <td class="number">${exit.started_at === null ? "–" : duration(Math.max(0, exit.at - exit.started_at))}</td>
            <td class="soft"><${Time} at=${exit.at} /></td>
          </tr>`,
        )}
      </tbody>
    </table></div>
    ${older > 0 && html`<p class="inside small faint">${plural(older, "earlier life").replace("lifes", "lives")} not kept</p>`}
  </section>`;
}
