/** Lists that come in pages: the first is kept up to date, later ones are added below it. */

import { useEffect, useState } from "../vendor/preact.js";
import { get, withQuery } from "./api.js";
import { useLive } from "./live.js";

/** Return the entries of all pages so far, newest answer first.

`field` is the list in the answer, `id` what tells its entries apart. `loadMore` is there while there are more.
*/
export function usePages(path, query, field, id, every) {
  const whole = withQuery(path, query);
  const live = useLive(whole, every);
  const [older, setOlder] = useState(null);
  useEffect(() => setOlder(null), [whole]);
  const { next } = older || live.data || {};
  const loadMore = async () => {
    const page = await get(withQuery(path, { ...query, cursor: next }));
    setOlder({ entries: [...(older ? older.entries : []), ...page[field]], next: page.next });
  };
  const first = live.data ? live.data[field] : [];
  return { live, entries: joined(first, older ? older.entries : [], id), loadMore: next ? loadMore : null };
}

function joined(latest, older, id) {
  const ids = new Set(latest.map((entry) => entry[id]));
  return [...latest, ...older.filter((entry) => !ids.has(entry[id]))];
}
