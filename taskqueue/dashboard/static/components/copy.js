/** A button that copies a text. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { Icon } from "./icon.js";

export function Copy({ text, what }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async (event) => {
    event.stopPropagation();
    await write(text);
    setDone(true);
  };
  return html`<button type="button" class="quiet small" onClick=${copy} aria-label=${`Copy ${what}`}>
    <${Icon} name=${done ? "check" : "copy"} /><span class="unseen" role="status">${done ? "Copied" : ""}</span>
  </button>`;
}

async function write(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Over plain HTTP, on another machine than this, browsers have no clipboard API.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
