/** The actions that the service knows, as its own description lists them. */

import { useEffect, useState } from "../vendor/preact.js";
import { get } from "./api.js";

let known = null;

async function load() {
  const document = await get("openapi.json");
  return document.components.schemas.TaskRequest.properties.action.examples || [];
}

/** Return the names of the actions; none until they are known, once for all that ask. */
export function useActions() {
  const [actions, setActions] = useState([]);
  useEffect(() => {
    known = known || load();
    known.then(setActions, () => (known = null)); // any name can be typed
  }, []);
  return actions;
}
