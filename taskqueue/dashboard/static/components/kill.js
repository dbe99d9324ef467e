/** The let-it-crash button: kills an actor, then shows that it came back. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { post } from "../app/api.js";
import { duration, timeOfDay } from "../app/format.js";
import { refresh } from "../app/live.js";
import { Confirm } from "./dialog.js";
import { complain } from "./toasts.js";

export function Kill({ part, onClose, onKilled }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    const killed = { at: Date.now() / 1000, incarnation: part.incarnation };
    try {
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

/** What came of it, as it comes. */
export function Proof({ killed, part }) {
  const [back, setBack] = useState(null);
  const isBack = part.incarnation > killed.incarnation && part.status === "running";
  useEffect(() => {
    if (isBack && !back) setBack(part);
  }, [isBack]);
  return html`<section class="card proof" aria-label="Proof" aria-live="polite">
    <header><h2>What came of it</h2></header>
    <ol class="inside">
      <li data-tone="bad">Life ${killed.incarnation} was killed at ${timeOfDay(killed.at)}</li>
      ${back
        ? html`<li data-tone="good">Life ${back.incarnation} runs since ${timeOfDay(back.started_at)}. Exit reason of the one before: <b>${back.last_exit}</b>;
            its supervisor needed ${duration(Math.max(0, back.started_at - back.last_exit_at))}.</li>`
        : html`<li data-tone="warning">Its supervisor starts it again…</li>`}
    </ol>
  </section>`;
}
