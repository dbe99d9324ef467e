/** The filter above the list of tasks. */

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { count } from "../app/format.js";
import { useLive } from "../app/live.js";
import { go, to } from "../app/router.js";
import { isNarrowed, spans, statusesOf, toggled } from "../app/task-filter.js";
import { Choice } from "./choice.js";
import { Icon } from "./icon.js";
import { statuses } from "./status.js";

const times = [["", "Any time"], ...Object.entries(spans).map(([key, [, name]]) => [key, name])];
const TYPING_MS = 250;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function FilterBar({ query }) {
  const set = (changes, options) => go(to("tasks", "", { ...query, ...changes }), options);
  const queues = useLive("queues", 30).data;
  const names = (queues ? queues.queues : []).map(({ queue }) => [queue, queue]);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <${Chips} query=${query} />
    <div class="filter-fields">
      <${Text} id="search" name="Search in payloads and errors, or an id" icon="search" value=${query.text}
        onValue=${(text) => (ID.test(text) ? go(to("tasks", text.toLowerCase())) : set({ text }, { replace: true }))} />
      <${Text} id="filter-action" name="Action" value=${query.action} onValue=${(action) => set({ action }, { replace: true })} />
      <${Choice} label="Queue" value=${query.queue || ""} options=${[["", "Every queue"], ...names]} onValue=${(queue) => set({ queue })} />
      <${Text} id="filter-key" name="Unique key" value=${query.unique_key} onValue=${(key) => set({ unique_key: key }, { replace: true })} />
      <${Text} id="filter-group" name="Group" value=${query.group} onValue=${(group) => set({ group }, { replace: true })} />
      <${Choice} label="Created" value=${query.since || ""} options=${times} onValue=${(since) => set({ since })} />
      ${(isNarrowed(query) || query.status) && html`<button type="button" class="quiet" onClick=${() => go(to("tasks"))}>Clear</button>`}
    </div>
  </form>`;
}

/** The statuses, with how many tasks have each. The counts are of all tasks: a filter hides them. */
function Chips({ query }) {
  const isWhole = !isNarrowed(query);
  const stats = useLive(isWhole ? "stats" : null).data;
  const chosen = statusesOf(query);
  return html`<div class="chips" role="group" aria-label="Status">
    ${statuses.map(
      (status) => html`<button type="button" class="chip" key=${status} aria-pressed=${String(chosen.includes(status))}
        onClick=${() => go(to("tasks", "", toggled(query, status)))}>
        ${status}${stats && isWhole && html` <b>${count(stats.tasks[status])}</b>`}
      </button>`,
    )}
  </div>`;
}

/** A field that reports what was typed when the typing pauses. */
function Text({ id, name, icon, value = "", onValue }) {
  const [text, setText] = useState(value);
  const report = useRef(onValue); // the filter may change while someone types
  report.current = onValue;
  const reported = useRef(value); // what comes back is no reason to change what is being typed
  useEffect(() => {
    if (value === reported.current) return;
    reported.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text.trim() === reported.current) return undefined;
    const timer = setTimeout(() => report.current((reported.current = text.trim())), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<span class=${`with-icon ${icon ? "" : "no-icon"}`}>
    ${icon && html`<${Icon} name=${icon} />`}
    <input id=${id} type="search" aria-label=${name} placeholder=${name} autocomplete="off" spellcheck="false" value=${text}
      onInput=${(event) => setText(event.target.value)} onKeyDown=${(event) => event.key === "Escape" && event.target.blur()} />
  </span>`;
}
