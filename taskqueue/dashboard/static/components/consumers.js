/** How many consumers the queues share, the field that changes it, and the way back. */

import { html, useState } from "../vendor/preact.js";
import { put } from "../app/api.js";
import { plural } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { attempt } from "./toasts.js";

export function Consumers() {
  const size = useLive("supervision/consumers").data;
  const [text, setText] = useState(null);
  if (!size) return null;
  const wanted = text ?? String(size.count);
  const change = async (count, done) => {
    if (await attempt(() => put("supervision/consumers", { count }), done)) setText(null);
    refresh();
  };
  const submit = (event) => {
    event.preventDefault();
    const count = Number(wanted);
    return change(count, `${plural(count, "shared consumer")} from now on`);
  };
  return html`<form class="consumers" onSubmit=${submit}>
    <label for="consumers">Shared consumers</label>
    <input id="consumers" type="number" min="0" max="1024" required value=${wanted} onInput=${(event) => setText(event.target.value)} />
    <button disabled=${wanted === String(size.count)}>Apply</button>
    ${size.is_changed && html`<button type="button" data-tip="The number was changed at run time, and is kept over restarts"
      onClick=${() => change(null, `${plural(size.configured, "shared consumer")}, as configured`)}>Back to ${size.configured}</button>`}
  </form>`;
}
