/** An instant, as people say it; the exact one is its tip: see `Tips`. */

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { relative } from "../app/format.js";
import { useNow } from "../app/live.js";

const FINE_S = 90;
const COARSE_S = 15; // minutes need no look every second

/** `isTold`: what is around it has a tip that says the exact instant. */
export function Time({ at, isTold = false }) {
  const isMissing = at === null || at === undefined;
  const [step, setStep] = useState(1);
  const now = useNow(step);
  const place = useRef(null);
  useEffect(() => setStep(Math.abs(now - at) < FINE_S ? 1 : COARSE_S), [now, at]);
  useEffect(() => {
    // In a table the focus on the row shows it: see `Tips`.
    if (place.current && !isTold && !place.current.closest("tr")) place.current.tabIndex = 0;
  }, [isMissing]);
  const machine = useMemo(() => !isMissing && new Date(at * 1000).toISOString(), [at]); // not every second
  if (isMissing) return html`<span class="faint">–</span>`;
  return html`<time ref=${place} datetime=${machine} data-tip=${isTold ? undefined : ""}>${relative(at, now)}</time>`;
}
