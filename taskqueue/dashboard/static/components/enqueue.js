/** The form of a new task. */

import { html, useState } from "../vendor/preact.js";
import { post } from "../app/api.js";
import { useActions } from "../app/known-actions.js";
import { refresh, useLive } from "../app/live.js";
import { checked, objectText } from "../app/raw.js";
import { to } from "../app/router.js";
import { Choice } from "./choice.js";
import { Dialog } from "./dialog.js";
import { say } from "./toasts.js";

const numbers = ["priority", "max_attempts", "delay_s", "expires_s", "latest_s"];
const texts = ["queue", "unique_key", "unique_until", "on_repeat", "group"];
const blank = { action: "", data: "{}", unique_by: "", ...Object.fromEntries([...numbers, ...texts].map((name) => [name, ""])) };
const untils = [["", "as the action says"], ["deleted", "it is deleted"], ["ended", "it has ended"], ["started", "it has started"], ["3600", "an hour is over"], ["86400", "a day is over"]];

/** Return the text of a form's request, its data as they are written. Throws a SyntaxError if they are no JSON. */
function request(form) {
  const task = { action: form.action.trim() };
  for (const name of numbers) if (form[name] !== "") task[name] = Number(form[name]);
  for (const name of texts) if (form[name]) task[name] = form[name];
  if (Number(form.unique_until)) task.unique_until = Number(form.unique_until);
  if (form.unique_by.trim()) task.unique_by = form.unique_by.split(",").map((name) => name.trim());
  return objectText(task, { data: checked(form.data || "{}") });
}

/** `original`: the task that `initial` is of. As long as the form is unchanged, the service copies that one. */
export function Enqueue({ onClose, initial = {}, original = null }) {
  const [before] = useState({ ...blank, ...initial });
  const [form, setForm] = useState(before);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const actions = useActions();
  const queues = useLive("queues", 30).data;
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const isCopy = original !== null && Object.keys(before).every((name) => form[name] === before[name]);
      const receipt = await (isCopy ? post(`tasks/${original}/clone`) : post("tasks", request(form)));
      say(receipt.acceptance ? `Task ${receipt.acceptance}: it held the key` : `Task ${receipt.status}`, { to: to("tasks", receipt.id), text: "Open" });
      refresh();
      onClose();
    } catch (failure) {
      setProblem(failure instanceof SyntaxError ? { message: `Data is not JSON: ${failure.message}`, faults: [] } : failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${original === null ? "New task" : "Clone task"} onClose=${onClose} wide>
    <form class="dialog-form grid" onSubmit=${submit}>
      <div class="field">
        <label for="new-action">Action</label>
        <input id="new-action" list="actions" required autofocus autocomplete="off" value=${form.action} onInput=${set("action")} />
        <datalist id="actions">${actions.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
      </div>
      <div class="field">
        <label for="new-data">Data, as JSON</label>
        <textarea id="new-data" rows="6" spellcheck="false" value=${form.data} onInput=${set("data")}></textarea>
      </div>
      <div class="fields">
        <div class="field">
          <label for="new-queue">Queue</label>
          <${Choice} id="new-queue" value=${form.queue} onValue=${(queue) => setForm({ ...form, queue })}
            options=${[["", "as the action says"], ...(queues ? queues.queues : []).map(({ queue }) => [queue, queue])]} />
        </div>
        <div class="field">
          <label for="new-priority">Priority, 0 is first</label>
          <input id="new-priority" type="number" min="0" max="255" placeholder="0" value=${form.priority} onInput=${set("priority")} />
        </div>
        <div class="field">
          <label for="new-delay">Delay in seconds</label>
          <input id="new-delay" type="number" min="0" step="any" placeholder="0" value=${form.delay_s} onInput=${set("delay_s")} />
        </div>
        <div class="field">
          <label for="new-attempts">Attempts at most</label>
          <input id="new-attempts" type="number" min="1" placeholder="as the action says" value=${form.max_attempts} onInput=${set("max_attempts")} />
        </div>
        <div class="field">
          <label for="new-expires">Expires in seconds</label>
          <input id="new-expires" type="number" min="0" step="any" placeholder="as the action says" value=${form.expires_s} onInput=${set("expires_s")} />
        </div>
        <div class="field">
          <label for="new-key">Unique key</label>
          <input id="new-key" autocomplete="off" value=${form.unique_key} onInput=${set("unique_key")} />
        </div>
        <div class="field">
          <label for="new-unique-by">Or the fields that make it</label>
          <input id="new-unique-by" autocomplete="off" placeholder="user_id, day" value=${form.unique_by} onInput=${set("unique_by")} />
        </div>
        <div class="field">
          <label for="new-until">The key is held until</label>
          <${Choice} id="new-until" value=${form.unique_until} options=${untils} onValue=${(unique_until) => setForm({ ...form, unique_until })} />
        </div>
        <div class="field">
          <label for="new-repeat">If a task holds the key</label>
          <${Choice} id="new-repeat" value=${form.on_repeat} onValue=${(on_repeat) => setForm({ ...form, on_repeat })}
            options=${[["", "as the action says"], ["keep", "keep that task"], ["replace", "replace its data"], ["postpone", "postpone it"], ["reject", "refuse this one"]]} />
        </div>
        <div class="field">
          <label for="new-latest">Postponed by seconds, at most</label>
          <input id="new-latest" type="number" min="0" step="any" placeholder="any number" value=${form.latest_s} onInput=${set("latest_s")} />
        </div>
        <div class="field">
          <label for="new-group">Group</label>
          <input id="new-group" autocomplete="off" value=${form.group} onInput=${set("group")} />
        </div>
      </div>
      ${problem && html`<${Faults} problem=${problem} />`}
      <div class="buttons">
        <button type="button" onClick=${onClose}>Back</button>
        <button class="primary" disabled=${busy}>Enqueue</button>
      </div>
    </form>
  <//>`;
}

/** Why a form was refused, with each wrong field. */
export function Faults({ problem }) {
  return html`<div class="bad small" role="alert">
    ${problem.faults.length === 0
      ? problem.message
      : html`<ul>${problem.faults.map((fault) => html`<li key=${fault.field}><code>${fault.field}</code> ${fault.message}</li>`)}</ul>`}
  </div>`;
}
