/** Asks before something is done to many tasks, shows how far it is, and says what came of it. */

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { actions, COUNTED, forAll, forEach, honest } from "../app/actions.js";
import { count, exact, plural } from "../app/format.js";
import { refresh } from "../app/live.js";
import { Dialog } from "./dialog.js";
import { complain, say } from "./toasts.js";

const INSTANT = /_(after|before)$/;

/** For tasks that were selected. */
export function SomeDialog({ verb, ids, onClose, onDone }) {
  const [done, setDone] = useState(null);
  const action = actions[verb];
  const run = async () => {
    setDone(0);
    const answer = await forEach(verb, ids, setDone);
    if (answer.done > 0) say(`${plural(answer.done, "task")} ${action.done}`);
    if (answer.problems.length > 0) complain(answer.problems[0]);
    refresh();
    onDone();
  };
  return html`<${Frame} action=${action} title=${`${action.name} ${plural(ids.length, "task")}?`} onClose=${onClose} onRun=${run}
    label=${`${action.name} ${count(ids.length)}`} progress=${done === null ? null : { value: done, max: ids.length }} />`;
}

/** For all tasks that match a filter. They are counted first, unless it is `known` how many they are. */
export function AllDialog({ verb, filter, known = null, onClose, onDone }) {
  const [total, setTotal] = useState({ matched: known ?? 0, isWhole: known !== null });
  const [isCounted, setCounted] = useState(known !== null);
  const [progress, setProgress] = useState(null);
  const isStopped = useRef(false);
  const action = actions[verb];
  const stopped = () => isStopped.current;
  useEffect(() => {
    if (known === null) {
      forAll(verb, filter, { dryRun: true, most: COUNTED, onProgress: setTotal, isStopped: stopped }).then(
        (answer) => (setTotal(answer), setCounted(true)),
        (problem) => (complain(problem), onClose()),
      );
    }
    return () => (isStopped.current = true);
  }, []);
  const run = async () => {
    const max = total.isWhole ? total.matched : undefined;
    const onProgress = ({ matched, done }) => setProgress({ value: matched, max, done });
    onProgress({ matched: 0, done: 0 });
    try {
      const answer = await forAll(verb, filter, { onProgress, isStopped: stopped });
      say(`${plural(answer.done, "task")} ${action.done}${answer.isWhole ? "" : "; stopped before the end"}`);
    } catch (problem) {
      complain(problem);
    }
    refresh();
    onDone();
  };
  const title = isCounted ? `${action.name} ${honest(total)} ${total.matched === 1 ? "task" : "tasks"}?` : `Counting: ${count(total.matched)}`;
  return html`<${Frame} action=${action} title=${title} onClose=${onClose} onRun=${run} label=${`${action.name} ${known === null ? "all" : count(known)}`}
    isReady=${isCounted && total.matched > 0} progress=${progress}>
    <p class="soft">All tasks that match this filter, including those not shown:</p>
    <ul class="chips">
      ${Object.entries(filter).map(([name, value]) => html`<li class="tag" key=${name}>${name.replaceAll("_", " ")}: ${INSTANT.test(name) ? exact(Number(value)) : value}</li>`)}
      ${Object.keys(filter).length === 0 && html`<li class="tag">every task</li>`}
    </ul>
  <//>`;
}

const notes = {
  cancel: "Running tasks are asked to stop. Cancelled tasks do not run again.",
  redrive: "Each task gets all its attempts again; its history is kept.",
  "run-now": "They are due at once. A paused queue stays paused.",
  delete: "They are deleted with their history. This cannot be undone.",
};

export function Frame({ action, title, label, progress, isReady = true, onRun, onClose, children }) {
  const verb = Object.keys(actions).find((each) => actions[each] === action);
  return html`<${Dialog} title=${title} onClose=${onClose}>
    ${children}
    <p class="soft">${notes[verb]}</p>
    ${progress && html`<div>
      <progress aria-label="Progress" ...${progress.max === undefined ? {} : { value: progress.value, max: progress.max }}></progress>
      <p class="small soft" role="status">${count(progress.value)} looked at</p>
    </div>`}
    <div class="buttons">
      <button type="button" onClick=${onClose}>${progress ? "Stop" : "Back"}</button>
      <button type="button" class=${action.tone} onClick=${onRun} disabled=${!isReady || progress !== null}>${label}</button>
    </div>
  <//>`;
}
