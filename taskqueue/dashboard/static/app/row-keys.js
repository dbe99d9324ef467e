/** Keys by which the rows of a list are told apart. */

import { useMemo, useRef } from "../vendor/preact.js";

/** Return the key of each entry, by id.

An entry keeps its key, and so its row, wherever it moves. One that is new gets the row of one that is
gone, which is filled anew: to make rows costs several times as much. Only the row that has the focus is
not passed on: the focus must not move to another entry.
*/
export function useRowKeys(entries) {
  const known = useRef(new Map());
  const made = useRef(0);
  return useMemo(() => {
    const shown = new Set(entries.map((entry) => entry.id));
    const focused = document.activeElement?.closest?.("tr[data-id]")?.dataset.id;
    const free = [...known.current].filter(([id]) => !shown.has(id) && id !== focused).map(([, key]) => key);
    const keyOf = (id) => known.current.get(id) ?? free.shift() ?? (made.current += 1);
    known.current = new Map(entries.map(({ id }) => [id, keyOf(id)]));
    return known.current;
  }, [entries]);
}
