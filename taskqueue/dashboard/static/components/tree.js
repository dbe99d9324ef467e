/** The supervision tree as a table: who runs, what it does, what has crashed. */

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { duration, exact } from "../app/format.js";
import { useNow } from "../app/live.js";
import { to } from "../app/router.js";
import { place, rows, toneOfPart } from "../app/tree.js";
import { Status } from "./status.js";
import { Time } from "./time.js";

const FLASH_MS = 2400;

/** `running`: the attempts that run, if they are known. */
export function Tree({ root, running = [] }) {
  const by = byConsumer(running);
  return html`<div class="wrap"><table class="tree stacked">
    <caption class="unseen">Supervision tree</caption>
    <thead><tr><th>Part</th><th>State</th><th>Doing</th><th class="number">Mailbox</th><th>Last exit</th></tr></thead>
    <tbody>${[...rows(root)].map(({ part, lines }) => html`<${Row} key=${part.path} part=${part} lines=${lines} attempts=${by.get(part.id)} />`)}</tbody>
  </table></div>`;
}

function byConsumer(running) {
  const by = new Map();
  for (const attempt of running) by.set(attempt.consumer, [...(by.get(attempt.consumer) || []), attempt]);
  return by;
}

function Row({ part, lines, attempts }) {
  const flashes = useChanged(part.incarnation);
  const link = part.path === "root" ? html`<span>${part.id}</span>` : html`<a href=${to("actors", part.path)}>${part.id}</a>`;
  return html`<tr class=${flashes ? "flash" : ""} data-path=${part.path}>
    <th scope="row" class="part"><span class="lines" aria-hidden="true">${lines}</span>${link}
      ${part.max_restarts != null && html`<${Budget} part=${part} />`}</th>
    <td><${Status} value=${part.status} tone=${toneOfPart(part)} /></td>
    <td class="doing" data-label="Doing">${attempts ? html`<${Runs} attempts=${attempts} />` : html`<${Doing} part=${part} />`}
      ${part.blocked_s !== undefined && html` <${Blocked} part=${part} />`}</td>
    <td class="number" data-label="Mailbox">${part.process ? part.process.mailbox : ""}</td>
    <td data-label="Last exit"><${LastExit} part=${part} /></td>
  </tr>`;
}

/** Whether a value has changed in the last moments. */
function useChanged(value) {
  const before = useRef(value);
  const [isNew, setNew] = useState(false);
  useEffect(() => {
    if (before.current === value) return undefined;
    before.current = value;
    setNew(true);
    const timer = setTimeout(() => setNew(false), FLASH_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return isNew;
}

/** How many restarts a supervisor may still do before it gives up. */
function Budget({ part }) {
  const left = part.max_restarts - part.restarts_in_period;
  const text = `${left} of ${part.max_restarts} restarts left`;
  return html`<span class="budget" data-tip=${`${text}, in ${part.period_s} s`}>
    <meter min="0" max=${part.max_restarts} value=${left} aria-label=${text}></meter>
    ${part.restarts_in_period > 0 && html`<span>${text}</span>`}
  </span>`;
}

/** The attempt of a consumer that began first, and how many there are beside it. */
function Runs({ attempts }) {
  const now = useNow();
  const [first] = attempts;
  const line = first.line && `${first.line.file}:${first.line.number}, in ${first.line.function}`;
  return html`<span class="runs" data-tip=${line}>
    <a href=${to("tasks", first.task_id)}>${first.action}</a> for ${duration(Math.max(0, now - first.started_at))}
    ${attempts.length > 1 && html` <span class="tag">and ${attempts.length - 1} more</span>`}
  </span>`;
}

/** That a handler blocks the loop of a consumer, and where. */
const Blocked = ({ part }) => html`<span class="tag" data-tone="bad" data-tip=${`at ${place(part.line)}`}>blocked for ${duration(part.blocked_s)}</span>`;

function Doing({ part }) {
  if (part.restart_in_s !== undefined) return html`restarts in ${duration(part.restart_in_s)}`;
  if (part.waits_for) return html`waits for ${part.waits_for.join(", ")}`;
  const { process } = part;
  if (!process) return "";
  if (process.handling_s > 1) return html`<span>${process.handling} for ${duration(process.handling_s)}</span>`;
  if (process.handling) return html`<span class="soft">${process.handling}</span>`;
  return html`<span class="faint">${process.status}</span>`;
}

function LastExit({ part }) {
  if (part.last_exit_at === null) return html`<span class="faint">never</span>`;
  const bad = part.last_exit !== "normal" && part.last_exit !== "shutdown";
  return html`<span class=${`exit ${bad ? "" : "faint"}`} tabindex="0" data-tip=${`${part.last_exit}, ${exact(part.last_exit_at)}`}>
    <span class="cut">${part.last_exit}</span> <${Time} at=${part.last_exit_at} isTold />
    ${part.incarnation > 1 && html` <span class="tag">incarnation ${part.incarnation}</span>`}
  </span>`;
}
