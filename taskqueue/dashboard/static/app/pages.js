/** Lists that come in pages: the first is kept up to date, later ones are added below it. */

import { useEffect, useState } from "../vendor/preact.js";
import { get, withQuery } from "./api.js";
import { useLive } from "./live.js";

/** Return the entries of all pages so far.

`field` is the list in the answer, `id` the field that tells its entries apart. `loadMore` is there while there are more.
*/
export function usePages(path, query, field, id, every) {
  const whole = withQuery(path, query);
  const live = useLive(whole, every);
  const [older, setOlder] = useState(null);
  useEffect(() => setOlder(null), [whole]);
  const first = live.data ? live.data[field] : [];
  const key = (entry) => entry[id];
  const seen = older ? older.entries : first;
  const { next } = older || live.data || {};
  const loadMore = async () => {
    const page = await get(withQuery(path, { ...query, cursor: next }));
    setOlder({ entries: [...joined(first, seen, key), ...page[field]], next: page.next });
  };
  return { live, entries: joined(first, seen, key), loadMore: next ? loadMore : null };
}

/** Put the latest page before what was seen behind its last entry: entries may have moved out of it, or are gone. */
export function joined(latest, seen, key) {
  const last = latest.map(key).at(-1);
  return [...latest, ...seen.slice(seen.findIndex((entry) => key(entry) === last) + 1)];
}
