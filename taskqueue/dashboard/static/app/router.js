/** The address of what is shown: `#/tasks?status=dead`. The filter is in it, so a link keeps it. */

import { useLayoutEffect, useState } from "../vendor/preact.js";

function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [screen = "", ...rest] = path.split("/").map(decode);
  return { screen, id: rest.join("/"), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function useRoute() {
  const [route, setRoute] = useState(read);
  useLayoutEffect(() => { // an effect comes after the first paint, and a link may be followed before it
    const onChange = () => setRoute(read());
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return route;
}

/** Return the link to a screen. */
export function to(screen, id = "", query = {}) {
  const place = id ? `${screen}/${id.split("/").map(encodeURIComponent).join("/")}` : screen;
  const kept = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(kept).toString();
  return `#/${place}${text ? `?${text}` : ""}`;
}

/** Go to a link; `replace` leaves no entry in the history, as for each letter of a filter. */
export function go(link, { replace = false } = {}) {
  if (!replace) {
    location.hash = link;
    return;
  }
  history.replaceState(null, "", link);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
