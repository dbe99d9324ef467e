/** An instant, as people say it; the exact one is in its title. */

import { html } from "../vendor/preact.js";
import { exact, relative } from "../app/format.js";
import { useNow } from "../app/live.js";

export function Time({ at }) {
  const now = useNow();
  if (at === null || at === undefined) return html`<span class="faint">–</span>`;
  const machine = new Date(at * 1000).toISOString();
  return html`<time datetime=${machine} title=${exact(at)}>${relative(at, now)}</time>`;
}
