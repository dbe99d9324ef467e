/** The limits: what each allows, what is used of it; change and reset. One limit with its keys. */

import { html, useState } from "../vendor/preact.js";
import { remove } from "../app/api.js";
import { count, plural } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { usePages } from "../app/pages.js";
import { to } from "../app/router.js";
import { useMay } from "../app/session.js";
import { ChangeLimit } from "../components/change-limit.js";
import { Icon } from "../components/icon.js";
import { More } from "../components/more.js";
import { Empty, Shown } from "../components/states.js";
import { Time } from "../components/time.js";
import { attempt } from "../components/toasts.js";

const MOST_COUNTED = 1000;

export function Limits({ route }) {
  return route.id ? html`<${One} name=${route.id} />` : html`<${All} />`;
}

function All() {
  const limits = usePages("limits", {}, "limits", "name", 3);
  return html`
    <div class="title"><h1>Limits</h1></div>
    <section class="card" aria-label="Limits">
      <${Shown} live=${limits.live}>${() => html`<${Table} limits=${limits.entries} />`}<//>
      <${More} load=${limits.loadMore} />
    </section>
  `;
}

function Table({ limits }) {
  const may = useMay();
  if (limits.length === 0) return html`<${Empty} title="No limits">An action has one with <code>limit=Limit(running=2)</code>.<//>`;
  return html`<div class="wrap"><table class="limits stacked">
    <caption class="unseen">Limits</caption>
    <thead><tr>
      <th>Limit</th><th>Allows for each key</th><th class="number">Running</th><th class="number">Waiting</th>
      ${may("admin") && html`<th><span class="unseen">Actions</span></th>`}
    </tr></thead>
    <tbody>${limits.map((limit) => html`<${Row} key=${limit.name} limit=${limit} canChange=${may("admin")} />`)}</tbody>
  </table></div>`;
}

function Row({ limit, canChange }) {
  return html`<tr data-limit=${limit.name}>
    <th scope="row"><a href=${to("limits", limit.name)}>${limit.name}</a></th>
    <td data-label="Allows for each key">${words(limit.allows)}${limit.changed_at !== null && html` <span class="small faint">changed <${Time} at=${limit.changed_at} /></span>`}</td>
    <td class="number" data-label="Running">${count(limit.running)}</td>
    <td class="number" data-label="Waiting">${counted(limit.waiting)}</td>
    ${canChange && html`<td class="number buttons-cell"><${Buttons} limit=${limit} /></td>`}
  </tr>`;
}

function One({ name }) {
  const live = useLive(`limits/${encodeURIComponent(name)}`, 2);
  return html`
    <a class="small" href=${to("limits")}>Limits</a>
    <${Shown} live=${live}>${(data) => html`<${Found} ...${data} />`}<//>
  `;
}

function Found({ limit, keys, next }) {
  const may = useMay();
  return html`
    <div class="title"><h1>${limit.name}</h1><span class="gap"></span>${may("admin") && html`<${Buttons} limit=${limit} />`}</div>
    <p class="why">Allows ${words(limit.allows)} for each key.
      ${limit.changed_at !== null && html` Changed <${Time} at=${limit.changed_at} />; ${limit.declared ? `the app declares ${words(limit.declared)}` : "the app declares no such limit"}.`}</p>
    <section class="card" aria-label="Keys">
      ${keys.length === 0
        ? html`<${Empty} title="Nothing is used">No task runs under this limit, and its rate is not touched.<//>`
        : html`<${Keys} keys=${keys} />`}
      ${next !== null && html`<p class="inside small faint">These are the first ${plural(keys.length, "key")}; <code>taskqueue limits show</code> lists all.</p>`}
    </section>
  `;
}

function Keys({ keys }) {
  return html`<div class="wrap"><table class="keys">
    <caption class="unseen">Keys</caption>
    <thead><tr><th>Key</th><th class="number">Running</th><th class="number">Waiting</th><th class="number">Allows the next start</th></tr></thead>
    <tbody>${keys.map((each) => html`<tr key=${each.key} data-key=${each.key}>
      <th scope="row">${each.key === null ? html`<span class="faint">all tasks</span>` : each.key}</th>
      <td class="number">${count(each.running)}</td>
      <td class="number">${counted(each.waiting)}</td>
      <td class="number">${each.opens_at === null ? "now" : html`<${Time} at=${each.opens_at} />`}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

function Buttons({ limit }) {
  const [isOpen, setOpen] = useState(false);
  const reset = async () => {
    await attempt(() => remove(`limits/${encodeURIComponent(limit.name)}`), `Limit ${limit.name} reset`);
    refresh();
  };
  return html`<span class="buttons">
    <button type="button" onClick=${() => setOpen(true)} aria-label=${`Change ${limit.name}`}><${Icon} name="edit" />Change</button>
    ${limit.changed_at !== null && html`<button type="button" onClick=${reset} aria-label=${`Reset ${limit.name}`}><${Icon} name="retry" />Reset</button>`}
    ${isOpen && html`<${ChangeLimit} limit=${limit} onClose=${() => setOpen(false)} />`}
  </span>`;
}

/** What a limit allows, in a few words. */
function words({ running, starts, per_s, burst }) {
  const parts = running === null ? [] : [`${count(running)} at once`];
  if (starts !== null) parts.push(`${count(starts)} starts in ${count(per_s)} s, ${count(burst)} after a pause`);
  return parts.join("; ");
}

const counted = (number) => (number < MOST_COUNTED ? count(number) : `${count(MOST_COUNTED)} or more`);
