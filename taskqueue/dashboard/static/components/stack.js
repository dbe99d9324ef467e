/** The stack of a running handler: asked for only while it is open. */

import { html, useState } from "../vendor/preact.js";
import { useLive } from "../app/live.js";
import { Copy } from "./copy.js";

const EVERY_S = 2;

export function Stack({ id }) {
  const [isOpen, setOpen] = useState(false);
  return html`<details class="live-stack card" onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>Stack of the handler</summary>
    ${isOpen && html`<${Calls} id=${id} />`}
  </details>`;
}

function Calls({ id }) {
  const { data, problem } = useLive(`tasks/${encodeURIComponent(id)}/stack`, EVERY_S);
  if (!data) return html`<p class="soft small" role="status">${problem ? problem.message : "…"}</p>`;
  const text = shown(data);
  return html`<pre class="code" tabindex="0" aria-label="Stack">${text}</pre>
    <${Copy} text=${text} what="the stack" />`;
}

/** A stack as Python writes it: the innermost call last. */
function shown({ stack, truncated }) {
  if (stack.length === 0) return "Not available: the process of the handler does not respond.";
  const calls = stack.map((call) => `File "${call.file}", line ${call.number}, in ${call.function}`);
  return [...(truncated ? ["…"] : []), ...calls].join("\n");
}
