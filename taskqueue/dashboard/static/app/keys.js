/** Keyboard shortcuts. They are quiet while the user types, and while a dialog is open. */

import { useLayoutEffect, useRef } from "../vendor/preact.js";

const isTyping = (target) =>
  target.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "checkbox");

/** Call `actions[key]` when that key is pressed. */
export function useKeys(actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useLayoutEffect(() => { // an effect comes after the first paint, and a key may be pressed before it
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action(event);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

export const shortcuts = [
  ["/", "Search tasks"],
  ["⌘ K, Ctrl K", "Command palette"],
  ["n", "New task"],
  ["g o, g t, g q, g n, g l, g c, g g, g d, g a, g e, g s", "Go to a screen"],
  ["j, k", "Next, previous task"],
  ["x", "Select the task"],
  ["Enter", "Open the task"],
  ["r", "Redrive what is selected"],
  ["c", "Cancel what is selected"],
  ["?", "These shortcuts"],
  ["Esc", "Close, or drop the selection"],
];
