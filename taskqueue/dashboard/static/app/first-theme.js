/** Runs before the first paint, so that the frame has the theme that the user has chosen (see theme.js). */

try {
  document.documentElement.dataset.theme = localStorage.getItem("taskqueue.theme") ?? "auto";
} catch {
  // The browser keeps nothing for this page: the system's theme it is.
}
