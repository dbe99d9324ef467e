/** The filter above the list of tasks. */

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { withQuery } from "../app/api.js";
import { brief, count } from "../app/format.js";
import { useActions } from "../app/known-actions.js";
import { useLive } from "../app/live.js";
import { go, to } from "../app/router.js";
import { isNarrowed, spans, statusesOf, toggled } from "../app/task-filter.js";
import { Choice } from "./choice.js";
import { Icon } from "./icon.js";
import { statuses } from "./status.js";

const RANGE = "range";
const times = [["", "Any time"], ...Object.entries(spans).map(([key, [, name]]) => [key, name]), [RANGE, "from … to …"]];
const TYPING_MS = 250;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `filter`: the query as the API takes it. `isListed`: the list is there, so it is time for what stands beside it. */
export function FilterBar({ query, filter, isListed }) {
  const set = (changes, options) => go(to("tasks", "", { ...query, ...changes }), options);
  const wasListed = useRef(false);
  wasListed.current ||= isListed;
  const queues = useLive(wasListed.current ? "queues" : null, 30).data;
  const actions = useActions();
  const names = (queues ? queues.queues : []).map(({ queue }) => [queue, queue]);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <${Chips} query=${query} filter=${filter} isListed=${isListed} />
    <div class="filter-fields">
      <${Text} id="search" name="Search in payloads and errors, or an id" icon="search" value=${query.text}
        onValue=${(text) => (ID.test(text) ? go(to("tasks", text.toLowerCase())) : set({ text }, { replace: true }))} />
      <${Text} id="filter-action" name="Action" value=${query.action} list=${actions} onValue=${(action) => set({ action }, { replace: true })} />
      <${Choice} label="Queue" value=${query.queue || ""} options=${[["", "Every queue"], ...names]} onValue=${(queue) => set({ queue })} />
      <${Text} id="filter-key" name="Unique key" value=${query.unique_key} onValue=${(key) => set({ unique_key: key }, { replace: true })} />
      <${Text} id="filter-group" name="Group" value=${query.group} onValue=${(group) => set({ group }, { replace: true })} />
      <${Created} query=${query} set=${set} />
      ${query.error && html`<button type="button" class="chip" data-tip=${query.error} onClick=${() => set({ error: "" })}>
        <span class="unseen">Remove the filter </span>error: ${brief(query.error, 40)} <${Icon} name="stop" /></button>`}
      ${(isNarrowed(query) || query.status) && html`<button type="button" class="quiet" onClick=${() => go(to("tasks"))}>Clear</button>`}
    </div>
  </form>`;
}

/** When tasks were created: in a span that ends now, or from one instant to another. */
function Created({ query, set }) {
  const [isRange, setRange] = useState(false);
  const shown = isRange || query.from || query.to;
  const choose = (since) => {
    setRange(since === RANGE);
    set(since === RANGE ? { since: "" } : { since, from: "", to: "" });
  };
  const field = (name, label) => html`<input type="datetime-local" aria-label=${label} value=${query[name] || ""} onChange=${(event) => set({ [name]: event.target.value })} />`;
  return html`<${Choice} label="Created" value=${shown ? RANGE : query.since || ""} options=${times} onValue=${choose} />
    ${shown && html`<span class="range">${field("from", "Created from")}<span class="faint">to</span>${field("to", "Created before")}</span>`}`;
}

/** The statuses, with how many tasks have each beside the rest of the filter. */
function Chips({ query, filter, isListed }) {
  const { status: _, ...rest } = filter;
  const isSlow = isNarrowed(query); // to count what matches takes longer than to find the first
  const stats = useLive(isListed || !isSlow ? withQuery("stats", rest) : null, isSlow ? 5 : 2).data;
  const chosen = statusesOf(query);
  return html`<div class="chips" role="group" aria-label="Status">
    ${statuses.map(
      (status) => html`<button type="button" class="chip" key=${status} aria-pressed=${String(chosen.includes(status))}
        onClick=${() => go(to("tasks", "", toggled(query, status)))}>
        ${status}${stats && html` <b>${counted(stats, status)}</b>`}
      </button>`,
    )}
  </div>`;
}

/** `12`, `more than 1,000`; nothing if not one was found before the search stopped. */
function counted({ tasks, more_than: cut = [] }, status) {
  if (!cut.includes(status)) return count(tasks[status]);
  return tasks[status] > 0 ? `more than ${count(tasks[status])}` : "";
}

/** A field that reports what was typed when the typing pauses. */
function Text({ id, name, icon, list, value = "", onValue }) {
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
    <input id=${id} type="search" aria-label=${name} placeholder=${name} autocomplete="off" spellcheck="false" value=${text} list=${list && `${id}-list`}
      onInput=${(event) => setText(event.target.value)} onKeyDown=${(event) => event.key === "Escape" && event.target.blur()} />
    ${list && html`<datalist id=${`${id}-list`}>${list.map((each) => html`<option key=${each} value=${each} />`)}</datalist>`}
  </span>`;
}
