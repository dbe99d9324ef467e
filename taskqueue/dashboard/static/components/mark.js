/** The mark of the service: a small tree. */

import { html } from "../vendor/preact.js";

export function Mark() {
  return html`<svg viewBox="0 0 16 16" aria-hidden="true">
    <rect width="16" height="16" rx="4" fill="#3a63c8" />
    <path d="M8 3v3M8 6H4v3M8 6h4v3" stroke="white" stroke-width="1.3" fill="none" />
    <circle cx="4" cy="11" r="1.7" fill="white" /><circle cx="12" cy="11" r="1.7" fill="white" />
  </svg>`;
}
