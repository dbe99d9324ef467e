/** The screens, in the order of the navigation. One with a `role` is only for those who have it.

The first ones are always in sight. All but the overview are loaded when they are opened, or before that
while the page is idle.
*/

import { useEffect } from "../vendor/preact.js";
import { lazy } from "./lazy.js";
import { useMay } from "./session.js";
import { Overview } from "../screens/overview.js";

/** Return the screen that a module exports by this name. */
const screen = (load, name) => lazy(async () => (await load())[name]);

const screens = [
  { id: "", name: "Overview", icon: "overview", key: "o", isFirst: true, view: Overview },
  { id: "tasks", name: "Tasks", icon: "tasks", key: "t", isFirst: true, view: screen(() => import("../screens/tasks.js"), "Tasks") },
  { id: "queues", name: "Queues", icon: "queues", key: "q", isFirst: true, view: screen(() => import("../screens/queues.js"), "Queues") },
  { id: "dead", name: "Dead", icon: "dead", key: "d", isFirst: true, view: screen(() => import("../screens/dead.js"), "Dead") },
  { id: "actors", name: "Actors", icon: "actors", key: "a", isFirst: true, view: screen(() => import("../screens/actors.js"), "Actors") },
  { id: "nodes", name: "Nodes", icon: "nodes", key: "n", view: screen(() => import("../screens/nodes.js"), "Nodes") },
  { id: "limits", name: "Limits", icon: "limits", key: "l", view: screen(() => import("../screens/limits.js"), "Limits") },
  { id: "schedules", name: "Schedules", icon: "schedules", key: "c", view: screen(() => import("../screens/schedules.js"), "Schedules") },
  { id: "groups", name: "Groups", icon: "groups", key: "g", view: screen(() => import("../screens/groups.js"), "Groups") },
  { id: "events", name: "Events", icon: "events", key: "e", view: screen(() => import("../screens/events.js"), "Events") },
  { id: "settings", name: "Settings", icon: "settings", key: "s", role: "admin", view: screen(() => import("../screens/settings.js"), "Settings") },
];

/** Return the screens that the user may see. */
export function useScreens() {
  const may = useMay();
  return screens.filter((screen) => !screen.role || may(screen.role));
}

const IDLE_AFTER_MS = 1000; // what the first screen asks for goes first

/** Load the screens that were not opened yet, one by one, so that they are there even if the service is away later. */
export function useScreensAhead(screens) {
  useEffect(() => {
    const left = screens.filter(({ view }) => view.preload);
    const next = () => {
      if (left.length > 0) left.shift().view.preload().then(later, later); // one that fails is loaded when it is opened
    };
    const later = () => (globalThis.requestIdleCallback || setTimeout)(next);
    const timer = setTimeout(later, IDLE_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
}
