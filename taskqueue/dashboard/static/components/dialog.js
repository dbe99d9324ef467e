/** Dialogs, on the browser's own element: it keeps the focus inside and closes at Esc. */

import { html, useLayoutEffect, useRef } from "../vendor/preact.js";

export function Dialog({ title, onClose, wide, children }) {
  const element = useRef(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    const opener = document.activeElement;
    dialog.showModal();
    return () => opener && opener.focus && opener.focus();
  }, []);
  const onClick = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${wide ? "large" : ""} aria-label=${title} onCancel=${onClose}
    onClose=${onClose} onClick=${onClick}>
    <div class="dialog"><h2>${title}</h2>${children}</div>
  </dialog>`;
}

/** Ask before something that cannot be taken back. */
export function Confirm({ title, action, tone = "danger", onDo, onClose, busy, children }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    ${children}
    <div class="buttons">
      <button type="button" onClick=${onClose}>Back</button>
      <button type="button" class=${tone} onClick=${onDo} disabled=${busy}>${action}</button>
    </div>
  <//>`;
}
