/** The form that changes how many consumers serve a queue, and how many handlers each runs at once. */

import { html, useState } from "../vendor/preact.js";
import { put } from "../app/api.js";
import { plural } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { Dialog } from "./dialog.js";
import { Faults } from "./enqueue.js";
import { Shown } from "./states.js";
import { say } from "./toasts.js";

const fields = [
  { name: "count", label: "Consumers", min: 0, max: 1024 },
  { name: "slots", label: "Slots of each", min: 1, max: 1024 },
];

export function PoolSize({ queue, onClose }) {
  const path = `queues/${encodeURIComponent(queue)}/consumers`;
  const live = useLive(path);
  return html`<${Dialog} title=${`Consumers of ${queue}`} onClose=${onClose}>
    <${Shown} live=${live}>${(size) => html`<${Form} path=${path} size=${size} onClose=${onClose} />`}<//>
  <//>`;
}

function Form({ path, size, onClose }) {
  const [edited, setEdited] = useState({}); // the rest follows the service
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const change = async (wanted) => {
    setBusy(true);
    try {
      const now = await put(path, wanted);
      say(`${words(now)} from now on`);
      refresh();
      onClose();
    } catch (failure) {
      setProblem(failure);
      setBusy(false);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    return change(Object.fromEntries(Object.entries(edited).map(([name, text]) => [name, Number(text)])));
  };
  return html`<form class="grid" onSubmit=${submit}>
    <p class="small soft">Kept over restarts, until it is changed again. What runs continues.
      ${size.queues.length > 1 && html` These consumers are shared by ${size.queues.join(", ")}.`}</p>
    <div class="fields">
      ${fields.map(({ name, label, ...rest }) => html`<div class="field" key=${name}>
        <label for=${`pool-${name}`}>${label}</label>
        <input id=${`pool-${name}`} type="number" step="1" required ...${rest} value=${edited[name] ?? String(size[name])} onInput=${(event) => setEdited({ ...edited, [name]: event.target.value })} />
      </div>`)}
    </div>
    ${problem && html`<${Faults} problem=${problem} />`}
    <div class="buttons">
      <button type="button" onClick=${onClose}>Back</button>
      ${size.is_changed && html`<button type="button" disabled=${busy} onClick=${() => change({ count: null, slots: null })}>As configured: ${words(size.configured)}</button>`}
      <button class="primary" disabled=${busy}>Save</button>
    </div>
  </form>`;
}

const words = ({ count, slots }) => `${plural(count, "consumer")} with ${plural(slots, "slot")}`;
