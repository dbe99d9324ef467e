/** The end of a list that goes on. */

import { html } from "../vendor/preact.js";
import { attempt } from "./toasts.js";

export function More({ load }) {
  return load && html`<footer class="more"><button type="button" onClick=${() => attempt(load)}>Load more</button></footer>`;
}
