/** Light or dark: as the system says, unless the user has chosen. */

import { useEffect, useState } from "../vendor/preact.js";

const KEY = "taskqueue.theme"; // first-theme.js reads it, too
const next = { auto: "light", light: "dark", dark: "auto" };

function stored() {
  try {
    const theme = localStorage.getItem(KEY);
    return theme in next ? theme : "auto";
  } catch {
    return "auto"; // the browser keeps nothing for this page
  }
}

/** Return the theme, and what changes it to the next. */
export function useTheme() {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    dispatchEvent(new Event("themechange"));
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It holds until the page is closed.
    }
  }, [theme]);
  return [theme, () => setTheme(next[theme])];
}
