/** The form that changes what a limit allows. */

import { html, useState } from "../vendor/preact.js";
import { put } from "../app/api.js";
import { refresh } from "../app/live.js";
import { Dialog } from "./dialog.js";
import { Faults } from "./enqueue.js";
import { say } from "./toasts.js";

const fields = [
  { name: "running", label: "At once", min: 1, step: 1, placeholder: "any number" },
  { name: "starts", label: "Starts", min: 0, step: "any", placeholder: "any number" },
  { name: "per_s", label: "In seconds", min: 0, step: "any", placeholder: "1" },
  { name: "burst", label: "After a pause", min: 1, step: "any", placeholder: "1" },
];

export function ChangeLimit({ limit, onClose }) {
  const [form, setForm] = useState(() => Object.fromEntries(fields.map(({ name }) => [name, String(limit.allows[name] ?? "")])));
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    const given = Object.entries(form).filter(([, text]) => text !== "");
    try {
      await put(`limits/${encodeURIComponent(limit.name)}`, Object.fromEntries(given.map(([name, text]) => [name, Number(text)])));
      say(`Limit ${limit.name} changed`);
      refresh();
      onClose();
    } catch (failure) {
      setProblem(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${`Change ${limit.name}`} onClose=${onClose}>
    <form class="grid" onSubmit=${submit}>
      <p class="small soft">For each key, from now on, until it is reset. An empty field means no limit. Running tasks continue.</p>
      <div class="fields">
        ${fields.map(({ name, label, ...rest }) => html`<div class="field" key=${name}>
          <label for=${`limit-${name}`}>${label}</label>
          <input id=${`limit-${name}`} type="number" ...${rest} value=${form[name]} onInput=${(event) => setForm({ ...form, [name]: event.target.value })} />
        </div>`)}
      </div>
      ${problem && html`<${Faults} problem=${problem} />`}
      <div class="buttons"><button type="button" onClick=${onClose}>Back</button><button class="primary" disabled=${busy}>Save</button></div>
    </form>
  <//>`;
}
