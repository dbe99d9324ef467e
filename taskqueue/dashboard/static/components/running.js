/** The attempts that a consumer runs, each with the line at which its handler is. */

import { html } from "../vendor/preact.js";
import { brief, duration, shortId } from "../app/format.js";
import { useNow } from "../app/live.js";
import { raw } from "../app/raw.js";
import { to } from "../app/router.js";

export function Running({ attempts }) {
  const now = useNow();
  return html`<section class="card" aria-label="Runs now"><header><h2>Runs now</h2></header>
    <div class="wrap"><table>
      <caption class="unseen">Running attempts</caption>
      <thead><tr><th>Task</th><th>Handler is at</th><th class="wide">Progress</th><th class="number">For</th></tr></thead>
      <tbody>
        ${attempts.map(
          (attempt) => html`<tr key=${attempt.task_id}>
            <td><a href=${to("tasks", attempt.task_id)}>${attempt.action} <code>${shortId(attempt.task_id)}</code></a></td>
            <td>${attempt.line ? html`<code>${attempt.line.file}:${attempt.line.number}</code> <span class="faint">${attempt.line.function}</span>` : html`<span class="faint">unknown</span>`}</td>
            <td class="wide"><code class="soft">${attempt.progress === null ? "" : brief(raw(attempt, "progress"), 60)}</code></td>
            <td class="number">${duration(Math.max(0, now - attempt.started_at))}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>
  </section>`;
}
