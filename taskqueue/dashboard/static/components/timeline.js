/** The attempts of a task: a bar of its time, and below it each attempt with its error. */

import { html, useState } from "../vendor/preact.js";
import { folded, spans } from "../app/attempts.js";
import { duration, exact, plural, timeOfDay } from "../app/format.js";
import { useNow } from "../app/live.js";
import { Status, toneOf } from "./status.js";
import { Time } from "./time.js";
import { attempt as doing } from "./toasts.js";

const waits = new Set(["waited", "backed off"]);

export function Timeline({ task, logs }) {
  const now = useNow();
  const parts = spans(task, now);
  const running = logs.attempts.find((log) => log.outcome === null);
  const whole = parts.reduce((total, part) => total + part.till - part.from, 0);
  return html`<div class="timeline">
    <div class="bar" role="img" aria-label=${parts.map((part) => `${part.text}, ${duration(part.till - part.from)}`).join("; ")}>
      ${parts.map(
        (part, i) => html`<span key=${i} class=${waits.has(part.kind) ? "wait" : "ran"} data-tone=${toneOf(part.kind)}
          style=${{ flexGrow: ((part.till - part.from) / whole) * 100 }} data-tip=${`${part.text}, ${duration(part.till - part.from)}`}></span>`,
      )}
    </div>
    <ol>
      ${task.attempts.length === 0 && task.status !== "running" && html`<li class="soft">It has not been tried yet.</li>`}
      ${task.attempts.map((attempt, i) => html`<${Attempt} key=${i} attempt=${attempt} before=${i ? task.attempts[i - 1].ended_at : task.created_at} isRetry=${i > 0} log=${logOf(attempt, logs.attempts)} />`)}
      ${task.status === "running" && html`<li><div class="line"><b>${task.attempt}</b><${Status} value="running" />
        <span class="soft">for ${duration(Math.max(0, now - task.started_at))}</span></div>
        ${running && html`<${Log} log=${running} />`}</li>`}
      ${(task.next_attempts ?? []).map((next) => html`<${NextAttempt} key=${next.attempt} next=${next} now=${now} />`)}
    </ol>
    ${logs.loadMore && html`<footer class="more"><button type="button" onClick=${() => doing(logs.loadMore)}>Load more logs</button></footer>`}
  </div>`;
}

/** An attempt that follows a failed one. The time that attempts take comes on top. */
function NextAttempt({ next, now }) {
  const { attempt, earliest_at: earliest, latest_at: latest } = next;
  return html`<li class="soft"><div class="line"><b>${attempt}</b>
    ${earliest === latest
      ? html`<span>due <${Time} at=${earliest} /></span>`
      : html`<span tabindex="0" data-tip="${exact(earliest)} to ${exact(latest)}">due in ${duration(earliest - now)} to ${duration(latest - now)},
          if the one before fails at once</span>`}
  </div></li>`;
}

const logOf = (attempt, logs) => logs.find((log) => log.attempt === attempt.attempt && log.ended_at === attempt.ended_at);

function Attempt({ attempt, before, isRetry, log }) {
  const start = attempt.started_at ?? attempt.ended_at;
  return html`<li>
    <div class="line">
      <b>${attempt.attempt}</b><${Status} value=${attempt.outcome.replace("_", " ")} tone=${toneOf(attempt.outcome)} />
      <span class="soft">${isRetry ? "after" : "waited"} ${duration(start - before)}, ran ${duration(attempt.ended_at - start)}</span>
      <span class="gap"></span><span class="faint small"><${Time} at=${attempt.ended_at} /></span>
    </div>
    ${attempt.error && html`<p class="error bad">${attempt.error}</p>`}
    ${attempt.traceback && html`<${Traceback} text=${attempt.traceback} />`}
    ${log && html`<${Log} log=${log} />`}
  </li>`;
}

function Log({ log }) {
  const text = log.lines.map((line) => `${timeOfDay(line.at)}  ${line.level.padEnd(8)} ${line.message}`).join("\n");
  return html`<details><summary>Log, ${plural(log.lines.length, "line")}</summary>
    ${log.dropped > 0 && html`<p class="faint small">${plural(log.dropped, "earlier line")} dropped</p>`}
    <pre class="code" tabindex="0">${text}</pre>
  </details>`;
}

function Traceback({ text }) {
  const [isWhole, setWhole] = useState(false);
  const { text: short, hidden } = folded(text);
  return html`<details><summary>Traceback</summary>
    <pre class="code" tabindex="0">${isWhole ? text : short}</pre>
    ${hidden > 0 && html`<button type="button" class="quiet small" onClick=${() => setWhole(!isWhole)}>
      ${isWhole ? "Only your code" : `Show ${hidden} frames of libraries`}
    </button>`}
  </details>`;
}
