/** Short messages about what was done, or could not be. */

import { html, useEffect, useState } from "../vendor/preact.js";

const SHOWN_MS = 6000;

let show = () => {};
let latest = 0;

export const say = (text, link = null) => show({ text, link, tone: "good" });

/** Say why a call failed. */
export function complain(problem) {
  const faults = problem.faults.map((fault) => `${fault.field}: ${fault.message}`).join("; ");
  show({ text: faults || problem.message, tone: "bad" });
}

/** Do something, say what was done, and say why if it fails. Returns whether it was done. */
export async function attempt(action, done) {
  try {
    const answer = await action();
    if (done) say(typeof done === "function" ? done(answer) : done);
    return true;
  } catch (problem) {
    if (problem.faults === undefined) throw problem;
    complain(problem);
    return false;
  }
}

export function Toasts() {
  const [toasts, setToasts] = useState([]);
  useEffect(() => {
    show = (toast) => {
      const id = (latest += 1);
      setToasts((old) => [...old.slice(-3), { ...toast, id }]);
      setTimeout(() => setToasts((old) => old.filter((each) => each.id !== id)), SHOWN_MS);
    };
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map(
      ({ id, text, link, tone }) => html`<div class="toast" data-tone=${tone} key=${id}>
        <span>${text}</span>${link && html`<a href=${link.to}>${link.text}</a>`}
      </div>`,
    )}
  </div>`;
}
