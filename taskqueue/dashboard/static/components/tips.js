/** The small popover with what `data-tip` says: under the pointer, and at what the keyboard is on.

In a row of a table, the focus on its link shows the tips of the whole row: an exact time needs no tab stop of
its own there.
*/

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { exact } from "../app/format.js";

const ID = "tip";
const GAP = 6;

/** What a tip says. That of an instant is written when it is looked at: a list has many, and few are. */
const textOf = (element) => element.dataset.tip || exact(Date.parse(element.dateTime) / 1000);

/** Return the element that has a tip, or whose row has some, and the texts. */
function tipAt(target, isFocus) {
  const own = target.closest?.("[data-tip]");
  if (own) return { element: own, lines: [textOf(own)] };
  const row = isFocus && target.closest("tr");
  const lines = row ? [...row.querySelectorAll("[data-tip]:not([tabindex])")].map(textOf) : [];
  return lines.length > 0 ? { element: target, lines } : null;
}

export function Tips() {
  const [tip, setTip] = useState(null);
  const place = useRef(null);
  const shown = useRef(null);
  shown.current = tip;
  useEffect(() => {
    const show = (event) => {
      const isFocus = event.type === "focusin";
      if (isFocus && !event.target.matches(":focus-visible")) return;
      setTip(tipAt(event.target, isFocus));
    };
    const hide = () => setTip(null);
    const follow = () => shown.current && move(place.current, shown.current.element);
    const onKey = (event) => event.key === "Escape" && hide();
    const events = { pointerover: show, focusin: show, focusout: hide, scroll: follow, keydown: onKey };
    for (const [name, listener] of Object.entries(events)) document.addEventListener(name, listener, true);
    return () => {
      for (const [name, listener] of Object.entries(events)) document.removeEventListener(name, listener, true);
    };
  }, []);
  useEffect(() => {
    if (!tip) return undefined;
    move(place.current, tip.element);
    tip.element.setAttribute("aria-describedby", ID);
    return () => tip.element.removeAttribute("aria-describedby");
  }, [tip]);
  return tip && html`<div class="tip" id=${ID} role="tooltip" popover="manual" ref=${place}>${tip.lines.map((line, i) => html`<div key=${i}>${line}</div>`)}</div>`;
}

/** Put a popover below an element, or above it if there is no room. */
function move(popover, element) {
  if (popover.showPopover && !popover.matches(":popover-open")) popover.showPopover(); // above dialogs
  const at = element.getBoundingClientRect();
  const { width, height } = popover.getBoundingClientRect();
  const isBelow = at.bottom + GAP + height <= innerHeight;
  popover.style.left = `${Math.max(GAP, Math.min(at.left, innerWidth - width - GAP))}px`;
  popover.style.top = `${isBelow ? at.bottom + GAP : at.top - GAP - height}px`;
}
