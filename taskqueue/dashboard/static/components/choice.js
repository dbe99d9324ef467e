/** A field with a fixed choice of values. The one in force is in it even if the others are not known yet. */

import { html } from "../vendor/preact.js";

/** `options`: pairs of a value and its name. */
export function Choice({ id, label, value, options, onValue }) {
  const all = options.some(([each]) => each === value) ? options : [...options, [value, value]];
  return html`<select id=${id} aria-label=${label} onChange=${(event) => onValue(event.target.value)}>
    ${all.map(([each, name]) => html`<option key=${each} value=${each} selected=${each === value}>${name}</option>`)}
  </select>`;
}
