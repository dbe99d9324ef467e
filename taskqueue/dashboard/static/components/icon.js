/** Icons, drawn here: no font has to have them. */

import { html } from "../vendor/preact.js";

const paths = {
  overview: "M3 3h5v5H3zM12 3h5v5h-5zM3 12h5v5H3zM12 12h5v5h-5z",
  tasks: "M3 5h2M8 5h9M3 10h2M8 10h9M3 15h2M8 15h9",
  queues: "M3 6l7-3 7 3-7 3zM3 10l7 3 7-3M3 14l7 3 7-3",
  schedules: "M3 5h14v12H3zM3 9h14M7 3v4M13 3v4M10 11v2.500l2 1.500",
  limits: "M3 15a7.500 7.500 0 1 1 14 0M10 14l3.500-5M10 13.500h.01",
  groups: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM14 11v6M11 14h6",
  dead: "M10 3l8 14H2zM10 8v4M10 14.5v.5",
  actors: "M10 3v4M10 7H5v4M10 7h5v4M3.5 11h3v3h-3zM13.500 11h3v3h-3zM8.500 2h3v3h-3z",
  nodes: "M3 3h14v5H3zM3 12h14v5H3zM6 5.500h.01M6 14.500h.01",
  events: "M10 3a7 7 0 1 0 .01 0M10 6v4l3 2",
  settings: "M3 6h8M15 6h2M11 4h4v4h-4zM3 14h2M9 14h8M5 12h4v4H5z",
  search: "M9 3a6 6 0 1 0 .01 0M13.500 13.500L17 17",
  plus: "M10 4v12M4 10h12",
  pause: "M7 4v12M13 4v12",
  play: "M6 4l10 6-10 6z",
  retry: "M16 10a6 6 0 1 1-2-4.500M16 3v4h-4",
  stop: "M5 5l10 10M15 5L5 15",
  copy: "M7 7h9v9H7zM4 13V4h9",
  check: "M4 10l4 4 8-9",
  light: "M10 6.500a3.500 3.500 0 1 0 .01 0M10 1.500v2M10 16.500v2M1.500 10h2M16.500 10h2M4 4l1.400 1.400M14.600 14.600L16 16M4 16l1.400-1.400M14.600 5.400L16 4",
  dark: "M16 12A7 7 0 0 1 8 4a6.500 6.500 0 1 0 8 8z",
  auto: "M10 3a7 7 0 1 0 .01 0M10 3v14",
  edit: "M4 13v3h3l9-9-3-3z",
  clone: "M4 4h8v8H4zM8 14v2h8V8h-2",
  trash: "M4 6h12M8 6V4h4v2M6 6l1 11h6l1-11",
  bolt: "M11 2L4 11h5l-1 7 7-9h-5z",
  leave: "M8 4H4v12h4M8 10h9M14 7l3 3-3 3",
  more: "M4 10h.01M10 10h.01M16 10h.01",
  right: "M7 4l6 6-6 6",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${paths[name]} /></svg>`;
}

/** The mark of the service: a small tree. index.html draws it, too. */
export function Mark() {
  return html`<svg viewBox="0 0 16 16" aria-hidden="true">
    <rect width="16" height="16" rx="4" fill="#3a63c8" />
    <path d="M8 3v3M8 6H4v3M8 6h4v3" stroke="white" stroke-width="1.3" fill="none" />
    <circle cx="4" cy="11" r="1.7" fill="white" /><circle cx="12" cy="11" r="1.7" fill="white" />
  </svg>`;
}
