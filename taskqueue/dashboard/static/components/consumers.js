/** How many consumers the queues share, and the field that changes it. */

import { html, useState } from "../vendor/preact.js";
import { put } from "../app/api.js";
import { plural } from "../app/format.js";
import { refresh, useLive } from "../app/live.js";
import { find } from "../app/tree.js";
import { attempt } from "./toasts.js";

const SHARED = /^consumer-\d+$/; // those of one queue alone have its name in theirs

export function Consumers() {
  const tree = useLive("supervision").data;
  const [text, setText] = useState(null);
  const part = tree && find(tree, "root/consumers");
  if (!part) return null;
  const now = part.children.filter((child) => SHARED.test(child.id)).length;
  const wanted = text ?? String(now);
  const submit = async (event) => {
    event.preventDefault();
    const number = Number(wanted);
    const isDone = await attempt(() => put("supervision/consumers", { count: number }), `${plural(number, "shared consumer")} from now on`);
    if (isDone) setText(null);
    refresh();
  };
  return html`<form class="consumers" onSubmit=${submit}>
    <label for="consumers">Shared consumers</label>
    <input id="consumers" type="number" min="0" max="1024" required value=${wanted} onInput=${(event) => setText(event.target.value)} />
    <button disabled=${wanted === String(now)}>Apply</button>
  </form>`;
}
