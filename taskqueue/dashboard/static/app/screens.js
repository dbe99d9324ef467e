/** The screens, in the order of the navigation. One with a `role` is only for those who have it.

The first ones are always in sight.
*/

import { useMay } from "./session.js";
import { Actors } from "../screens/actors.js";
import { Dead } from "../screens/dead.js";
import { Events } from "../screens/events.js";
import { Groups } from "../screens/groups.js";
import { Limits } from "../screens/limits.js";
import { Nodes } from "../screens/nodes.js";
import { Overview } from "../screens/overview.js";
import { Queues } from "../screens/queues.js";
import { Schedules } from "../screens/schedules.js";
import { Settings } from "../screens/settings.js";
import { Tasks } from "../screens/tasks.js";

const screens = [
  { id: "", name: "Overview", icon: "overview", key: "o", isFirst: true, view: Overview },
  { id: "tasks", name: "Tasks", icon: "tasks", key: "t", isFirst: true, view: Tasks },
  { id: "queues", name: "Queues", icon: "queues", key: "q", isFirst: true, view: Queues },
  { id: "dead", name: "Dead", icon: "dead", key: "d", isFirst: true, view: Dead },
  { id: "actors", name: "Actors", icon: "actors", key: "a", isFirst: true, view: Actors },
  { id: "nodes", name: "Nodes", icon: "nodes", key: "n", view: Nodes },
  { id: "limits", name: "Limits", icon: "limits", key: "l", view: Limits },
  { id: "schedules", name: "Schedules", icon: "schedules", key: "c", view: Schedules },
  { id: "groups", name: "Groups", icon: "groups", key: "g", view: Groups },
  { id: "events", name: "Events", icon: "events", key: "e", view: Events },
  { id: "settings", name: "Settings", icon: "settings", key: "s", role: "admin", view: Settings },
];

/** Return the screens that the user may see. */
export function useScreens() {
  const may = useMay();
  return screens.filter((screen) => !screen.role || may(screen.role));
}
