/** The let-it-crash button: kills an actor, then shows that it came back. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { get, post } from "../app/api.js";
import { duration, shortId, timeOfDay } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { Confirm } from "./dialog.js";
import { toneOf } from "./status.js";
import { complain } from "./toasts.js";

export function Kill({ part, onClose, onKilled }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      const { running } = await get("running");
      const attempts = running.filter((attempt) => attempt.consumer === part.id);
      const killed = { at: Date.now() / 1000, incarnation: part.incarnation, attempts };
      await post("supervision/kill", { path: part.path });
      onKilled(killed);
    } catch (problem) {
      complain(problem);
    }
    refresh();
    onClose();
  };
  return html`<${Confirm} title=${`Let ${part.id} crash?`} action="Kill it" onDo=${run} onClose=${onClose} busy=${busy}>
    <p>It ends at once, as if it had crashed. Its supervisor starts it again, and nothing that was accepted is lost: what it
      worked on is given back and run again.</p>
  <//>`;
}

/** What became of a task that the actor had in hand. */
function Held({ attempt }) {
  const { data: task } = useLive(`tasks/${attempt.task_id}`, 1);
  const link = html`<a href=${to("tasks", attempt.task_id)}>${attempt.action} ${shortId(attempt.task_id)}</a>`;
  const ended = task && task.attempts.find((each) => each.attempt === attempt.attempt && each.ended_at >= attempt.started_at);
  if (!ended) return html`<li data-tone="warning">It worked on ${link}, which is given back…</li>`;
  return html`<li data-tone=${toneOf(task.status)}>It worked on ${link}: attempt ${attempt.attempt} ${ended.outcome}, the task is <b>${task.status}</b></li>`;
}

/** What came of it, as it comes. */
export function Proof({ killed, part }) {
  const [back, setBack] = useState(null);
  const isBack = part.incarnation > killed.incarnation && part.status === "running";
  useEffect(() => {
    if (isBack && !back) setBack(part);
  }, [isBack]);
  return html`<section class="card proof" aria-label="Proof" aria-live="polite">
    <header><h2>What came of it</h2></header>
    <ol class="inside in-text">
      <li data-tone="bad">Life ${killed.incarnation} was killed at ${timeOfDay(killed.at)}</li>
      ${back
        ? html`<li data-tone="good">Life ${back.incarnation} runs since ${timeOfDay(back.started_at)}: its supervisor needed
            ${" "}${duration(Math.max(0, back.started_at - back.last_exit_at))} after the exit <b>${back.last_exit}</b></li>`
        : html`<li data-tone="warning">Its supervisor starts it again…</li>`}
      ${killed.attempts.map((attempt) => html`<${Held} key=${attempt.task_id} attempt=${attempt} />`)}
    </ol>
  </section>`;
}
