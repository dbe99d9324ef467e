/** The form that changes a task which has not run yet. */

import { html, useState } from "../vendor/preact.js";
import { patch } from "../app/api.js";
import { refresh } from "../app/live.js";
import { checked, dataOf, objectText } from "../app/raw.js";
import { Dialog } from "./dialog.js";
import { Faults } from "./enqueue.js";
import { say } from "./toasts.js";

export function EditTask({ task, onClose }) {
  const [before] = useState(() => ({ data: dataOf(task), priority: String(task.priority), max_attempts: String(task.max_attempts), delay_s: "" }));
  const [form, setForm] = useState(before);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const changes = {};
      for (const name of ["priority", "max_attempts", "delay_s"]) if (form[name] !== before[name]) changes[name] = Number(form[name]);
      const written = form.data === before.data ? {} : { data: checked(form.data) };
      await patch(`tasks/${task.id}`, objectText(changes, written));
      say("Task changed");
      refresh();
      onClose();
    } catch (failure) {
      setProblem(failure instanceof SyntaxError ? { message: `Data is not JSON: ${failure.message}`, faults: [] } : failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="Edit task" onClose=${onClose} wide>
    <form class="grid" onSubmit=${submit}>
      <div class="field">
        <label for="edit-data">Data, as JSON</label>
        <textarea id="edit-data" rows="8" spellcheck="false" value=${form.data} onInput=${set("data")}></textarea>
      </div>
      <div class="fields">
        <div class="field"><label for="edit-priority">Priority, 0 is first</label>
          <input id="edit-priority" type="number" min="0" max="255" required value=${form.priority} onInput=${set("priority")} /></div>
        <div class="field"><label for="edit-attempts">Attempts at most</label>
          <input id="edit-attempts" type="number" min="1" required value=${form.max_attempts} onInput=${set("max_attempts")} /></div>
        <div class="field"><label for="edit-delay">Due in seconds</label>
          <input id="edit-delay" type="number" min="0" step="any" placeholder="as it is" value=${form.delay_s} onInput=${set("delay_s")} /></div>
      </div>
      ${problem && html`<${Faults} problem=${problem} />`}
      <div class="buttons"><button type="button" onClick=${onClose}>Back</button><button class="primary" disabled=${busy}>Save</button></div>
    </form>
  <//>`;
}
