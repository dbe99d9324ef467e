/** The screens, in the order of the navigation. `role`: what a user needs to see one. */

import { Actors } from "../screens/actors.js";
import { Dead } from "../screens/dead.js";
import { Events } from "../screens/events.js";
import { Overview } from "../screens/overview.js";
import { Queues } from "../screens/queues.js";
import { Tasks } from "../screens/tasks.js";

export const screens = [
  { id: "", name: "Overview", icon: "overview", key: "o", role: "read", view: Overview },
  { id: "tasks", name: "Tasks", icon: "tasks", key: "t", role: "read", view: Tasks },
  { id: "queues", name: "Queues", icon: "queues", key: "q", role: "read", view: Queues },
  { id: "dead", name: "Dead", icon: "dead", key: "d", role: "read", view: Dead },
  { id: "actors", name: "Actors", icon: "actors", key: "a", role: "read", view: Actors },
  { id: "events", name: "Events", icon: "events", key: "e", role: "admin", view: Events },
];
