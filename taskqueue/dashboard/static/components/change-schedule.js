/** The forms that create a schedule or change it, and that say why it is paused. */

import { html, useState } from "../vendor/preact.js";
import { patch, post } from "../app/api.js";
import { refresh } from "../app/live.js";
import { checked, objectText, pretty, raw } from "../app/raw.js";
import { go, to } from "../app/router.js";
import { Choice } from "./choice.js";
import { Dialog } from "./dialog.js";
import { Faults } from "./enqueue.js";
import { say } from "./toasts.js";

const path = (name) => `schedules/${encodeURIComponent(name)}`;
const missed = [["latest", "the latest runs"], ["all", "each runs"], ["skip", "none runs"]];
const overlap = [["skip", "skip the new one"], ["queue", "run it afterwards"], ["allow", "run beside it"], ["cancel", "cancel the earlier one"]];

/** What the form shows of a schedule, as text. */
const shown = (schedule) => ({
  name: schedule.name ?? "",
  action: schedule.action ?? "",
  kind: schedule.every_s ? "every_s" : "cron",
  cron: schedule.cron ?? "",
  every_s: String(schedule.every_s ?? ""),
  timezone: schedule.timezone ?? "UTC",
  data: schedule.name ? pretty(raw(schedule, "data") ?? "{}") : "{}",
  missed: schedule.missed ?? "latest",
  within_s: String(schedule.within_s ?? ""),
  overlap: schedule.overlap ?? "skip",
});

/** The text of what the form asks for, without what stays as it was `before`. Throws a SyntaxError if `data` is no JSON. */
function request(form, before) {
  const isNew = (name) => !before || form[name] !== before[name];
  const asked = {};
  for (const name of ["action", "timezone", "missed", "overlap"]) if (isNew(name)) asked[name] = form[name].trim();
  if (isNew("within_s")) asked.within_s = form.within_s === "" ? null : Number(form.within_s);
  if (isNew("kind") || isNew(form.kind)) asked[form.kind] = form.kind === "cron" ? form.cron.trim() : Number(form.every_s);
  if (!before && form.name.trim()) asked.name = form.name.trim();
  return objectText(asked, isNew("data") ? { data: checked(form.data || "{}") } : {});
}

/** Without a schedule, for a new one. */
export function ChangeSchedule({ schedule, onClose }) {
  const [before] = useState(() => schedule && shown(schedule));
  const [form, setForm] = useState(before ?? shown({}));
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const choose = (name) => (value) => setForm({ ...form, [name]: value });
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const asked = request(form, before);
      if (schedule && asked === "{}") return onClose();
      const { name } = schedule ? await patch(path(schedule.name), asked) : await post("schedules", asked);
      say(`Schedule ${name} ${schedule ? "changed" : "created"}`);
      refresh();
      onClose();
      go(to("schedules", name));
    } catch (failure) {
      setProblem(failure instanceof SyntaxError ? { message: `Data is not JSON: ${failure.message}`, faults: [] } : failure);
      setBusy(false);
    }
  };
  const field = (name, label, rest = {}) => html`<div class="field">
    <label for=${`schedule-${name}`}>${label}</label>
    <input id=${`schedule-${name}`} autocomplete="off" ...${rest} value=${form[name]} onInput=${set(name)} />
  </div>`;
  const choice = (name, label, options) => html`<div class="field">
    <label for=${`schedule-${name}`}>${label}</label>
    <${Choice} id=${`schedule-${name}`} value=${form[name]} options=${options} onValue=${choose(name)} />
  </div>`;
  return html`<${Dialog} title=${schedule ? `Change ${schedule.name}` : "New schedule"} onClose=${onClose} wide>
    <form class="dialog-form grid" onSubmit=${submit}>
      <div class="fields">
        ${field("action", "Action", { required: true })}
        ${!schedule && field("name", "Name", { placeholder: "that of the action" })}
        ${choice("kind", "When", [["cron", "at times of day"], ["every_s", "at intervals"]])}
        ${form.kind === "cron"
          ? field("cron", "Expression", { required: true, placeholder: "0 3 * * *" })
          : field("every_s", "Every so many seconds", { required: true, type: "number", min: 1, step: 1 })}
        ${field("timezone", "Time zone", { required: true })}
        ${choice("missed", "Missed slots", missed)}
        ${field("within_s", "Maximum delay in seconds", { type: "number", min: 0, step: "any", placeholder: "any number" })}
        ${choice("overlap", "If an earlier run has not ended", overlap)}
      </div>
      <div class="field"><label for="schedule-data">Data, as JSON</label>
        <textarea id="schedule-data" rows="4" spellcheck="false" value=${form.data} onInput=${set("data")}></textarea></div>
      ${problem && html`<${Faults} problem=${problem} />`}
      <div class="buttons"><button type="button" onClick=${onClose}>Back</button><button class="primary" disabled=${busy}>Save</button></div>
    </form>
  <//>`;
}

export function PauseSchedule({ schedule, onClose }) {
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await post(`${path(schedule.name)}/pause`, reason.trim() ? { reason: reason.trim() } : {});
      say(`Schedule ${schedule.name} paused`);
      refresh();
      onClose();
    } catch (failure) {
      setProblem(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${`Pause ${schedule.name}`} onClose=${onClose}>
    <form class="grid" onSubmit=${submit}>
      <div class="field"><label for="pause-reason">Reason</label>
        <input id="pause-reason" autocomplete="off" maxlength="1000" placeholder="none" value=${reason} onInput=${(event) => setReason(event.target.value)} /></div>
      <p class="small soft">No slot runs until you resume it. Slots that come during the pause do not run later.</p>
      ${problem && html`<${Faults} problem=${problem} />`}
      <div class="buttons"><button type="button" onClick=${onClose}>Back</button><button class="primary" disabled=${busy}>Pause</button></div>
    </form>
  <//>`;
}
