/** Asks before all tasks of a group are cancelled or redriven, and the form that closes it. */

import { html, useRef, useState } from "../vendor/preact.js";
import { actions } from "../app/actions.js";
import { post, withQuery } from "../app/api.js";
import { plural } from "../app/format.js";
import { refresh } from "../app/live.js";
import { checked, objectText } from "../app/raw.js";
import { Frame } from "./bulk.js";
import { Dialog } from "./dialog.js";
import { Faults } from "./enqueue.js";
import { complain, say } from "./toasts.js";

const path = (group, verb) => `groups/${encodeURIComponent(group.name)}/${verb}`;
const LIVE = ["queued", "scheduled", "running", "retrying"];
const statuses = { cancel: LIVE, redrive: ["dead"] };

/** How many tasks of a group an action is for. */
export const concerned = (verb, group) => statuses[verb].reduce((sum, status) => sum + group.tasks[status], 0);

/** For all tasks of a group, part by part. */
export function GroupDialog({ verb, group, onClose }) {
  const [progress, setProgress] = useState(null);
  const isStopped = useRef(false);
  const action = actions[verb];
  const max = concerned(verb, group);
  const run = async () => {
    let done = 0;
    let cursor;
    setProgress({ value: 0, max });
    try {
      do {
        const part = await post(withQuery(path(group, verb), { cursor, ...(verb === "cancel" && { reason: "cancelled on the page" }) }));
        done += part.done;
        cursor = part.next;
        setProgress({ value: done, max });
      } while (cursor && !isStopped.current);
      say(`${plural(done, "task")} ${action.done}${cursor ? "; stopped before the end" : ""}`);
    } catch (problem) {
      complain(problem);
    }
    refresh();
    onClose();
  };
  const stop = () => {
    isStopped.current = true;
    if (progress === null) onClose();
  };
  return html`<${Frame} action=${action} title=${`${action.name} ${plural(max, "task")} of ${group.name}?`} label=${`${action.name} all`}
    onClose=${stop} onRun=${run} progress=${progress} />`;
}

/** The group takes no more tasks then; another task may follow its last one. */
export function CloseGroup({ group, onClose }) {
  const [form, setForm] = useState({ action: "", data: "{}" });
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const action = form.action.trim();
      const then = objectText({ action }, { data: checked(form.data || "{}") });
      await post(path(group, "close"), action ? objectText({}, { then }) : {});
      say(`Group ${group.name} closed`);
      refresh();
      onClose();
    } catch (failure) {
      setProblem(failure instanceof SyntaxError ? { message: `Data is not JSON: ${failure.message}`, faults: [] } : failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${`Close ${group.name}`} onClose=${onClose}>
    <form class="grid" onSubmit=${submit}>
      <p class="small soft">The group accepts no more tasks, and ends with its last one. This cannot be undone.</p>
      <div class="field"><label for="then-action">Then run this action</label>
        <input id="then-action" autocomplete="off" placeholder="none" value=${form.action} onInput=${set("action")} /></div>
      <div class="field"><label for="then-data">Its data, as JSON</label>
        <textarea id="then-data" rows="4" spellcheck="false" value=${form.data} onInput=${set("data")}></textarea></div>
      ${problem && html`<${Faults} problem=${problem} />`}
      <div class="buttons"><button type="button" onClick=${onClose}>Back</button><button class="primary" disabled=${busy}>Close</button></div>
    </form>
  <//>`;
}
