/** An instant, as people say it; the exact one is in its title. */

import { html, useEffect, useState } from "../vendor/preact.js";
import { exact, relative } from "../app/format.js";
import { useNow } from "../app/live.js";

const FINE_S = 90;
const COARSE_S = 15; // minutes need no look every second

export function Time({ at }) {
  const [step, setStep] = useState(1);
  const now = useNow(step);
  useEffect(() => setStep(Math.abs(now - at) < FINE_S ? 1 : COARSE_S), [now, at]);
  if (at === null || at === undefined) return html`<span class="faint">–</span>`;
  const machine = new Date(at * 1000).toISOString();
  return html`<time datetime=${machine} title=${exact(at)}>${relative(at, now)}</time>`;
}
