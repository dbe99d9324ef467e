/** The actors: the tree, and one of them with all that is known of it. */

import { html, useState } from "../vendor/preact.js";
import { useEvents } from "../app/events.js";
import { duration, plural } from "../app/format.js";
import { useLive } from "../app/live.js";
import { to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { find, place, toneOfPart } from "../app/tree.js";
import { EventList } from "../components/event-list.js";
import { Icon } from "../components/icon.js";
import { Lives } from "../components/lives.js";
import { Kill, Proof } from "../components/kill.js";
import { Empty, Shown } from "../components/states.js";
import { Status } from "../components/status.js";
import { Time } from "../components/time.js";
import { Running } from "../components/running.js";
import { Tree } from "../components/tree.js";

export function Actors({ route }) {
  const tree = useLive("supervision", 1);
  const data = useLive("running", 1).data;
  const running = data ? data.running : [];
  return html`<${Shown} live=${tree}>
    ${(root) =>
      route.id ? html`<${Actor} key=${route.id} path=${route.id} root=${root} running=${running} />` : html`<${All} root=${root} running=${running} />`}
  <//>`;
}

function All({ root, running }) {
  return html`
    <div class="title"><h1>Actors</h1></div>
    <section class="card" aria-label="Supervision tree"><${Tree} root=${root} running=${running} /></section>
  `;
}

function Actor({ path, root, running }) {
  const may = useMay();
  const [isAsking, setAsking] = useState(false);
  const [killed, setKilled] = useState(null);
  const part = find(root, path);
  const events = useEvents();
  if (!part) return html`<${Empty} title="No such actor">It has left the tree. <a href=${to("actors")}>All actors</a><//>`;
  const own = running.filter((attempt) => attempt.consumer === part.id);
  return html`
    <a class="small" href=${to("actors")}>Actors</a>
    <div class="title">
      <h1>${part.id}</h1><${Status} value=${part.status} tone=${toneOfPart(part)} />
      <code class="soft">${part.path}</code><span class="gap"></span>
      ${may("admin") && path !== "root" && part.status === "running" &&
      html`<button type="button" class="danger" onClick=${() => setAsking(true)}><${Icon} name="bolt" />Let it crash</button>`}
    </div>
    ${part.blocked_s !== undefined && html`<p class="why" data-tone="bad"><strong>A handler blocks its loop</strong> for ${duration(part.blocked_s)}, at <code>${place(part.line)}</code>. No other handler of it runs meanwhile.</p>`}
    ${killed && html`<${Proof} killed=${killed} part=${part} />`}
    <div class="actor-grid grid">
      <section class="card" aria-label="Life"><header><h2>Life</h2></header><${Life} part=${part} /></section>
      ${part.process && html`<section class="card" aria-label="Now"><header><h2>Now</h2></header><${Process} process=${part.process} /></section>`}
      ${part.process && html`<section class="card" aria-label="Neighbours"><header><h2>Neighbours</h2></header><${Neighbours} process=${part.process} /></section>`}
    </div>
    ${own.length > 0 && html`<${Running} attempts=${own} />`}
    ${part.children && html`<section class="card" aria-label="Children"><header><h2>Children</h2></header><${Tree} root=${part} running=${running} /></section>`}
    <${Lives} part=${part} />
    <section class="card" aria-label="Events"><header><h2>Events</h2><span class="small faint">since this page was opened</span></header>
      <${EventList} events=${events.filter((event) => event.child_id === part.id)}>Restarts and ends of ${part.id} appear here as they happen.<//>
    </section>
    ${isAsking && html`<${Kill} part=${part} onClose=${() => setAsking(false)} onKilled=${setKilled} />`}
  `;
}

const Facts = ({ facts }) =>
  html`<dl class="facts inside">
    ${facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value}</dd>`)}
  </dl>`;

function Life({ part }) {
  const isSupervisor = part.max_restarts !== undefined && part.max_restarts !== null;
  return html`<${Facts} facts=${[
    ["Life", part.incarnation],
    ["Started", html`<${Time} at=${part.started_at} />`],
    ["Last exit", part.last_exit ?? "never"],
    ["Ended", part.last_exit_at && html`<${Time} at=${part.last_exit_at} />`],
    ["Restarts in", part.restart_in_s === undefined ? null : duration(part.restart_in_s)],
    ["Waits for", part.waits_for && part.waits_for.join(", ")],
    ["Strategy", part.strategy && part.strategy.replaceAll("_", " ")],
    ["Restarts", isSupervisor ? `${part.restarts_in_period} in the last ${part.period_s} s; more than ${part.max_restarts} end it` : null],
  ]} />`;
}

function Process({ process }) {
  return html`<${Facts} facts=${[
    ["Status", process.status],
    ["Handles", process.handling && `${process.handling}, for ${duration(process.handling_s)}`],
    ["Mailbox", plural(process.mailbox, "message")],
    ["Oldest waits", process.oldest_message_s === null ? null : duration(process.oldest_message_s)],
    ["Handled", plural(process.handled, "message")],
    ["Coroutines", process.tasks],
    ["Thread", process.thread],
  ]} />`;
}

function Neighbours({ process }) {
  const names = (all) => (all.length ? all.join(", ") : null);
  return html`<${Facts} facts=${[
    ["Parent", process.parent],
    ["Children", names(process.children)],
    ["Links", names(process.links)],
    ["Monitors", names(process.monitors)],
    ["Monitored by", names(process.monitored_by)],
    ["Traps exits", process.trap_exit ? "yes" : "no"],
  ]} />`;
}
