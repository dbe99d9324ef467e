/** Who uses the page, and what they may do: no button is shown that would be refused. */

import { createContext, useContext } from "../vendor/preact.js";

const ranks = { read: 0, enqueue: 1, admin: 2 };

export const Identity = createContext(null);

/** Return a function that tells whether the user has a role. */
export function useMay() {
  const identity = useContext(Identity);
  return (role) => identity !== null && ranks[identity.role] >= ranks[role];
}
